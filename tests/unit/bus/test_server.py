"""The embedded server's configuration, as text."""

from pathlib import Path

from lastword.bus.accounts import Credentials, Login
from lastword.bus.server import _configuration

NAMES = Credentials.__struct_fields__
USERS = Credentials(**{name: Login(name, f'{name}"1') for name in NAMES})


def test_the_server_listens_on_loopback_only() -> None:
    """Nobody outside the machine reaches it."""
    assert 'listen: "127.0.0.1:4222"' in _configuration(Path("/data/nats"), 4222, USERS)


def test_records_are_synced_before_they_are_acknowledged() -> None:
    """On one node there is no other copy."""
    assert "sync_interval: always" in _configuration(Path("/data/nats"), -1, USERS)


def test_whoever_gives_no_credentials_may_listen_and_no_more() -> None:
    """The default user publishes nothing, and does not hear the answers to others."""
    lines = _configuration(Path("/data/nats"), -1, USERS).splitlines()
    assert 'no_auth_user: "viewer"' in lines
    (viewer,) = (line for line in lines if line.lstrip().startswith('{ user: "viewer"'))
    assert 'publish: { deny: [">"] }' in viewer
    assert '"lastword.status.>"' in viewer
    assert "_INBOX" not in viewer


def test_names_and_folders_are_quoted() -> None:
    """A quote in a folder's name ends nothing."""
    text = _configuration(Path('/a "folder"/nats'), -1, USERS)
    assert r'store_dir: "/a \"folder\"/nats"' in text
    assert r'password: "viewer\"1"' in text
