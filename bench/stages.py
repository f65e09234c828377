"""Where the time of a truth goes: from kill -9 to each station on the way, by the clocks of one host."""

import asyncio
import os
import signal
import time
from datetime import datetime
from statistics import median
from typing import Any

import httpx
import msgspec
import nats
from msgspec import Struct
from nats.aio.msg import Msg

from bench.running import Running
from bench.truth_lag import Listener, open_socket_listener, start

__all__ = ["Stage", "measure_stages", "stage_table"]


class Stage(Struct, frozen=True):
    """One station."""

    name: str
    after_ms: float
    """Median, from the signal."""


async def measure_stages(running: Running, listener: Listener, count: int) -> list[Stage]:
    """Return the medians of `count` kills."""
    told: dict[str, asyncio.Future[tuple[float, datetime, dict[str, Any]]]] = {}
    loop = asyncio.get_running_loop()
    client = await nats.connect(running.told["nats"])

    async def hear(message: Msg) -> None:
        now_s = time.time()
        record = msgspec.json.decode(message.data)
        waiting = told.get(record["id"])
        if waiting is not None and record.get("finished_at") and not waiting.done():
            stored_at = msgspec.convert((message.headers or {})["Nats-Time-Stamp"], datetime, strict=False)
            waiting.set_result((now_s, stored_at, record))

    await client.subscribe("lastword.status.>", cb=hear)
    await client.flush()
    rows: dict[str, list[float]] = {}
    async with (
        httpx.AsyncClient(base_url=running.url, timeout=10) as http,
        open_socket_listener(running.url) as socket,
    ):
        for _ in range(count):
            workflow_id = await start(http, "parked")
            told[workflow_id] = loop.create_future()
            pid = await asyncio.wait_for(listener.pid(workflow_id), 30)
            await asyncio.sleep(0.02)
            began_s = time.time()
            os.kill(pid, signal.SIGKILL)
            heard_s, stored_at, record = await asyncio.wait_for(told[workflow_id], 30)
            socket_s, _ = await asyncio.wait_for(socket.ended(workflow_id), 30)
            stations = {
                "the executor knows that the process has ended": _seconds(record["finished_at"]),
                "a supervisor has decided": _seconds(record["at"]),
                "the log has stored it": stored_at.timestamp(),
                "a NATS subscriber is told": heard_s,
                "a WebSocket client is told": socket_s,
            }
            for name, at_s in stations.items():
                rows.setdefault(name, []).append((at_s - began_s) * 1e3)
    await client.close()
    return [Stage(name, median(values)) for name, values in rows.items()]


def stage_table(stages: list[Stage]) -> str:
    """Return a Markdown table."""
    lines = ["| from kill -9 until | ms, median |", "|---|---|"]
    return "\n".join([*lines, *(f"| {stage.name} | {stage.after_ms:.2f} |" for stage in stages)])


def _seconds(text: str) -> float:
    return msgspec.convert(text, datetime, strict=False).timestamp()
