"""What the edge does when its feed breaks: it makes up for gaps, and says what it does not know."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from lastword.bus import Unavailable, ensure_streams
from lastword.contracts import subjects
from lastword.wiring.roles import rebuild
from tests.integration.http.clients import events
from tests.integration.http.conftest import kinds, next_frame, told
from tests.integration.live.stage import PARTITIONS, LiveEdge, Stage, open_stage, until
from tests.integration.servers import NatsServer, Proxy


async def readiness(edge: LiveEdge) -> tuple[int, list[str]]:
    """Return what the probe answers: the status, and the checks that fail."""
    response = await edge.client.get("/health/ready")
    body = response.json()
    wanted = "application/problem+json" if response.status_code == 503 else "application/json"
    assert wanted == response.headers["content-type"]
    return response.status_code, [name for name, good in body["checks"].items() if not good]


async def frames_until(socket: ClientConnection, kind: str) -> list[dict[str, Any]]:
    """Return the frames up to the next of a kind."""
    frames = [await next_frame(socket)]
    while frames[-1]["type"] != kind:
        frames.append(await next_frame(socket))
    return frames


async def test_streams_outlive_a_restart_of_the_server(nats: NatsServer, breakable: Stage) -> None:
    """Killed and started again under them: the same sockets tell the rest of the life, progress included."""
    edge = await breakable.open_edge(stale_after_s=60)
    ended, play = await breakable.play().run(), await breakable.play().run()
    await ended.end()
    async with (
        connect(f"{edge.ws}/ws/workflows/{play.id}") as one,
        connect(f"{edge.ws}/ws/workflows?q={play.title}") as listed,
    ):
        await frames_until(one, "snapshot")
        await frames_until(listed, "ping")
        await until(lambda: _is(edge, ended.id, 200, "success"))
        nats.kill()
        await until(lambda: _is_not_ready(edge, ["nats", "feed_synced"]))

        assert 200 == (await edge.client.get(f"/workflows/{ended.id}")).status_code  # nothing can follow it
        for path in (f"/workflows/{play.id}", f"/events/workflows/{play.id}"):
            refused = await edge.client.get(path)
            assert (503, "unavailable") == (refused.status_code, refused.json()["code"])
            assert int(refused.headers["retry-after"]) >= 1
        async with connect(f"{edge.ws}/ws/workflows/{play.id}") as socket:
            assert ([], 1013) == await told(socket)

        await nats.start()
        await until(lambda: _is_not_ready(edge, []))
        await until(lambda: _tried(lambda: play.progress(3)))
        await until(lambda: _tried(play.end))
        for socket in (one, listed):
            frames = await frames_until(socket, "end")
            assert {"progress", "status"} <= set(kinds(frames))
            assert 1 == kinds(frames).count("end")
        assert 1000 == (await told(one))[1]


async def test_a_command_on_an_open_socket_while_the_server_is_away(
    nats: NatsServer, breakable: Stage
) -> None:
    """It cannot be followed, so the stream ends with 1013 and the client comes back."""
    edge = await breakable.open_edge()
    play = await breakable.play().run()
    async with connect(f"{edge.ws}/ws/workflows?ids=") as socket:
        await frames_until(socket, "ping")
        nats.kill()
        await until(lambda: _is_not_ready(edge, ["nats", "feed_synced"]))
        await socket.send(f'{{"type":"subscribe","ids":["{play.id}"]}}')
        assert 1013 == (await told(socket))[1]


@pytest.mark.parametrize("lost", ["running", "cancelled"])
async def test_a_record_that_gets_lost_on_the_way_is_made_up_for(
    nats: NatsServer, tmp_path: Path, database: str, lost: str
) -> None:
    """One in the middle is missed with the next, the last one with the next heartbeat of the feed."""
    losses: list[bytes] = []

    def lose(head: bytes, body: bytes) -> bool:
        hit = not losses and b" lastword.log." in head and f'"status":"{lost}"'.encode() in body
        if hit:
            losses.append(body)
        return hit

    async with (
        Proxy(nats.port).open() as proxy,
        open_stage(nats, tmp_path, database=database, url=proxy.url) as stage,
    ):
        edge = await stage.open_edge()
        play = stage.play()
        await play.submit()
        async with connect(f"{edge.ws}/ws/workflows/{play.id}") as socket:
            await frames_until(socket, "snapshot")
            proxy.lose = lose
            await play.claim()
            await play.cancel()
            await play.end()
            frames = await frames_until(socket, "end")
        statuses = [frame["workflow"]["status"] for frame in frames if frame["type"] == "status"]
        assert ["running", "cancelling", "cancelled"] == statuses
        assert 1 == len(losses)


async def test_a_feed_that_falls_silent_is_not_vouched_for(
    nats: NatsServer, tmp_path: Path, database: str
) -> None:
    """The link stands, and nothing comes over it: not ready, and ready again once it flows."""
    async with (
        Proxy(nats.port).open() as proxy,
        open_stage(nats, tmp_path, database=database, url=proxy.url) as stage,
    ):
        edge = await stage.open_edge()
        proxy.freeze()
        await until(lambda: _is_not_ready(edge, ["feed_synced"]))
        proxy.thaw()
        await until(lambda: _is_not_ready(edge, []))


async def test_another_log_is_told_and_followed(breakable: Stage) -> None:
    """`resync`, an end, and a new `hello`: places of the old log are none, and the new one is told live."""
    edges = [await breakable.open_edge(), await breakable.open_edge()]
    old = await breakable.play().run()
    before = await breakable.log.head()
    async with (
        connect(f"{edges[0].ws}/ws/workflows/{old.id}") as one,
        connect(f"{edges[1].ws}/ws/workflows") as everything,
    ):
        await frames_until(one, "snapshot")
        await frames_until(everything, "ping")
        following = asyncio.create_task(_read_all(edges[0], f"/events/workflows/{old.id}"))
        await until(lambda: _streams(edges[0], 2))
        await breakable.bus.ask_api(f"STREAM.DELETE.{subjects.LOG_STREAM}")
        await ensure_streams(breakable.bus, partitions=PARTITIONS)
        new = breakable.play()
        await new.submit()
        for socket in (one, everything):
            frames, code = await told(socket)
            assert (["resync"], 4200) == (kinds(frames)[-1:], code)
            assert "epoch" == frames[-1]["reason"]
        assert "resync" == (await following)[-1]["type"]

    head = await breakable.log.head()
    assert before.epoch != head.epoch
    for edge in edges:
        await edge.ready()
        gone = await edge.client.get(f"/workflows/{old.id}?after={before.epoch}:2")
        assert 404 == gone.status_code
        async with connect(f"{edge.ws}/ws/workflows/{new.id}?after={before.epoch}:1") as socket:
            hello = await next_frame(socket, "hello")
            assert (head.epoch, False) == (hello["epoch"], hello["recovered"])
            assert "pending" == (await next_frame(socket, "snapshot"))["workflow"]["status"]
        named = {"Last-Event-ID": f"{before.epoch}:1"}
        async for frame in events(edge.client, f"/events/workflows/{new.id}", named):
            assert (head.epoch, False) == (frame["epoch"], frame["recovered"])
            break
    async with connect(f"{edges[0].ws}/ws/workflows/{new.id}") as socket:
        await frames_until(socket, "snapshot")
        await new.claim()
        assert "running" == (await next_frame(socket, "status"))["workflow"]["status"]
    # The database speaks of the old log: no list, rather than a wrong one, until it was written anew.
    assert 503 == (await edges[0].client.get("/workflows")).status_code
    await rebuild(breakable.settings)
    await until(lambda: _is(edges[0], "", 200, new.id))


async def _is_not_ready(edge: LiveEdge, wrong: list[str]) -> bool:
    return (503 if wrong else 200, wrong) == await readiness(edge)


async def _is(edge: LiveEdge, path: str, status: int, text: str) -> bool:
    answer = await edge.client.get(f"/workflows/{path}".rstrip("/"))
    return answer.status_code == status and text in answer.text


async def _streams(edge: LiveEdge, count: int) -> bool:
    return await edge.gauge("lastword_edge_streams") >= count


async def _tried(act: Callable[[], Any]) -> bool:
    try:
        await act()
    except Unavailable:
        return False
    return True


async def _read_all(edge: LiveEdge, path: str) -> list[dict[str, Any]]:
    return [frame async for frame in events(edge.client, path)]
