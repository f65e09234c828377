"""Logins and addresses, before any connection."""

import pytest

from lastword.bus import BusSettings, LoginRefused, Unreachable, open_bus
from lastword.bus.connection import _login, _unreachable, _without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
        ("nats://ada:secret@host:4222", "nats://host:4222"),
        ("nats://token@host", "nats://host"),
        ("tls://ada:se@cret@host:4222", "tls://host:4222"),
        ("ada:secret@host:4222", "host:4222"),
        ("host", "host"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    """Messages and logs go further than settings."""
    assert shown == _without_secrets(url)


def test_user_and_password_are_what_the_client_is_given() -> None:
    """A missing password is an empty one."""
    assert {"user": "ada", "password": "pw"} == _login(BusSettings(user="ada", password="pw"))
    assert {"user": "ada", "password": ""} == _login(BusSettings(user="ada"))


def test_no_login_gives_the_client_nothing() -> None:
    """The server's default user then decides."""
    assert {} == _login(BusSettings())


async def test_no_address_is_unreachable_and_says_what_to_set() -> None:
    """The remedy is in the message."""
    with pytest.raises(Unreachable, match=r"bus\.url is not set"):
        async with open_bus(BusSettings(), name="test"):
            pass


def test_a_refused_login_is_told_from_an_absent_server() -> None:
    """Each has a remedy of its own."""
    refused = _unreachable("nats://host", Exception("nats: 'Authorization Violation'"))
    absent = _unreachable("nats://host", ConnectionRefusedError(111, "Connection refused"))
    assert isinstance(refused, LoginRefused)
    assert "bus.password" in str(refused)
    assert not isinstance(absent, LoginRefused)
    assert "lastword up" in str(absent)
