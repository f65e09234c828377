"""A TCP link that breaks in many ways: an executor's way to a NATS server.

It can be cut, frozen, deafened, delayed and throttled, and it can hold or repeat the reports that it carries.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct

from tests.chaos.reports import Operations, again, is_report

__all__ = ["GOOD", "Link", "Manners", "manners_for"]

CHUNK: Final = 16_384


class Manners(Struct, frozen=True, kw_only=True):
    """How a link behaves; the default passes everything on."""

    cut: bool = False
    """Connections are reset and refused."""
    up: bool = True
    """Whether what the executor says passes; what does not is kept until it does."""
    down: bool = True
    """Whether what the server says passes."""
    delay_s: float = 0.0
    """Added to each chunk, each way."""
    bytes_per_s: float | None = None
    """Most that one connection carries, each way."""
    hold_s: float = 0.0
    """Longest that a report is kept; each comes when it comes, and what is not a report passes it by."""
    repeat_s: float | None = None
    """Latest that a report comes again, as one that the stream does not know."""


GOOD: Final = Manners()


def manners_for(act: str) -> Manners:
    """Return how a link behaves under a fault of the plan."""
    return {
        "cut": Manners(cut=True),
        "freeze": Manners(up=False, down=False),
        "deafen": Manners(down=False),
        "delay": Manners(delay_s=0.15),
        "throttle": Manners(bytes_per_s=20_000),
        "hold": Manners(hold_s=8.0),  # longer than a publisher waits for an answer
        "repeat": Manners(repeat_s=10.0),
    }[act]


class Link:
    """Listens on a port of its own and passes on to `port`, which is on loopback."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        """`host` is the address to listen at."""
        self._target = port
        self._host = host
        self._draw = random.Random(port)  # noqa: S311  how long each report is held
        self._manners = GOOD
        self._changed = asyncio.Condition()
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0

    @asynccontextmanager
    async def open(self) -> AsyncGenerator["Link", None]:
        """Pass on until the block is left."""

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(reader, writer), name="link")
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

        server = await asyncio.start_server(accept, self._host, 0)
        self.port = int(server.sockets[0].getsockname()[1])
        try:
            yield self
        finally:
            server.close()
            for task in list(self._serving):
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def behave(self, manners: Manners) -> None:
        """Take other manners from now on."""
        async with self._changed:
            self._manners = manners
            self._changed.notify_all()
        if manners.cut:
            for writer in list(self._open):
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._manners.cut:
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, up_writer}
        self._open |= ends
        ways = [
            asyncio.ensure_future(self._pass(reader, up_writer, "up", Operations())),
            asyncio.ensure_future(self._pass(up_reader, writer, "down")),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._open -= ends
            for end in ends:
                end.transport.abort()
            await asyncio.gather(*(end.wait_closed() for end in ends), return_exceptions=True)

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        way: str,
        operations: Operations | None = None,
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                manners = self._manners
                pause_s = manners.delay_s + len(chunk) / (manners.bytes_per_s or float("inf"))
                if pause_s:
                    await asyncio.sleep(pause_s)
                async with self._changed:
                    await self._changed.wait_for(lambda: getattr(self._manners, way))
                if operations is None:
                    writer.write(chunk)
                else:
                    for operation in operations.feed(chunk):
                        self._put(operation, writer)
                await writer.drain()

    def _put(self, operation: bytes, writer: asyncio.StreamWriter) -> None:
        manners = self._manners if is_report(operation) else GOOD
        if manners.repeat_s is not None:
            self._put_late(again(operation), writer, manners.repeat_s)
        if manners.hold_s:
            self._put_late(operation, writer, manners.hold_s)
        else:
            _put(operation, writer)

    def _put_late(self, operation: bytes, writer: asyncio.StreamWriter, latest_s: float) -> None:
        """Write it at some time, unless the connection has ended by then."""
        asyncio.get_running_loop().call_later(self._draw.uniform(0.0, latest_s), _put, operation, writer)


def _put(operation: bytes, writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing():
        writer.write(operation)
