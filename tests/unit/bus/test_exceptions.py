"""The messages name the culprit and the remedy."""

import pytest

from lastword.bus import exceptions
from lastword.bus.exceptions import (
    AppendUncertain,
    BadLogin,
    BusError,
    Conflict,
    ServerFailed,
    ServerTooOld,
    StreamMismatch,
    TooLarge,
    Unavailable,
    Unreachable,
)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Unreachable("nats://host:1", "refused"), ("nats://host:1", "refused", "LASTWORD_BUS__URL")),
        (BadLogin("tls_ca", "/ca.pem", "No such file"), ("bus.tls_ca", "/ca.pem", "No such file")),
        (ServerTooOld("nats://host:1", "2.9.10", 0, 2), ("nats://host:1", "2.9.10", "2.12", "Upgrade")),
        (ServerFailed("/bin/nats", "no"), ("/bin/nats", "no")),
        (Unavailable("the log"), ("the log", "try again")),
        (AppendUncertain("w-1", 30.0), ("w-1", "30 s")),
        (Conflict("w-1", 7), ("w-1", "7")),
        (StreamMismatch("LASTWORD_LOG", "retention: no"), ("LASTWORD_LOG", "retention", "not changed")),
        (TooLarge("lastword.log.w-1", 10, 5), ("lastword.log.w-1", "10", "5")),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BusError) else "",
)
def test_a_message_names_culprit_and_remedy(error: BusError, words: tuple[str, ...]) -> None:
    """A person who reads only the message knows where to look."""
    for word in words:
        assert word in str(error)


def test_everything_is_a_bus_error() -> None:
    """One name catches all."""
    for name in exceptions.__all__:
        assert issubclass(getattr(exceptions, name), BusError)
