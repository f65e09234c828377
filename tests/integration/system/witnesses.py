"""Clients of every kind, each of which writes down all that it was told."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import nats
from nats.aio.msg import Msg
from websockets.asyncio.client import connect


class Witness:
    """What one client was told, in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.frames: list[dict[str, Any]] = []
        self.closed = asyncio.Event()

    def statuses(self, workflow_id: str) -> list[str]:
        """Return the statuses told of a workflow, repetitions left out."""
        told: list[str] = []
        for frame in self.frames:
            workflow = frame.get("workflow") or frame
            if workflow.get("id") == workflow_id and "status" in workflow:
                status = str(workflow["status"])
                if not told or told[-1] != status:
                    told.append(status)
        return told

    def positions(self, workflow_id: str) -> list[int]:
        """Return the positions told of a workflow, in order."""
        return [
            int(frame["workflow"]["position"])
            for frame in self.frames
            if frame.get("workflow", {}).get("id") == workflow_id
        ]

    def ends(self) -> list[dict[str, Any]]:
        """Return the `end` frames."""
        return [frame for frame in self.frames if frame.get("type") == "end"]

    def last(self) -> dict[str, Any]:
        """Return the last workflow that was told."""
        for frame in reversed(self.frames):
            if "workflow" in frame:
                workflow: dict[str, Any] = frame["workflow"]
                return workflow
        raise AssertionError(f"{self.name} was told nothing")


@asynccontextmanager
async def nats_witness(url: str) -> AsyncGenerator[Witness, None]:
    """Listen as anyone may: a plain subscriber without credentials."""
    witness = Witness("nats")
    client = await nats.connect(url.split(","), max_reconnect_attempts=-1, reconnect_time_wait=0.1)

    async def hear(message: Msg) -> None:
        line = message.data.decode("utf-8")
        assert "\n" not in line
        witness.frames.append(json.loads(line))

    await client.subscribe("lastword.status.>", cb=hear)
    await client.flush()
    await client.flush()
    try:
        yield witness
    finally:
        await client.close()


@asynccontextmanager
async def ws_witness(url: str, workflow_id: str) -> AsyncGenerator[Witness, None]:
    """Watch one workflow over a WebSocket, until the server closes it."""
    witness = Witness("ws")
    async with connect(f"{url.replace('http', 'ws')}/ws/workflows/{workflow_id}") as socket:

        async def listen() -> None:
            async for frame in socket:
                witness.frames.append(json.loads(frame))
            witness.frames.append({"type": "closed", "code": socket.close_code})
            witness.closed.set()

        task = asyncio.create_task(listen())
        try:
            yield witness
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def sse_witness(url: str, workflow_id: str) -> AsyncGenerator[Witness, None]:
    """Watch one workflow over server-sent events, until the server ends the stream."""
    witness = Witness("sse")
    async with (
        httpx.AsyncClient(timeout=None) as client,  # noqa: S113  a stream is silent for as long as it likes
        client.stream("GET", f"{url}/events/workflows/{workflow_id}") as answer,
    ):
        assert 200 == answer.status_code

        async def listen() -> None:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    witness.frames.append(json.loads(line.removeprefix("data: ")))
            witness.closed.set()

        task = asyncio.create_task(listen())
        try:
            yield witness
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
