"""NATS: connection, streams, the append, mailboxes, the feed, commands, the embedded server.

Names are looked up when they are first used: `lastword.settings` reads this folder's settings for every
command, and most commands need no NATS client, which takes half a second to load.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lastword.bus._decode import decode
    from lastword.bus.accounts import Credentials, Login, write_nkeys
    from lastword.bus.commands import CommandClient, serve_commands
    from lastword.bus.connection import Bus, open_bus
    from lastword.bus.exceptions import (
        AppendUncertain,
        BadLogin,
        BusError,
        Conflict,
        LoginRefused,
        ServerFailed,
        ServerTooOld,
        StreamMismatch,
        StreamMissing,
        TooLarge,
        Unavailable,
        Unheard,
        Unreachable,
    )
    from lastword.bus.follower import Follower, Heard
    from lastword.bus.inspector import Doorkeeper, Inspector
    from lastword.bus.log import Head, StatusLog, decode_record, epoch_of
    from lastword.bus.mailbox import JetStreamMailbox, Letter, Mailbox
    from lastword.bus.outputs import MAX_INLINE_RESULT, Outputs
    from lastword.bus.pull import PullConsumer
    from lastword.bus.server import EmbeddedServer, read_embedded
    from lastword.bus.settings import BusSettings
    from lastword.bus.snapshots import Snapshot, find_stream, raw_messages, restore_stream, save_stream
    from lastword.bus.streams import ensure_streams

__all__ = [
    "MAX_INLINE_RESULT",
    "AppendUncertain",
    "BadLogin",
    "Bus",
    "BusError",
    "BusSettings",
    "CommandClient",
    "Conflict",
    "Credentials",
    "Doorkeeper",
    "EmbeddedServer",
    "Follower",
    "Head",
    "Heard",
    "Inspector",
    "JetStreamMailbox",
    "Letter",
    "Login",
    "LoginRefused",
    "Mailbox",
    "Outputs",
    "PullConsumer",
    "ServerFailed",
    "ServerTooOld",
    "Snapshot",
    "StatusLog",
    "StreamMismatch",
    "StreamMissing",
    "TooLarge",
    "Unavailable",
    "Unheard",
    "Unreachable",
    "decode",
    "decode_record",
    "ensure_streams",
    "epoch_of",
    "find_stream",
    "open_bus",
    "raw_messages",
    "read_embedded",
    "restore_stream",
    "save_stream",
    "serve_commands",
    "write_nkeys",
]

_NAMES: Final = {
    "_decode": ("decode",),
    "accounts": (
        "Credentials",
        "Login",
        "write_nkeys",
    ),
    "commands": (
        "CommandClient",
        "serve_commands",
    ),
    "connection": (
        "Bus",
        "open_bus",
    ),
    "exceptions": (
        "AppendUncertain",
        "BadLogin",
        "BusError",
        "Conflict",
        "LoginRefused",
        "ServerFailed",
        "ServerTooOld",
        "StreamMismatch",
        "StreamMissing",
        "TooLarge",
        "Unavailable",
        "Unheard",
        "Unreachable",
    ),
    "follower": (
        "Follower",
        "Heard",
    ),
    "inspector": (
        "Doorkeeper",
        "Inspector",
    ),
    "log": (
        "Head",
        "StatusLog",
        "decode_record",
        "epoch_of",
    ),
    "mailbox": (
        "JetStreamMailbox",
        "Letter",
        "Mailbox",
    ),
    "outputs": (
        "MAX_INLINE_RESULT",
        "Outputs",
    ),
    "pull": ("PullConsumer",),
    "server": (
        "EmbeddedServer",
        "read_embedded",
    ),
    "settings": ("BusSettings",),
    "snapshots": (
        "Snapshot",
        "find_stream",
        "raw_messages",
        "restore_stream",
        "save_stream",
    ),
    "streams": ("ensure_streams",),
}
_HOME: Final = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load the module that holds `name`."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
