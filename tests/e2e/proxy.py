"""A proxy that misbehaves: between the browser and the edge, in each way that networks and proxies do.

It speaks HTTP/1.1 just well enough to know which bytes are whose, runs on a thread of its own, and takes its
`manners` anew with every chunk, so that a test changes them while a page is open. It also writes down what
was asked, which is the count that matters: what reached the server's side, not what a page believes.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

__all__ = ["EVERYTHING", "GOOD", "STREAMS", "Asked", "Kind", "Manners", "Proxy", "answer"]

CHUNK: Final = 16_384
END_OF_HEAD: Final = b"\r\n\r\n"


class Kind(StrEnum):
    """What a request is for."""

    PAGE = "page"
    """The app itself: HTML, scripts, fonts."""
    API = "api"
    EVENTS = "events"
    SOCKET = "socket"


STREAMS: Final = frozenset({Kind.SOCKET, Kind.EVENTS})
EVERYTHING: Final = frozenset(Kind)


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How the proxy behaves; the default passes everything on. The app's own files are never slowed."""

    refuses: frozenset[Kind] = frozenset()
    """Cut as soon as they are asked for."""
    swallows: frozenset[Kind] = frozenset()
    """Taken and never answered, the connection left open."""
    answers: Mapping[Kind, bytes] = field(default_factory=dict[Kind, bytes])
    """Answered in the server's place with these bytes, see `answer`."""
    buffers: bool = False
    """Holds each response until it is whole, and knows no upgrade: an nginx without configuration."""
    delay_s: float = 0.0
    """Added to each chunk, each way."""
    bytes_per_s: float | None = None
    """Most that one connection may carry, each way."""
    cut_after_s: float | None = None
    """Age at which a stream is cut."""


GOOD: Final = Manners()


@dataclass(frozen=True)
class Asked:
    """One request, as the proxy saw it."""

    kind: Kind
    method: str
    path: str
    """With its query."""
    status: int | None
    """What was answered; None where nothing was."""
    at: float
    """By the monotonic clock, in seconds."""


@dataclass(eq=False)
class _Connection:
    """One connection of the browser's, and ours to the edge behind it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    up: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    stream: Kind | None = None
    """What it carries for good, once it carries a stream."""
    dead: bool = False
    """Half-open: nothing passes any more, and nobody is told."""

    def abort(self) -> None:
        """Reset both sides."""
        self.writer.transport.abort()
        if self.up is not None:
            self.up[1].transport.abort()


class Proxy:
    """Listens on a port of its own; use it in a `with` block."""

    def __init__(self, upstream_url: str) -> None:
        self.upstream_port = urlsplit(upstream_url).port
        self.manners = GOOD
        self.asked: list[Asked] = []
        self.port = 0
        self._connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._down = asyncio.Event()
        self._thread = threading.Thread(target=self._live, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        """Start listening."""
        self._thread.start()
        assert self._up.wait(10.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cut everything and stop."""
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join(10.0)

    @property
    def url(self) -> str:
        """What to open instead of the edge."""
        return f"http://127.0.0.1:{self.port}"

    # Mischief

    def behave(self, manners: Manners = GOOD) -> None:
        """Take other manners from now on."""
        self.manners = manners

    def cut(self) -> None:
        """Reset every connection that is open."""

        def abort() -> None:
            for one in list(self._connections):
                one.abort()

        self._tell(abort)

    def go_silent(self) -> None:
        """Leave every connection open that is, and let nothing through any of them ever again."""

        def deafen() -> None:
            for one in self._connections:
                one.dead = True

        self._tell(deafen)

    # Counting

    @property
    def streams(self) -> list[Kind]:
        """The live streams that are open now, half-open ones left out."""
        return [one.stream for one in list(self._connections) if one.stream is not None and not one.dead]

    def count(self, *kinds: Kind, path: str = "", status: int | None = None) -> int:
        """Return how many requests of the kinds were made whose path holds `path`, with that answer."""
        return sum(
            (not kinds or one.kind in kinds) and path in one.path and (status is None or status == one.status)
            for one in list(self.asked)
        )

    # The inside

    def _tell(self, act: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            act()
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(10.0)

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._listen())
        finally:
            self._loop.close()

    async def _listen(self) -> None:
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(_Connection(reader, writer)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.port = int(server.sockets[0].getsockname()[1])
        self._up.set()
        await self._down.wait()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, connection: _Connection) -> None:
        self._connections.add(connection)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
                while await self._pass_one(connection):
                    pass
        finally:
            self._connections.discard(connection)
            connection.abort()

    async def _pass_one(self, connection: _Connection) -> bool:
        """Pass one request and its response; true where another may follow."""
        head = await connection.reader.readuntil(END_OF_HEAD)
        method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        kind = _kind_of(path, head)
        body = await connection.reader.readexactly(int(_header(head, b"content-length") or 0))
        manners = self.manners
        if kind in manners.refuses:
            self._note(kind, method, path, None)
            return False
        if kind in manners.swallows or connection.dead:
            self._note(kind, method, path, None)
            await connection.reader.read()  # until the browser itself gives up
            return False
        if kind in manners.answers:
            self._note(kind, method, path, int(manners.answers[kind].split(b" ", 2)[1]))
            connection.writer.write(manners.answers[kind])
            await connection.writer.drain()
            return True
        if manners.buffers:
            head = _without_upgrade(head)
        reader, writer = await self._reach(connection)
        await self._pass(connection, kind, head + body, writer)
        answered = await self._until_gone(connection, reader.readuntil(END_OF_HEAD))
        status = int(answered.split(b" ", 2)[1])
        self._note(kind, method, path, status)
        if kind in STREAMS and status in {101, 200}:
            connection.stream = kind
        limit_s = manners.cut_after_s if connection.stream else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._pass_response(connection, kind, status, answered)
                connection.stream = None
                return status != 101
        return False

    async def _reach(self, connection: _Connection) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if connection.up is None:
            try:
                connection.up = await asyncio.open_connection("127.0.0.1", self.upstream_port)
            except OSError:
                connection.writer.write(answer(502, "<html><h1>502 Bad Gateway</h1></html>", "text/html"))
                await connection.writer.drain()
                raise
        return connection.up

    async def _pass_response(self, connection: _Connection, kind: Kind, status: int, head: bytes) -> None:
        assert connection.up is not None
        reader, _ = connection.up
        if status == 101:
            await self._pass(connection, kind, head, connection.writer)
            await self._pass_both_ways(connection)
            return
        held = [head]

        async def forward(data: bytes) -> None:
            if self.manners.buffers:
                held.append(data)
            else:
                await self._pass(connection, kind, data, connection.writer)

        if not self.manners.buffers:
            await self._pass(connection, kind, held.pop(), connection.writer)
        await self._until_gone(connection, _read_body(reader, status, head, forward))
        if held:
            await self._pass(connection, kind, b"".join(held), connection.writer)

    async def _pass_both_ways(self, connection: _Connection) -> None:
        assert connection.up is not None

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(CHUNK):
                await self._pass(connection, Kind.SOCKET, data, target)

        ways = [
            asyncio.ensure_future(pump(connection.reader, connection.up[1])),
            asyncio.ensure_future(pump(connection.up[0], connection.writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(
        self, connection: _Connection, kind: Kind, data: bytes, target: asyncio.StreamWriter
    ) -> None:
        """Pass bytes on as the manners of this moment allow; not at all through a dead connection."""
        if kind is not Kind.PAGE:
            pause = self.manners.delay_s + len(data) / (self.manners.bytes_per_s or float("inf"))
            if pause:
                await asyncio.sleep(pause)
        if connection.dead:
            return
        target.write(data)
        await target.drain()

    async def _until_gone(self, connection: _Connection, work: Coroutine[Any, Any, Any]) -> Any:
        """Do the work, unless the browser hangs up first: nothing else would notice that it has."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=0.02)
                if connection.reader.at_eof() and not task.done():
                    raise EOFError
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _note(self, kind: Kind, method: str, path: str, status: int | None) -> None:
        self.asked.append(Asked(kind, method, path, status, time.monotonic()))


def answer(status: int, body: str, media_type: str = "application/json", **headers: str) -> bytes:
    """Return a whole response; `Retry_After="3"` becomes a header of that name."""
    lines = [
        f"HTTP/1.1 {status} Made up",
        f"Content-Type: {media_type}",
        f"Content-Length: {len(body.encode())}",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


async def _read_body(
    reader: asyncio.StreamReader,
    status: int,
    head: bytes,
    forward: Callable[[bytes], Coroutine[Any, Any, None]],
) -> None:
    if status in {204, 304}:
        return
    length = _header(head, b"content-length")
    if length is not None:
        left = int(length)
        while left and (data := await reader.read(min(left, CHUNK))):
            left -= len(data)
            await forward(data)
    elif (_header(head, b"transfer-encoding") or b"").lower() == b"chunked":
        size = -1
        while size:
            line = await reader.readuntil(b"\r\n")
            size = int(line, 16)
            await forward(line + await reader.readexactly(size + 2))
    else:
        while data := await reader.read(CHUNK):
            await forward(data)


def _kind_of(path: str, head: bytes) -> Kind:
    if (_header(head, b"upgrade") or b"").lower() == b"websocket":
        return Kind.SOCKET
    if path.startswith("/events/"):
        return Kind.EVENTS
    return Kind.PAGE if path == "/" or path.startswith("/ui") else Kind.API


def _header(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return None


def _without_upgrade(head: bytes) -> bytes:
    lines = head.split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith((b"upgrade:", b"connection:"))]
    return b"\r\n".join(kept)
