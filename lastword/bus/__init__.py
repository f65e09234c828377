"""NATS: connection, streams, the append, mailboxes, the feed, commands, the embedded server."""

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
    TooLarge,
    Unavailable,
    Unheard,
    Unreachable,
)
from lastword.bus.follower import Follower, Heard
from lastword.bus.log import Head, StatusLog, decode_record
from lastword.bus.mailbox import JetStreamMailbox, Letter, Mailbox
from lastword.bus.outputs import MAX_INLINE_RESULT, Outputs
from lastword.bus.pull import PullConsumer
from lastword.bus.server import Credentials, EmbeddedServer, Login, read_embedded
from lastword.bus.settings import BusSettings
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
    "EmbeddedServer",
    "Follower",
    "Head",
    "Heard",
    "JetStreamMailbox",
    "Letter",
    "Login",
    "LoginRefused",
    "Mailbox",
    "Outputs",
    "PullConsumer",
    "ServerFailed",
    "ServerTooOld",
    "StatusLog",
    "StreamMismatch",
    "TooLarge",
    "Unavailable",
    "Unheard",
    "Unreachable",
    "decode_record",
    "ensure_streams",
    "open_bus",
    "read_embedded",
    "serve_commands",
]
