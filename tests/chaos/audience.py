"""The audience: clients of every kind that write down all they are told, and come back after each break."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import httpx
import nats
from nats.aio.msg import Msg
from websockets.exceptions import InvalidHandshake

from tests.chaos.deployment import Edge
from tests.chaos.history import Client as Heard
from tests.chaos.history import Told
from tests.integration.http import clients
from tests.integration.http.clients import Wire

__all__ = ["ALL_WIRES", "ONE_WIRES", "Recorder", "follow", "plain_subscriber", "stuck"]

ONE_WIRES: Final[Mapping[str, Wire]] = {
    "sse": clients.one_by_events,
    "ws": clients.one_by_socket,
    "sse ids": clients.ids_by_events,
    "ws ids": clients.ids_by_socket,
    "polling": clients.by_polling,
}
"""Ways to follow one workflow."""
ALL_WIRES: Final[Mapping[str, Wire]] = {
    "sse list": clients.list_by_events,
    "ws list": clients.list_by_socket,
}
"""Ways to follow them all."""
BROKEN: Final = (
    clients.NotNow,
    clients.NotThere,  # an edge that has not heard of it yet
    httpx.HTTPError,
    InvalidHandshake,
    OSError,
    EOFError,
    AssertionError,  # an answer other than 200
    KeyError,  # the same, to one who polls
    json.JSONDecodeError,
)
AFTER_END_S: Final = 1.0  # how long a stream is listened to after its `end`, for what must not come


class Recorder(clients.Client):
    """A client that judges nothing."""

    def __init__(self, name: str, wire: str, workflow_id: str = "", title: str = "") -> None:
        super().__init__(workflow_id, title)
        self.name = name
        self.wire = wire
        self.told: list[Told] = []
        self.breaks = 0
        """How often its line has broken."""
        self.ended: set[str] = set()
        self.pause_s = 0.0
        """How long it takes over each frame."""
        self._highest = 0

    def take(self, frame: Mapping[str, Any]) -> None:
        """Write a frame down, and remember where to go on, as `docs/reference/http.md` tells clients to."""
        kind = frame["type"]
        self.last_id = frame.get("_id") or self.last_id
        workflow: Mapping[str, Any] = frame.get("workflow") or {}
        if kind == "hello":
            self.epoch = frame["epoch"]
        if kind == "resync" or (kind == "hello" and self.after and not frame["recovered"] and not self.id):
            # It was away for too long: the list is loaded anew.
            self.after, self.last_id, self._highest = "", None, 0
            raise clients.NotNow
        if kind == "hello":
            return
        if kind == "ping":
            self._come_to(frame["position"])
        elif kind == "end":
            self.ends += 1
            self.ended.add(frame["id"])
            self._tell(kind, frame["id"], frame["position"], None)
            self._come_to(frame["position"])
        elif workflow:
            self._tell(kind, workflow["id"], workflow["position"], workflow["status"])
            self.workflow = dict(workflow)
            if kind == "listed":  # its end was told before, or is not told at all
                self.ended |= {workflow["id"]} if workflow["isTerminal"] else set()
            else:
                self._come_to(workflow["position"], mark="~" if workflow["isTerminal"] else "")

    def heard(self) -> Heard:
        """Return what it was told."""
        return Heard(
            name=self.name,
            wire=self.wire,
            promised=True,
            follows=(self.id,) if self.id else None,
            told=tuple(self.told),
        )

    def _tell(self, kind: str, workflow: str, position: int, status: str | None) -> None:
        told = Told(at_s=time.monotonic(), kind=kind, workflow=workflow, position=position, status=status)
        self.told.append(told)

    def _come_to(self, position: int, mark: str = "") -> None:
        if position >= self._highest:
            self._highest = position
            self.after = f"{self.epoch}:{position}{mark}" if self.epoch else f"{position}{mark}"


async def follow(client: Recorder, wire: Wire, edges: Sequence[Edge]) -> None:
    """Follow until the end where there is one, over one edge after the other."""
    turn = len(client.name)
    while not (client.id and client.ends):
        edge = edges[turn % len(edges)]
        turn += 1
        try:
            await _listen(client, wire, edge)
        except BROKEN:
            client.breaks += 1
        await asyncio.sleep(0.25)  # as a client waits before it tries again


async def _listen(client: Recorder, wire: Wire, edge: Edge) -> None:
    async with aclosing(wire(client, edge)) as line:
        async for frame in line:
            client.take(frame)
            if client.id and client.ends:
                break
            await asyncio.sleep(client.pause_s)
        try:
            async with asyncio.timeout(AFTER_END_S):
                async for frame in line:
                    client.take(frame)
        except TimeoutError:
            return


@asynccontextmanager
async def plain_subscriber(url: str, name: str) -> AsyncGenerator[list[Told], None]:
    """Listen as anyone may, without credentials."""
    told: list[Told] = []

    async def fail(_error: Exception) -> None:
        """Say nothing: servers that come and go are what the campaign is about."""

    client = await nats.connect(
        url.split(","), name=name, max_reconnect_attempts=-1, reconnect_time_wait=1, error_cb=fail
    )

    async def hear(message: Msg) -> None:
        record = json.loads(message.data)
        position = int((message.headers or {})["Nats-Sequence"])
        told.append(
            Told(
                at_s=time.monotonic(),
                kind="status",
                workflow=record["id"],
                position=position,
                status=record["status"],
            )
        )

    await client.subscribe("lastword.status.>", cb=hear)
    try:
        yield told
    finally:
        await client.close()


def stuck(edge: Edge, path: str) -> socket.socket:
    """Ask for a stream and never read a byte of it."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    peer.connect(("127.0.0.1", edge.port))
    peer.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return peer
