"""What telling many clients costs: the edge's processor time per event and client, against a raw broadcaster.

The floor writes one prepared frame to each of as many `asyncio.Protocol` transports, in the same run, on the
same kind of loop.  Clients run in a process of their own and only count bytes; what is measured is the
serving process alone, so a slow client changes nothing.  Run: `python -m bench.fanout [clients] [events]`.
"""

import asyncio
import multiprocessing
import resource
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import uvloop
from prometheus_client import CollectorRegistry

from lastword.contracts.events import Claimed, Progress, Submitted
from lastword.contracts.messages import ProgressMade
from lastword.contracts.records import Entry, advance
from lastword.contracts.views import ClientConfig
from lastword.http.app import create_app
from lastword.http.hub import Hub
from lastword.http.operations import Catalogue
from lastword.http.packets import websocket_frame
from lastword.http.server import open_edge
from lastword.http.settings import HttpSettings

KINDS: Final = ("ws", "sse")
WORKFLOW: Final = "research-brief-00000001"


class Absent:
    """Stands for the log, commands, output and database, none of which is asked here."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class _Sink(asyncio.Protocol):
    """A client that counts what it gets."""

    received = 0

    def __init__(self, request: bytes) -> None:
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        cast("asyncio.Transport", transport).write(self._request)  # uvloop's transports are no subclasses

    def data_received(self, data: bytes) -> None:
        """Count."""
        _Sink.received += len(data)


class _Raw(asyncio.Protocol):
    """The floor's side of a connection."""

    transports: Final[list[asyncio.Transport]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        _Raw.transports.append(cast("asyncio.Transport", transport))


def _request(kind: str) -> bytes:
    if kind == "raw":
        return b"x"
    upgrade = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        if kind == "ws"
        else ""
    )
    path = f"/{'ws' if kind == 'ws' else 'events'}/workflows/{WORKFLOW}"
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n".encode()


def clients(port: int, kind: str, count: int, pipe: Connection) -> None:
    """Connect `count` clients, and keep them until told to go."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(count):
            await loop.create_connection(lambda: _Sink(_request(kind)), "127.0.0.1", port)
        pipe.send("connected")
        await loop.run_in_executor(None, pipe.recv)
        pipe.send(_Sink.received)

    uvloop.run(run())


def _entry(at: Any) -> Entry:
    entry: Entry | None = None
    for position, event in enumerate(
        (Submitted(definition="research-brief", inputs={"topic": "tidal power"}), Claimed(executor="host-1")),
        1,
    ):
        record = advance(entry, event, workflow_id=WORKFLOW, event_id=f"e{position}", actor="host-1", at=at)
        entry = Entry(position=position, stored_at=at, record=record)
    if entry is None:
        raise AssertionError
    return entry


def _made(revision: int, at: Any) -> ProgressMade:
    progress = Progress(done=revision % 3, total=3, label="Write the brief")
    return ProgressMade(id=WORKFLOW, at=at, lease=2, revision=revision, progress=progress)


async def _measure(
    port: int, kind: str, count: int, events: int, fire: Callable[[int], None], ready: Callable[[], int]
) -> tuple[float, float]:
    """Return processor seconds per event and client, and bytes of memory per idle connection."""
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    before = _resident()
    process = context.Process(target=clients, args=(port, kind, count, theirs))
    process.start()
    await loop.run_in_executor(None, ours.recv)
    while ready() < count:  # noqa: ASYNC110  a bench
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    held = (_resident() - before) / count
    begun = time.process_time()
    for number in range(1, events + 1):
        fire(number)
        await asyncio.sleep(0.02)
    spent = time.process_time() - begun
    ours.send("go")
    await loop.run_in_executor(None, ours.recv)
    await loop.run_in_executor(None, process.join)
    return spent / (events * count), held


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def edge(kind: str, count: int, events: int) -> tuple[float, float]:
    """Measure the edge."""
    settings = HttpSettings(port=0)
    hub = Hub(stale_after_s=60)
    absent: Any = Absent()
    config = ClientConfig(
        version="0", ws=True, sse=True, stale_after_s=9, heartbeat_interval_s=3, heartbeat_timeout_s=15,
        ping_s=15, poll_s=2, epoch="",
    )  # fmt: skip
    app = create_app(
        settings=settings, config=config, hub=hub, catalogue=Catalogue(), log=absent, commands=absent,
        outputs=absent, lists=absent, registry=CollectorRegistry(),
    )  # fmt: skip
    at = hub._wall()  # noqa: SLF001  any time will do
    entry = _entry(at)
    hub.accept(entry, msgspec.json.encode(entry.record))
    hub.synced("bench", 2)
    async with open_edge(app, hub=hub, settings=settings) as server:
        port = int(server.url.rpartition(":")[2])
        return await _measure(
            port, kind, count, events, lambda n: hub.progress(_made(n, at)), lambda: len(hub.channels)
        )


async def floor(count: int, events: int, frame: bytes) -> tuple[float, float]:
    """Measure the raw broadcaster."""
    loop = asyncio.get_running_loop()
    _Raw.transports.clear()
    taken = socket.create_server(("127.0.0.1", 0), backlog=2_048)
    server = await loop.create_server(_Raw, sock=taken)

    def fire(_: int) -> None:
        for transport in _Raw.transports:
            transport.write(frame)

    port = int(taken.getsockname()[1])
    found = await _measure(port, "raw", count, events, fire, lambda: len(_Raw.transports))
    server.close()
    return found


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    events = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    frame = websocket_frame(b"x" * 1_400)  # about what a progress frame weighs
    raw, _ = uvloop.run(floor(count, events, frame))
    print(f"{count} clients, {events} events: floor {raw * 1e6:.2f} us per event and client")
    for kind in KINDS:
        spent, held = uvloop.run(edge(kind, count, events))
        print(f"{kind:4} {spent * 1e6:.2f} us, {raw / spent:.2f} of the floor, {held / 1024:.1f} KB idle")


if __name__ == "__main__":
    main()
