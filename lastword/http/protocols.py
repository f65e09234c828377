"""Our side of uvicorn: prepared frames, an end for clients that do not read, a limit for slow requests.

Everything here is an extension (`packets.EXTENSION` in the scope): on another server the application works
the same, a little slower.
"""

import asyncio
import socket
from http import HTTPStatus
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from lastword.http.limits import RETRY_S
from lastword.http.packets import EXTENSION, encode
from lastword.http.problems import PROBLEM_JSON, ProblemBody, headers_of, refuse

__all__ = ["IDLE_FRAMES", "EdgeHttp", "EdgeWebSocket"]

ABORT_S: Final = 1.0  # how long an evicted client may take to read its close frame
HEADERS_S: Final = 10.0  # how long a request's headers and body may take to come
MAX_HEADER_BYTES: Final = 65_536  # of one request
MAX_LINE_BYTES: Final = 8_000  # of a handshake; the WebSocket library takes lines of 8,192
MAX_HEADERS: Final = 100  # of a handshake; the WebSocket library takes 128
IDLE_FRAMES: Final = 1_000  # pings, pongs and fragments that a client may send in a second
SLICE: Final = 4_096  # bytes of frames that are read at once
UNACKED_MS: Final = 30_000  # after which the kernel gives up on a peer that acknowledges nothing


class EdgeWebSocket(WebSocketsSansIOProtocol):
    """Takes whole frames, written as they are, and no floods."""

    _idle_since = 0.0
    _idle_frames = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the socket up."""
        super().connection_made(transport)
        _tune(transport)

    def handle_connect(self, event: Any) -> None:
        """Offer the extension."""
        super().handle_connect(event)
        scope = cast("dict[str, Any] | None", getattr(self, "scope", None))
        if scope is not None:  # None where the handshake was refused
            scope["extensions"][EXTENSION] = self

    def data_received(self, data: bytes) -> None:
        """Read frames, a few at a time: one packet can hold some ten thousand that say nothing."""
        for start in range(0, len(data), SLICE):
            if not self.transport.is_closing():
                super().data_received(data[start : start + SLICE])

    def handle_cont(self, event: Any) -> None:
        """Join a fragment to those before, since any number of them may be empty or nearly so."""
        if not self._is_tolerable():
            return
        first = cast("bytes | bytearray", self.frames[0])
        joined = first if isinstance(first, bytearray) else bytearray(first)
        joined += event.data
        self.frames = [cast("bytes", joined)]
        if event.fin:
            self.send_receive_event_to_app()

    def send_receive_event_to_app(self) -> None:
        """Hand a whole message on; text that is no text is the client's fault, and no error to log."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                if self.conn.state is State.OPEN:  # else the client's own close was behind it
                    self.conn.send_close(1007)
                    self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answer, unless the client does not read: what it does not take must not pile up here."""
        pong = b"".join(self.conn.data_to_send())
        if self._is_tolerable() and self.writable.is_set():
            self.transport.write(pong)

    def handle_pong(self, event: Any) -> None:
        """Take in an answer that nothing asked for."""
        if self._is_tolerable():
            super().handle_pong(event)

    def _is_tolerable(self) -> bool:
        """Count a frame that is no message; a client that sends nothing else is closed with 1008."""
        now = self.loop.time()
        if now - self._idle_since > 1.0:
            self._idle_since, self._idle_frames = now, 0
        self._idle_frames += 1
        if self._idle_frames > IDLE_FRAMES and self.conn.state is State.OPEN:
            self.conn.send_close(1008, "too many frames that say nothing")
            self.handle_parser_exception()
        return self._idle_frames <= IDLE_FRAMES

    def handle_parser_exception(self) -> None:
        """Say why the connection ends: by a close code, or, while it is still a handshake, by a problem."""
        if self.conn.close_sent is not None:
            super().handle_parser_exception()
        else:  # nothing was accepted yet, or asked; the loss of the connection ends the application's part
            self.transport.write(_bare(refuse("bad_request", str(self.conn.parser_exc)).body))
            self.transport.close()

    def offer(self, data: bytes) -> bool:
        """Write whole frames, unless the client is gone or does not read."""
        if self.disconnected or self.close_sent or not self.writable.is_set():
            return False
        self.transport.write(data)
        return True

    def evict(self, code: int, reason: str) -> None:
        """Close a client that does not read: it gets the code if it ever reads, and is gone in a second."""
        if not self.disconnected and not self.close_sent:
            self.close_sent = True
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
        self.loop.call_later(ABORT_S, self.transport.abort)


class EdgeResponse:
    """Takes whole responses, and whole chunks of one, written as they are.

    Beside the server's own object, not in its place: to change the class of that costs 1.5 KB a request.
    """

    __slots__ = ("_cycle", "_flow", "_write")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._flow = cycle.flow
        self._write = cycle.transport.write

    def offer(self, data: bytes) -> bool:
        """Write a chunk, unless the client is gone, does not read, or takes no chunks (HTTP/1.0)."""
        cycle = self._cycle
        # Whether there are chunks is settled when the response begins.
        if not cycle.chunked_encoding or cycle.response_complete or cycle.disconnected:
            return False
        if self._flow.write_paused:
            return False
        self._write(data)
        return True

    def answer(self, head: bytes, body: bytes) -> bool:
        """Write a whole response at once: one write in place of two, and no header looked at twice."""
        cycle = self._cycle
        if cycle.response_started or cycle.disconnected or self._flow.write_paused or not cycle.keep_alive:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        added = [b"%b: %b\r\n" % header for header in cycle.default_headers]  # the date
        self._write(b"".join([head, *added, b"\r\n", body]))
        cycle.message_event.set()
        cycle.on_response()
        return True

    def evict(self, _code: int, _reason: str) -> None:
        """End the connection of a client that does not read; SSE has no words for why."""
        self._cycle.transport.abort()


class EdgeHttp(HttpToolsProtocol):
    """Bounds how long a request may take to arrive."""

    _due: float | None = None
    """By when the rest of a request must have come, by the loop's clock; None while none is awaited."""
    _header_bytes: int | None = None
    """What has come of a request's headers; None while none are being read.

    No more attributes: with over thirty, instances no longer share their keys, which costs 1 KB a connection.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Set the socket up, and begin to wait for headers."""
        super().connection_made(transport)
        _tune(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, while the headers stay within their bound."""
        super().data_received(data)
        if self._header_bytes is not None:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._refuse("headers_too_large")

    def on_message_begin(self) -> None:
        """Say that the rest of the request must come soon."""
        super().on_message_begin()
        self._header_bytes = 0
        self._expect_request()

    def on_headers_complete(self) -> None:
        """Offer the extension."""
        self._header_bytes = None
        most = self.limit_concurrency
        if most is not None and len(self.connections) >= most:  # another answer could lack what it opens
            self._refuse("overloaded", f"This server has {most} connections open.", retry_after_s=RETRY_S)
            return
        if self._is_upgrade_with_body():  # of which the parser would lose the body
            self._refuse("bad_request", "A request with `Upgrade` takes no body: leave one of them out.")
            return
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # it was made this moment, and its task has not begun
            cast("dict[str, Any]", self.cycle.scope)["extensions"] = {EXTENSION: EdgeResponse(self.cycle)}

    def on_message_complete(self) -> None:
        """Stop waiting: the request is whole."""
        self._stop_waiting()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, unless the WebSocket library would choke on the handshake's length."""
        self._stop_waiting()
        if self.transport.is_closing():  # it was refused already
            return
        if len(self.url) > MAX_LINE_BYTES:
            self._refuse("uri_too_long")
        elif len(self.headers) > MAX_HEADERS or any(
            len(name) + len(value) > MAX_LINE_BYTES for name, value in self.headers
        ):
            self._refuse("headers_too_large")
        else:
            super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Say as a problem that what came is not HTTP."""
        self._refuse("bad_request", msg)

    def look(self, now: float) -> None:
        """End the wait for a request that is overdue; called now and then, with the loop's time."""
        if self._due is not None and now > self._due:
            self._due = None
            self._too_slow()

    def _expect_request(self) -> None:
        self._due = self.loop.time() + HEADERS_S

    def _stop_waiting(self) -> None:
        self._due = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self._refuse("request_timeout")

    def _refuse(self, code: str, detail: str = "", **more: Any) -> None:
        """End the connection with a problem: there is no whole request that could be routed.

        Where an earlier answer is still to come, nothing may stand in its place, and the end says it all.
        """
        self._header_bytes = None
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        if cycle is None or cycle.response_complete or self._is_partial(cycle):
            self.transport.write(_bare(refuse(code, detail, **more).body))
        self.transport.close()

    def _is_upgrade_with_body(self) -> bool:
        parser = cast("Any", self.parser)  # None only once the connection has ended
        return parser.should_upgrade() and any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in self.headers
        )

    def _is_partial(self, cycle: RequestResponseCycle) -> bool:
        """Tell whether a request that is not whole is the only one that waits for an answer."""
        return cycle.more_body and not cycle.response_started and not self.pipeline


def _bare(body: ProblemBody) -> bytes:
    """Return a whole response that carries a problem and ends the connection."""
    payload = encode(body)
    headers = {
        **headers_of(body),
        "content-type": PROBLEM_JSON,
        "content-length": str(len(payload)),
        "connection": "close",
    }
    lines = [f"HTTP/1.1 {body.status} {HTTPStatus(body.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + payload


def _tune(transport: asyncio.BaseTransport) -> None:
    """Send at once, and let the kernel end connections whose peer is gone without a word.

    asyncio turns Nagle's algorithm off only on sockets that were made with the protocol's number, which an
    inherited one may not have; with it on, each answer waits 40 ms for the client's acknowledgement.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKED_MS)
