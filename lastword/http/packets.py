"""Frames made ready for the wire: encoded once, then written to as many clients as there are.

A packet is one frame's JSON.  Its WebSocket frame and its server-sent event are built when the first client
of that kind needs them.  A burst is what one turn of the loop has for a client, joined to a single write.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final, Protocol

import msgspec

__all__ = [
    "CLOSE_SSE",
    "EXTENSION",
    "Burst",
    "Connection",
    "Message",
    "Packet",
    "Responder",
    "Wire",
    "encode",
    "response_head",
    "websocket_frame",
]

Message = dict[str, Any]
"""An ASGI message."""

EXTENSION: Final = "lastword.prepared"
"""The key of the ASGI extension by which our server takes frames that are already framed: a `Connection`."""

_encoder = msgspec.json.Encoder()
CLOSE_SSE: Final[Message] = {"type": "http.response.body", "body": b"", "more_body": False}


class Connection(Protocol):
    """Our own server's side of a connection, past ASGI."""

    def offer(self, data: bytes) -> bool:
        """Write what is framed already; return False, having written nothing, where that cannot be now."""
        ...

    def evict(self, code: int, reason: str) -> None:
        """End the connection without waiting for the client, with a close code where there is one."""
        ...


class Responder(Protocol):
    """Our own server's side of a request, past ASGI."""

    def answer(self, head: bytes, body: bytes) -> bool:
        """Write a whole response (see `response_head`); False, with nothing written, if it cannot."""
        ...


class Wire(Enum):
    """How a client is reached."""

    SSE = "sse"
    WS = "ws"


_SSE: Final = Wire.SSE  # a member is looked up slowly on Python 3.11, and this is asked for each client


def encode(value: object) -> bytes:
    """Return compact JSON on one line."""
    return _encoder.encode(value)


def response_head(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a response's status line and headers, without the empty line: the server has more to add."""
    lines = [b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode())]
    return b"".join([*lines, *(b"%b: %b\r\n" % header for header in headers)])


def websocket_frame(payload: bytes) -> bytes:
    """Return an unmasked, final text frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class Packet:
    """One frame: its tag, its JSON, and the id by which a client may resume after it."""

    __slots__ = ("_frame", "_sse", "json", "resume", "tag")

    def __init__(self, tag: str, json: bytes, resume: str | None = None) -> None:
        self.tag = tag
        self.json = json
        self.resume = resume
        self._frame: bytes | None = None
        self._sse: bytes | None = None

    @property
    def frame(self) -> bytes:
        """The whole WebSocket frame."""
        if self._frame is None:
            self._frame = websocket_frame(self.json)
        return self._frame

    @property
    def sse(self) -> bytes:
        """The whole server-sent event."""
        if self._sse is None:
            first = (
                f"id: {self.resume}\nevent: {self.tag}\ndata: "
                if self.resume
                else f"event: {self.tag}\ndata: "
            )
            self._sse = first.encode() + self.json + b"\n\n"
        return self._sse


class Burst:
    """Some packets, as ASGI messages for each kind of wire."""

    def __init__(self, packets: Sequence[Packet], prelude: bytes = b"") -> None:
        """`prelude` goes before the first server-sent event: a comment, or `retry:`."""
        self.packets = packets
        self._prelude = prelude

    def framed(self, wire: Wire) -> bytes:
        """Return the bytes that a `Connection` takes; the same object for every client."""
        return self._chunk if wire is _SSE else self._frames

    def messages(self, wire: Wire) -> tuple[Message, ...]:
        """Return what to send on `wire` by ASGI; the same objects for every client."""
        return self._events if wire is _SSE else self._texts

    @cached_property
    def _body(self) -> bytes:
        return self._prelude + b"".join([packet.sse for packet in self.packets])

    @cached_property
    def _chunk(self) -> bytes:
        return b"%x\r\n%b\r\n" % (len(self._body), self._body)

    @cached_property
    def _frames(self) -> bytes:
        return b"".join([packet.frame for packet in self.packets])

    @cached_property
    def _events(self) -> tuple[Message, ...]:
        return ({"type": "http.response.body", "body": self._body, "more_body": True},)

    @cached_property
    def _texts(self) -> tuple[Message, ...]:
        return tuple({"type": "websocket.send", "text": packet.json.decode()} for packet in self.packets)
