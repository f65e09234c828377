"""How late the truth is: from the end of a process to a plain NATS subscriber, by kind of ending.

The floor is measured in turns with the system, so that both see the same machine.  For a kill the clock
starts before the signal is sent; for an ending of its own accord, at the time that the executor's kernel
gave (`finished_at`), on the same host.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx
import msgspec
import nats
from nats.aio.msg import Msg
from websockets.asyncio.client import ClientConnection, connect

from bench.crowd import crowd, stream_request
from bench.figures import Figures, summarise
from bench.floor import PYTHON, Floor
from bench.running import Running

PYTHON_FLOOR = "floor, killing a Python process"
KILLED = "child kill -9"
KILLED_WS = "child kill -9, to a WebSocket client"
IDLE = 1_000  # clients that watch something else

__all__ = [
    "Listener",
    "measure_executor_death",
    "measure_start",
    "measure_truth_lag",
    "open_listener",
    "open_socket_listener",
    "start",
]


class Listener:
    """A plain subscriber: the time at which each terminal record and each process's pid arrived."""

    def __init__(self) -> None:
        self._ended: dict[str, asyncio.Future[tuple[float, dict[str, Any]]]] = {}
        self._pids: dict[str, asyncio.Future[int]] = {}

    def ended(self, workflow_id: str) -> "asyncio.Future[tuple[float, dict[str, Any]]]":
        """Return what becomes the wall time and the record when the workflow's end is told."""
        return self._ended.setdefault(workflow_id, asyncio.get_running_loop().create_future())

    def pid(self, workflow_id: str) -> "asyncio.Future[int]":
        """Return what becomes the process's pid when it tells it."""
        return self._pids.setdefault(workflow_id, asyncio.get_running_loop().create_future())

    async def hear_status(self, message: Msg) -> None:
        """Note a record."""
        now_s = time.time()
        record = msgspec.json.decode(message.data)
        waiting = self.ended(record["id"])
        if record["status"] in {"success", "failed", "cancelled"} and not waiting.done():
            waiting.set_result((now_s, record))

    async def hear_progress(self, message: Msg) -> None:
        """Note a pid."""
        made = msgspec.json.decode(message.data)
        label = made["progress"]["label"]
        waiting = self.pid(made["id"])
        if label and label.isdigit() and not waiting.done():
            waiting.set_result(int(label))


@asynccontextmanager
async def open_listener(url: str) -> AsyncGenerator[Listener, None]:
    """Subscribe as anyone may."""
    listener = Listener()
    client = await nats.connect(url)
    await client.subscribe("lastword.status.>", cb=listener.hear_status)
    await client.subscribe("lastword.progress.>", cb=listener.hear_progress)
    await client.flush()
    await client.flush()
    try:
        yield listener
    finally:
        await client.close()


class SocketListener:
    """A WebSocket client of the edge that follows everything: the time at which each end arrived."""

    def __init__(self) -> None:
        self._ended: dict[str, asyncio.Future[tuple[float, dict[str, Any]]]] = {}

    def ended(self, workflow_id: str) -> "asyncio.Future[tuple[float, dict[str, Any]]]":
        """Return what becomes the wall time and the frame when the workflow's end is told."""
        return self._ended.setdefault(workflow_id, asyncio.get_running_loop().create_future())

    async def read(self, socket: ClientConnection) -> None:
        """Note ends until the socket closes."""
        async for text in socket:
            now_s = time.time()
            frame = msgspec.json.decode(text)
            if frame["type"] == "status" and frame["workflow"]["isTerminal"]:
                waiting = self.ended(frame["workflow"]["id"])
                if not waiting.done():
                    waiting.set_result((now_s, frame))


@asynccontextmanager
async def open_socket_listener(url: str) -> AsyncGenerator[SocketListener, None]:
    """Follow everything over one WebSocket."""
    listener = SocketListener()
    address = f"{url.replace('http', 'ws', 1)}/ws/workflows"
    async with connect(address, max_size=None, proxy=None) as socket:
        reading = asyncio.create_task(listener.read(socket), name="socket listener")
        yield listener
        reading.cancel()
        await asyncio.wait({reading})


async def measure_truth_lag(
    running: Running, listener: Listener, floor: Floor, count: int
) -> tuple[Figures, list[Figures]]:
    """Return the floor's figures and those of each kind of ending, measured in turns."""
    idle = f"{KILLED_WS}, {IDLE:,} idle clients"
    names = ("floor", PYTHON_FLOOR, "normal end", "exception", KILLED, KILLED_WS, idle)
    samples: dict[str, list[float]] = {name: [] for name in names}
    async with (
        httpx.AsyncClient(base_url=running.url, timeout=10) as http,
        open_socket_listener(running.url) as socket,
    ):
        for _ in range(5):  # the first ones load what the others find loaded
            await _until_told(http, listener, "instant")
            await floor.measure()
        for _ in range(count):
            samples["floor"].append(await floor.measure())
            samples[PYTHON_FLOOR].append(await floor.measure(PYTHON))
            samples["normal end"].append(await _own_end(http, listener, "instant"))
            samples["exception"].append(await _own_end(http, listener, "failing"))
            samples[KILLED].append(await _killed(http, listener, listener))
            samples[KILLED_WS].append(await _killed(http, listener, socket))
        watched = await start(http, "parked")
        port = int(running.url.rpartition(":")[2])
        async with crowd(port, [stream_request("ws", watched)] * IDLE):
            for _ in range(count):
                samples[idle].append(await _killed(http, listener, socket))
    figures = {name: summarise(name, values) for name, values in samples.items()}
    bare = figures.pop("floor")
    return bare, list(figures.values())


async def measure_start(running: Running, listener: Listener, count: int) -> Figures:
    """Measure from before the POST is sent to the first line of the work in its process."""
    lags: list[float] = []
    async with httpx.AsyncClient(base_url=running.url, timeout=10) as http:
        for _ in range(count):
            began_s = time.time()
            _, record = await _until_told(http, listener, "instant")
            lags.append(record["result"] - began_s)
    return summarise("start (POST → first line)", lags)


async def measure_executor_death(running: Running, listener: Listener, count: int) -> Figures:
    """Measure from kill -9 of the executor to the subscriber; most of it is the reconnect window (1.5 s)."""
    lags: list[float] = []
    async with httpx.AsyncClient(base_url=running.url, timeout=10) as http:
        for _ in range(count):
            await running.until_serving("parked")
            workflow_id = await start(http, "parked")
            await asyncio.wait_for(listener.pid(workflow_id), 30)
            began_s = time.time()
            os.kill(running.pid("executor"), signal.SIGKILL)
            told_s, _ = await asyncio.wait_for(listener.ended(workflow_id), 30)
            lags.append(told_s - began_s)
    return summarise("executor kill -9", lags)


async def start(http: httpx.AsyncClient, definition: str) -> str:
    """Start a workflow; return its id."""
    answer = await http.post("/workflows", json={"definition": definition})
    answer.raise_for_status()
    return str(answer.json()["id"])


async def _until_told(
    http: httpx.AsyncClient, listener: Listener, definition: str
) -> tuple[float, dict[str, Any]]:
    workflow_id = await start(http, definition)
    return await asyncio.wait_for(listener.ended(workflow_id), 30)


async def _own_end(http: httpx.AsyncClient, listener: Listener, definition: str) -> float:
    told_s, record = await _until_told(http, listener, definition)
    finished_at = msgspec.convert(record["finished_at"], datetime, strict=False)
    return told_s - finished_at.timestamp()


async def _killed(http: httpx.AsyncClient, listener: Listener, told: Listener | SocketListener) -> float:
    workflow_id = await start(http, "parked")
    pid = await asyncio.wait_for(listener.pid(workflow_id), 30)
    await asyncio.sleep(0.02)  # as the floor's process: started, and at rest
    began_s = time.time()
    os.kill(pid, signal.SIGKILL)
    told_s, _ = await asyncio.wait_for(told.ended(workflow_id), 30)
    return told_s - began_s
