"""A real edge on the test's own loop, over a world in memory."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from prometheus_client import CollectorRegistry
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from lastword.contracts.views import ClientConfig
from lastword.http.access import Access
from lastword.http.app import create_app
from lastword.http.hub import Hub
from lastword.http.operations import Catalogue
from lastword.http.ports import Lists
from lastword.http.server import EdgeServer, open_edge
from lastword.http.settings import HttpSettings
from tests.integration.http.clients import events
from tests.unit.http.fakes import FakeLists, World

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Saves each client 0.1 s of loading certificates, for which plain HTTP has no use."""

CONFIG = ClientConfig(
    version="0.0.0",
    ws=True,
    sse=True,
    stale_after_s=9.0,
    heartbeat_interval_s=3.0,
    heartbeat_timeout_s=15.0,
    ping_s=15.0,
    poll_s=2.0,
    epoch="",
)


class Edge:
    """One edge, and a client for it."""

    def __init__(
        self, world: World, hub: Hub, server: EdgeServer, client: httpx.AsyncClient, app: Litestar
    ) -> None:
        self.app = app
        self.world = world
        self.hub = hub
        self.server = server
        self.client = client
        self.url = server.url

    @property
    def ws(self) -> str:
        """The address for WebSocket."""
        return self.url.replace("http", "ws", 1)

    def frames(self, path: str, **headers: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the frames of an SSE stream, each with its `_id`, until it ends."""
        return events(self.client, path, headers)


OpenEdge = Callable[..., AbstractAsyncContextManager[Edge]]


@asynccontextmanager
async def make_edge(
    world: World,
    *,
    ui: Path | None = None,
    stale_after_s: float = 9.0,
    attach: bool = True,
    headers: dict[str, str] | None = None,
    access: Access | None = None,
    lists: Lists | None = None,
    **given: Any,
) -> AsyncGenerator[Edge, None]:
    """Run an edge over `world`, or with the `lists` of a real database; `given` are its settings."""
    settings = msgspec.convert({"port": 0, **given}, HttpSettings)
    hub = Hub(stale_after_s=stale_after_s, ping_s=settings.ping_s, stall_s=settings.stall_s)
    catalogue = Catalogue()
    for definition in world.definitions.values():
        catalogue.define(definition)
    app = create_app(
        settings=settings,
        config=msgspec.structs.replace(CONFIG, ws=settings.ws, sse=settings.sse),
        hub=hub,
        catalogue=catalogue,
        log=world,
        commands=world,
        outputs=world,
        lists=lists or FakeLists(world),
        registry=CollectorRegistry(),
        ui=ui or Path("does-not-exist"),
        access=access,
    )
    if attach:
        world.attach(hub)
    async with (
        open_edge(app, hub=hub, settings=settings) as server,
        httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False, verify=PLAIN) as client,
    ):
        yield Edge(world, hub, server, client, app)


@pytest.fixture
def world() -> World:
    """Return an empty world."""
    return World()


@pytest.fixture
def open_edge_over() -> OpenEdge:
    """Return what opens edges with settings of the test's own."""
    return make_edge


@pytest.fixture
async def edge(world: World) -> AsyncGenerator[Edge, None]:
    """Open an edge with the default settings."""
    async with make_edge(world) as opened:
        yield opened


async def told(socket: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """Return every frame until a WebSocket closes, and its close code."""
    frames: list[dict[str, Any]] = []
    with suppress(ConnectionClosed):
        while True:
            frames.append(msgspec.json.decode(await asyncio.wait_for(socket.recv(), 10)))
    assert socket.close_code is not None
    return frames, socket.close_code


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds; a test's own limit ends what never does."""
    while not holds():  # noqa: ASYNC110  the edge has no event for everything
        await asyncio.sleep(0.005)


async def next_frame(socket: ClientConnection, kind: str = "") -> dict[str, Any]:
    """Return the next frame, or the next of a kind."""
    while True:
        frame: dict[str, Any] = msgspec.json.decode(await asyncio.wait_for(socket.recv(), 10))
        if kind in {"", frame["type"]}:
            return frame


def kinds(frames: list[dict[str, Any]]) -> list[str]:
    """Return what the frames are, pings left out: they come when they come."""
    return [frame["type"] for frame in frames if frame["type"] != "ping"]
