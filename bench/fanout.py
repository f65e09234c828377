"""What telling many clients costs: the edge's processor time per event and client, against a raw broadcaster.

The floor writes the same frames to as many `asyncio.Protocol` transports, on the same kind of loop, in turns
with the edge.  Clients run in a process of their own and only read; what is counted is the processor time of
the serving process, so a slow client or a busy machine changes little.

*Hot*: all clients watch one workflow, and each event goes to all.  *Each its own*: every client watches a
workflow of its own, and each event goes to one; the floor then writes a ready frame, where the edge encodes
each.
"""

import asyncio
import resource
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, cast

from msgspec import Struct

from bench.apart import apart
from bench.crowd import crowd, stream_request
from bench.edges import made, open_bare_edge, workflow_ids
from bench.figures import Ratio, ratio
from lastword.http.packets import Burst, Wire

__all__ = ["Idle", "measure_fanout"]

WIRES: Final = {"ws": Wire.WS, "sse": Wire.SSE}
SPACING_S: Final = 0.02  # between two events
WRITES: Final = 50_000  # events times clients of one round


class Idle(Struct, frozen=True):
    """Memory that an idle connection holds, in KB of the serving process."""

    name: str
    held: float


class _Cost(Struct, frozen=True):
    seconds: float
    """Of processor time, per event and client."""
    held: float
    """KB per idle connection."""


async def measure_fanout(counts: Sequence[int], rounds: int) -> tuple[list[Ratio], list[Idle]]:
    """Return the ratios for one hot workflow and for one per client, and the memory of idle connections."""
    rows: list[Ratio] = []
    idle: list[Idle] = []
    for count in counts:
        for hot in (True, False):
            events = max(10, WRITES // count) if hot else max(10, WRITES // 10 // count)
            for kind in WIRES:
                costs = [
                    (
                        await apart(tell_barely, kind, count, events, hot),
                        await apart(tell, kind, count, events, hot),
                    )
                    for _ in range(rounds)
                ]
                name = f"{kind.upper()}, {count:,} clients, {'one workflow' if hot else 'each its own'}"
                rows.append(
                    ratio(
                        name,
                        "µs",
                        [ours.seconds * 1e6 for _, ours in costs],
                        [floor.seconds * 1e6 for floor, _ in costs],
                        less_is_better=True,
                    )
                )
                if hot:
                    idle.append(Idle(name, min(ours.held for _, ours in costs)))
    return rows, idle


async def tell(kind: str, count: int, events: int, hot: bool) -> _Cost:  # noqa: FBT001  passed by position between processes
    """Measure the edge."""
    ids = workflow_ids(1 if hot else count)
    async with open_bare_edge(len(ids), max_streams_per_address=count, max_streams=count) as (hub, port):

        def fire(revision: int) -> None:
            for number, workflow_id in enumerate(ids, 1):
                hub.progress(made(workflow_id, number * 2, revision))

        requests = [stream_request(kind, ids[number % len(ids)]) for number in range(count)]
        return await _measure(port, requests, events, fire, lambda: len(hub.channels))


class _Raw(asyncio.Protocol):
    """The floor's side of a connection."""

    transports: Final[list[asyncio.Transport]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        _Raw.transports.append(cast("asyncio.Transport", transport))


async def tell_barely(kind: str, count: int, events: int, hot: bool) -> _Cost:  # noqa: ARG001, FBT001  the same writes either way
    """Measure the raw broadcaster, with the very bytes that the edge sends."""
    frame = await _frame(kind)
    loop = asyncio.get_running_loop()
    taken = socket.create_server(("127.0.0.1", 0), backlog=2_048)
    server = await loop.create_server(_Raw, sock=taken)

    def fire(_: int) -> None:
        for transport in _Raw.transports:
            transport.write(frame)

    port = int(taken.getsockname()[1])
    requests = [stream_request("raw", "")] * count
    try:
        return await _measure(port, requests, events, fire, lambda: len(_Raw.transports))
    finally:
        server.close()


async def _frame(kind: str) -> bytes:
    """Return what the edge sends for one event."""
    (workflow_id,) = workflow_ids(1)
    async with open_bare_edge(1) as (hub, _):
        hub.progress(made(workflow_id, 2, 1))
        cell = hub.find(workflow_id)
        if cell is None:
            raise AssertionError
        return Burst((hub.snapshot(cell),)).framed(WIRES[kind])


async def _measure(
    port: int, requests: Sequence[bytes], events: int, fire: Callable[[int], None], ready: Callable[[], int]
) -> _Cost:
    before = _resident()
    async with crowd(port, requests):
        while ready() < len(requests):  # noqa: ASYNC110  a bench
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        held = (_resident() - before) / len(requests) / 1_024
        fire(1)  # what the first event alone must build is not counted
        await asyncio.sleep(0.1)
        begun = time.process_time()
        for number in range(2, events + 2):
            fire(number)
            await asyncio.sleep(SPACING_S)
        spent = time.process_time() - begun
    return _Cost(spent / (events * len(requests)), held)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()
