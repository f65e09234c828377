"""A real edge on a thread of its own, and raw sockets to throw things at it.

Hypothesis drives plain functions, so what it throws is sent by blocking sockets, while the edge's loop turns
elsewhere.  Whatever that loop complains of is kept: a client must not be able to make it.
"""

import asyncio
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Self, TypeVar

from tests.integration.http.conftest import Edge, make_edge
from tests.unit.http.fakes import World

__all__ = ["Ground", "RawSocket", "Told", "client_frame", "open_ground"]

T = TypeVar("T")
WITHIN_S = 5.0
MASK = b"\x37\xfa\x21\x3d"


class Ground(logging.Handler):
    """The edge, from outside its thread."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.complaints: list[str] = []
        self.edge: Edge
        self.loop: asyncio.AbstractEventLoop
        self._up = threading.Event()
        self._down: asyncio.Event

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what was logged as an error."""
        self.complaints.append(self.format(record))

    def call(self, act: Callable[[], T]) -> T:
        """Return what `act` returns on the edge's loop."""

        async def acting() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(acting(), self.loop).result(WITHIN_S)

    @property
    def world(self) -> World:
        """What stands behind the edge; change it by `call`."""
        return self.edge.world

    @property
    def port(self) -> int:
        """Where the edge listens."""
        return int(self.edge.url.rpartition(":")[2])

    def connect(self) -> socket.socket:
        """Return a connection on which nothing was said yet."""
        return socket.create_connection(("127.0.0.1", self.port), WITHIN_S)

    def await_streams(self, count: int) -> None:
        """Return once so many live streams are open."""
        until = time.monotonic() + WITHIN_S
        while (found := self.call(lambda: len(self.edge.hub.channels))) != count:
            assert time.monotonic() < until, f"{found} streams are open"
            time.sleep(0.005)

    def run(self, world: World, given: dict[str, Any]) -> None:
        """Serve until `stop`."""

        async def serve() -> None:
            self.loop = asyncio.get_running_loop()
            self.loop.set_exception_handler(lambda _, context: self.complaints.append(str(context)))
            self._down = asyncio.Event()
            async with make_edge(world, **given) as self.edge:
                self._up.set()
                await self._down.wait()

        asyncio.run(serve())

    def await_start(self) -> None:
        """Return once the edge listens."""
        assert self._up.wait(WITHIN_S)

    def stop(self) -> None:
        """Ask the edge to end."""
        self.loop.call_soon_threadsafe(self._down.set)


@contextmanager
def open_ground(world: World, **given: Any) -> Generator[Ground, None, None]:
    """Run an edge over `world` while the block runs; `given` are its settings."""
    ground = Ground()
    logging.getLogger().addHandler(ground)
    thread = threading.Thread(target=ground.run, args=(world, given), name="edge")
    thread.start()
    try:
        ground.await_start()
        yield ground
        ground.stop()
    finally:
        thread.join(WITHIN_S)
        logging.getLogger().removeHandler(ground)


class Told(NamedTuple):
    """A frame from the server."""

    opcode: int
    payload: bytes


class RawSocket:
    """A WebSocket whose client may send any bytes at all."""

    def __init__(self, ground: Ground, path: str) -> None:
        self._peer = ground.connect()
        self._unread = b""
        self.send(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._unread:
            assert self._receive(), "the connection has ended in the handshake"
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head

    def __enter__(self) -> Self:
        """Use it as a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Break it off."""
        self.close()

    def close(self) -> None:
        """Break it off."""
        self._peer.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are; a server that has gone already takes none."""
        with suppress(OSError):
            self._peer.sendall(data)

    def told(self) -> Told | None:
        """Return the next frame, or None where the connection has ended."""
        head = self._take(2)
        if head is None:
            return None
        assert not head[1] & 0x80, "a server masks nothing"
        size = head[1]
        for marker, width, form in ((126, 2, "!H"), (127, 8, "!Q")):
            if head[1] == marker:
                (size,) = struct.unpack(form, self._take(width) or b"")
        payload = self._take(size)
        return None if payload is None else Told(head[0] & 0x0F, payload)

    def _take(self, size: int) -> bytes | None:
        while len(self._unread) < size:
            if not self._receive():
                return None
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    def _receive(self) -> bool:
        try:
            more = self._peer.recv(65_536)
        except ConnectionError:
            return False
        self._unread += more
        return bool(more)


def client_frame(
    payload: bytes,
    opcode: int = 1,
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    size: int | None = None,
) -> bytes:
    """Return a frame as a client sends it, or as none should: `size` lies about the payload's."""
    size = len(payload) if size is None else size
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head = bytes((first, mask_bit | size))
    elif size < 65_536:
        head = bytes((first, mask_bit | 126)) + struct.pack("!H", size)
    else:
        head = bytes((first, mask_bit | 127)) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))
