"""The floor of the truth lag: the shortest honest chain, written with bare nats-py.

kill -9 of a process → its pidfd → a durable report, acknowledged → a consumer → a compare-and-set append →
the republished subject → a plain subscriber.  One event loop, three connections, no lastword code but the
embedded server's start.  What the system adds to this is what the system costs.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import api

from lastword.bus import BusSettings, EmbeddedServer

__all__ = ["PYTHON", "SLEEP", "Floor", "open_floor"]

SLEEP = ("sleep", "600")
"""The lightest process there is: the kernel is done with it in 0.2 ms."""
PYTHON = (
    sys.executable,
    "-c",
    "import asyncio, json, msgspec, time; print('.', flush=True); time.sleep(600)",
)
"""A process like a workflow's: its address space takes the kernel 1-2 ms to take down, whoever waits."""
PAYLOAD = b"x" * 600  # bytes; about one record


class Floor:
    """A chain that is ready to be measured."""

    def __init__(self, reporter: Client, told: "asyncio.Queue[float]") -> None:
        self._stream = reporter.jetstream()
        self._told = told
        self._count = 0

    async def measure(self, victim: Sequence[str] = SLEEP) -> float:
        """Kill a process; return the seconds until a plain subscriber was told."""
        loop = asyncio.get_running_loop()
        process = subprocess.Popen(victim, stdout=subprocess.PIPE)
        watched = os.pidfd_open(process.pid)
        ended: asyncio.Future[None] = loop.create_future()
        loop.add_reader(watched, _note, ended)
        if victim is not SLEEP and process.stdout is not None:
            process.stdout.read(1)  # it has loaded what it loads
        await asyncio.sleep(0.02)
        self._count += 1
        began_s = time.perf_counter()
        process.kill()
        await ended
        loop.remove_reader(watched)
        await self._stream.publish(f"floor.report.{self._count}", PAYLOAD)
        lag_s = await self._told.get() - began_s
        process.communicate()
        os.close(watched)
        return lag_s


def _note(ended: "asyncio.Future[None]") -> None:
    if not ended.done():
        ended.set_result(None)


@asynccontextmanager
async def open_floor() -> AsyncGenerator[Floor, None]:
    """Start a server of its own, with the settings of the embedded one, and wire the chain."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lastword-floor-"))
        server = EmbeddedServer(BusSettings(port=0), Path(folder))
        await server.start()
        stack.push_async_callback(server.stop)
        user, password = server.credentials.actor
        clients = [await nats.connect(server.url, user=user, password=password) for _ in range(3)]
        for client in clients:
            stack.push_async_callback(client.close)
        reporter, supervisor, subscriber = clients
        stream = supervisor.jetstream()
        await stream.add_stream(
            api.StreamConfig(
                name="FLOOR_LOG",
                subjects=["floor.log.*"],
                republish=api.RePublish(src="floor.log.*", dest="floor.status.{{wildcard(1)}}"),
            )
        )
        await stream.add_stream(
            api.StreamConfig(
                name="FLOOR_REPORT", subjects=["floor.report.*"], retention=api.RetentionPolicy.WORK_QUEUE
            )
        )
        told: asyncio.Queue[float] = asyncio.Queue()

        async def hear(_message: Msg) -> None:
            told.put_nowait(time.perf_counter())

        async def append(message: Msg) -> None:
            name = message.subject.rpartition(".")[2]
            await stream.publish(
                f"floor.log.{name}", message.data, headers={"Nats-Expected-Last-Subject-Sequence": "0"}
            )
            await message.ack()

        await subscriber.subscribe("floor.status.*", cb=hear)
        await stream.subscribe("floor.report.*", durable="floor", cb=append, manual_ack=True)
        for client in clients:
            await client.flush()
            await client.flush()
        yield Floor(reporter, told)
