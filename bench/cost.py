"""What the whole system costs while little happens: processor seconds a minute, and memory.

`lastword up` with CrewAI warm, at rest, and with 200 workflows running whose processes wait; each also while
a browser's list watches over WebSocket.  Memory is the proportional set size (PSS): pages that processes
share count once.  The workflows' own processes are shown apart, since what they hold is their code's.

The floor is a nats-server with the same settings and one Python process with CrewAI imported and an idle
event loop: what cannot be had for less by anyone who keeps both warm.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect

from bench.apart import running_apart
from bench.running import Running, running_system
from lastword.bus import BusSettings, EmbeddedServer

__all__ = ["Cost", "cost_table", "measure_cost"]

TICKS: Final = os.sysconf("SC_CLK_TCK")
CHILD: Final = "lastword-child"
SETTLE_S: Final = 5.0


class Cost(Struct, frozen=True, kw_only=True):
    """Of some processes over some time."""

    name: str
    cpu_s: float
    """Processor seconds a minute, the workflows' processes left out."""
    pss_mb: float
    children_mb: float = 0.0
    """Of the workflows' processes."""


async def measure_cost(seconds: float, running: int) -> list[Cost]:
    """Return the floor's cost, and the system's at rest and with `running` workflows, alone and watched."""
    found = [await _floor(seconds)]
    slots = {"LASTWORD_EXECUTOR__SLOTS": str(running)}
    async with running_system(warm=True, environ=slots) as system:
        found.append(await _cost("at rest", system.pid("keeper"), seconds))
        async with _watched(system):
            found.append(await _cost("at rest, watched", system.pid("keeper"), seconds))
        await _start_all(system, running)
        found.append(await _cost(f"{running} workflows", system.pid("keeper"), seconds))
        async with _watched(system):
            found.append(await _cost(f"{running} workflows, watched", system.pid("keeper"), seconds))
    return found


def cost_table(rows: Iterable[Cost]) -> str:
    """Return a Markdown table."""
    lines = ["| | CPU s a minute | PSS, MB | workflows' processes, MB |", "|---|---|---|---|"]
    lines += [
        f"| {row.name} | {row.cpu_s:.2f} | {row.pss_mb:,.0f} | {row.children_mb:,.0f} |" for row in rows
    ]
    return "\n".join(lines)


async def _floor(seconds: float) -> Cost:
    with tempfile.TemporaryDirectory(prefix="lastword-bench-") as folder:
        server = EmbeddedServer(BusSettings(port=0), Path(folder))
        await server.start()
        try:
            async with running_apart(idle_with_crewai) as pid:
                await asyncio.sleep(15)  # it imports
                cost = await _cost_of("floor: nats-server, CrewAI imported", [pid, server.pid or 0], seconds)
        finally:
            await server.stop()
    return cost


async def idle_with_crewai() -> None:
    """Hold CrewAI, and wait."""
    import crewai  # noqa: F401  # pyright: ignore[reportUnusedImport]

    await asyncio.Event().wait()


async def _start_all(system: Running, count: int) -> None:
    async with httpx.AsyncClient(base_url=system.url, timeout=30) as http:
        for _ in range(count):
            (await http.post("/workflows", json={"definition": "parked"})).raise_for_status()
        while (await http.get("/summary")).json()["statuses"]["running"] < count:  # noqa: ASYNC110
            await asyncio.sleep(0.5)


@asynccontextmanager
async def _watched(system: Running) -> AsyncGenerator[None, None]:
    """Watch all workflows, as a browser's list does."""
    url = f"{system.url.replace('http', 'ws', 1)}/ws/workflows"
    async with connect(url, max_size=None, proxy=None) as socket:
        reading = asyncio.create_task(_read(socket))
        yield
        reading.cancel()
        await asyncio.wait({reading})


async def _read(socket: ClientConnection) -> None:
    async for _ in socket:
        pass


async def _cost(name: str, keeper: int, seconds: float) -> Cost:
    await asyncio.sleep(SETTLE_S)
    return await _cost_of(name, _tree(keeper), seconds)


async def _cost_of(name: str, pids: list[int], seconds: float) -> Cost:
    before = {pid: _cpu_s(pid) for pid in pids}
    began_s = time.monotonic()
    await asyncio.sleep(seconds)
    minutes = (time.monotonic() - began_s) / 60
    own = [pid for pid in pids if _name(pid) != CHILD]
    spent = sum(_cpu_s(pid) - before[pid] for pid in own)
    children = sum(_pss_mb(pid) for pid in pids if pid not in own)
    return Cost(name=name, cpu_s=spent / minutes, pss_mb=sum(map(_pss_mb, own)), children_mb=children)


def _tree(root: int) -> list[int]:
    """Return a process and all that come from it."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text("ascii", "replace").rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, left = [root], [root]
    while left:
        children = parents.get(left.pop(), [])
        found += children
        left += children
    return found


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _pss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1_024
    return 0.0


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text("utf-8", "replace").strip()
