"""How the edge starts, drains and stops, and what its probes say meanwhile."""

import asyncio
import time

import httpx
import pytest
from prometheus_client import CollectorRegistry
from websockets.asyncio.client import connect

from lastword.http.app import create_app
from lastword.http.hub import Hub
from lastword.http.operations import Catalogue
from lastword.http.server import CannotBind, serve_edge
from lastword.http.settings import HttpSettings
from tests.integration.http.conftest import CONFIG, PLAIN, Edge, OpenEdge, kinds, next_frame, told, until
from tests.integration.http.test_workflows import problem
from tests.unit.http.fakes import FakeLists, World


async def test_readiness_tells_the_truth(world: World, open_edge_over: OpenEdge) -> None:
    """503 until the feed is current, again when it breaks, and while draining; liveness looks at nothing."""
    async with open_edge_over(world, attach=False) as edge:

        async def ready() -> tuple[int, list[str]]:
            response = await edge.client.get("/health/ready")
            checks = response.json()["checks"]
            if response.status_code == 503:
                problem(response, 503, "not_ready")
            return response.status_code, [name for name, good in checks.items() if not good]

        assert (503, ["feed_synced"]) == await ready()
        edge.hub.synced(world.epoch, 0)
        assert (200, []) == await ready()
        edge.hub.lost()
        assert (503, ["feed_synced"]) == await ready()
        edge.hub.synced(world.epoch, 0)
        edge.hub.drain()
        assert (503, ["not_draining"]) == await ready()
        assert 200 == (await edge.client.get("/health/live")).status_code


async def test_a_stop_ends_every_stream_with_a_word(world: World, open_edge_over: OpenEdge) -> None:
    """WebSocket gets 4200, SSE a last ping with the place to resume and its proper end; all within 0.5 s."""
    world.run("w-1")
    async with open_edge_over(world) as edge:
        socket = await connect(f"{edge.ws}/ws/workflows/w-1")
        await next_frame(socket, "snapshot")
        reading = asyncio.create_task(_read_all(edge, "/events/workflows/w-1"))
        logs = asyncio.create_task(_read_all(edge, "/events/workflows/w-1/logs"))
        await until(lambda: len(edge.hub.channels) >= 3)
        begun = time.monotonic()
        edge.server.stop()
        frames, code = await told(socket)
        over_sse = await reading
        await logs
        assert time.monotonic() - begun < 0.5
    assert ([], 4200) == (kinds(frames), code)
    assert "ping" == over_sse[-1]["type"]
    assert "testlog1:2" == over_sse[-1]["_id"]


async def test_a_draining_edge_sends_new_clients_elsewhere(edge: Edge) -> None:
    """503 with Retry-After for SSE, 4200 for WebSocket."""
    edge.world.run("w-1")
    edge.hub.drain()
    problem(await edge.client.get("/events/workflows/w-1"), 503, "stopping")
    async with connect(f"{edge.ws}/ws/workflows/w-1") as socket:
        assert ([], 4200) == await told(socket)


async def test_a_port_in_use_is_named_with_the_remedy(edge: Edge, world: World) -> None:
    """The message says which port, and how to choose another."""
    port = int(edge.url.rpartition(":")[2])
    hub = Hub(stale_after_s=9)
    with pytest.raises(CannotBind, match=f"port {port} on 127.0.0.1 is in use.*LASTWORD_HTTP__PORT"):
        await serve_edge(object(), hub=hub, settings=HttpSettings(port=port))


async def test_the_edge_runs_inside_a_loop_until_asked_to_stop(world: World) -> None:
    """`serve_edge` says where it listens, and returns once it has drained; cancelling it does the same."""
    world.run("w-1")
    for cancelled in (False, True):
        hub = Hub(stale_after_s=9)
        settings = HttpSettings(port=0)
        app = create_app(
            settings=settings,
            config=CONFIG,
            hub=hub,
            catalogue=Catalogue(),
            log=world,
            commands=world,
            outputs=world,
            lists=FakeLists(world),
            registry=CollectorRegistry(),
        )
        world.attach(hub)
        stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(
            serve_edge(app, hub=hub, settings=settings, started=listening.set_result, stop=stop)
        )
        url = await listening
        async with httpx.AsyncClient(base_url=url, trust_env=False, verify=PLAIN) as client:
            assert 200 == (await client.get("/workflows/w-1")).status_code
        if cancelled:
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
        else:
            stop.set()
            await serving
        with pytest.raises(httpx.ConnectError):
            await httpx.AsyncClient(trust_env=False, verify=PLAIN).get(url)


async def test_flags_turn_rungs_off_and_polling_stays(world: World, open_edge_over: OpenEdge) -> None:
    """Off is 4003 and a problem that names the other way; `/config` says so."""
    world.run("w-1")
    async with open_edge_over(world, ws=False, sse=False) as edge:
        async with connect(f"{edge.ws}/ws/workflows/w-1") as socket:
            assert ([], 4003) == await told(socket)
        problem(await edge.client.get("/events/workflows/w-1"), 404, "feature_off")
        config = (await edge.client.get("/config")).json()
        assert (False, False) == (config["ws"], config["sse"])
        assert 200 == (await edge.client.get("/workflows/w-1")).status_code


async def test_an_old_stream_is_ended_so_that_clients_spread(world: World, open_edge_over: OpenEdge) -> None:
    """After its age it is closed with 4200, between two frames."""
    world.run("w-1")
    async with (
        open_edge_over(world, ping_s=0.1, max_stream_age_s=0.2) as edge,
        connect(f"{edge.ws}/ws/workflows/w-1") as socket,
    ):
        frames, code = await told(socket)
    assert (["hello", "snapshot"], 4200) == (kinds(frames), code)


async def _read_all(edge: Edge, path: str) -> list[dict[str, object]]:
    return [frame async for frame in edge.frames(path)]
