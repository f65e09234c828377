"""The streams of many workflows on one connection: by ids, and by filter."""

import asyncio
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect

from lastword.contracts.events import CancelRequested
from tests.integration.http.conftest import Edge, OpenEdge, kinds, next_frame
from tests.unit.http.fakes import World


async def say(socket: ClientConnection, **message: Any) -> None:
    """Send a message as a page does."""
    await socket.send(msgspec.json.encode(message).decode())


async def shown(socket: ClientConnection) -> list[tuple[str, str]]:
    """Return id and type of each frame up to the next ping."""
    found: list[tuple[str, str]] = []
    while True:
        frame = await next_frame(socket)
        if frame["type"] == "ping":
            return found
        if frame["type"] != "hello":
            found.append(
                (frame["workflow"]["id"] if "workflow" in frame else frame.get("id", ""), frame["type"])
            )


async def test_a_set_of_ids_can_change_on_the_open_socket(edge: Edge) -> None:
    """Subscribed workflows are told, each with one end; unsubscribed and unknown ones are not."""
    for name in ("w-1", "w-2", "w-3"):
        edge.world.run(name)
    async with connect(f"{edge.ws}/ws/workflows?ids=w-1,w-2") as socket:
        assert [("w-1", "snapshot"), ("w-2", "snapshot")] == await shown(socket)
        await say(socket, type="unsubscribe", ids=["w-1"])
        await say(socket, type="subscribe", ids=["w-3", "w-2", "nobody"])
        assert [("w-3", "snapshot")] == await shown(socket)
        refused = await next_frame(socket)
        assert ("unknown_workflow", ["nobody"]) == (refused["code"], refused["ids"])
        for name in ("w-1", "w-2", "w-3"):
            edge.world.succeed(name)
        await say(socket, type="ping")
        ended = await shown(socket)
    assert [("w-2", "status"), ("w-2", "end"), ("w-3", "status"), ("w-3", "end")] == ended


async def test_an_sse_stream_of_ids_ends_with_the_last_of_them(edge: Edge) -> None:
    """It tells each end, then ends itself; a reconnect after that gets 204."""
    edge.world.run("w-1")
    edge.world.run("w-2")
    got: list[dict[str, Any]] = []
    async for frame in edge.frames("/events/workflows?ids=w-1&ids=w-2"):
        got.append(frame)
        if frame["type"] == "ping":
            edge.world.succeed("w-2")
        elif frame["type"] == "end" and frame["id"] == "w-2":
            edge.world.fail("w-1")
    assert ["hello", "snapshot", "snapshot", "status", "end", "status", "end"] == kinds(got)
    again = await edge.client.get("/events/workflows?ids=w-1,w-2", headers={"Last-Event-ID": got[-1]["_id"]})
    assert 204 == again.status_code
    part = {"Last-Event-ID": next(frame["_id"] for frame in got if frame["type"] == "end")}
    rest = [frame async for frame in edge.frames("/events/workflows?ids=w-1,w-2", **part)]
    assert ["w-1"] == [frame["id"] for frame in rest if frame["type"] == "end"]


async def test_a_filter_tells_what_enters_and_what_leaves(edge: Edge) -> None:
    """Under `status=running` a workflow is told when it begins to run, and when it no longer does."""
    edge.world.run("w-0")
    async with connect(f"{edge.ws}/ws/workflows?status=running") as socket:
        assert [("w-0", "snapshot")] == await shown(socket)
        edge.world.submit("w-1")
        edge.world.claim("w-1")
        edge.world.progress("w-1", 1)
        edge.world.succeed("w-1")
        edge.world.happen("w-0", CancelRequested())
        edge.world.cancel_ended("w-0")
        await say(socket, type="ping")
        told = await shown(socket)
    assert [
        ("w-1", "status"),
        ("w-1", "progress"),
        ("w-1", "status"),
        ("w-1", "end"),
        ("w-0", "status"),
    ] == told


async def test_what_has_left_a_filter_is_no_longer_told(edge: Edge) -> None:
    """Under `status=pending`: the record by which it is taken, then neither progress, heartbeats nor its end.

    Nor does such a stream open with what runs.
    """
    edge.world.run("w-0")
    async with connect(f"{edge.ws}/ws/workflows?status=pending") as socket:
        assert [] == await shown(socket)
        edge.world.submit("w-1")
        edge.world.claim("w-1")
        edge.world.progress("w-1", 1)
        edge.world.progress("w-0", 1)
        edge.world.succeed("w-1")
        await say(socket, type="ping")
        assert [("w-1", "status"), ("w-1", "status")] == await shown(socket)


async def test_a_stream_opens_with_so_many_and_no_more(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that moved last, which a list shows first."""
    monkeypatch.setattr("lastword.http.many_workflows.LIVE_LIMIT", 2)
    for name in ("w-1", "w-2", "w-3"):
        edge.world.run(name)
    edge.world.happen("w-1", CancelRequested())
    async with connect(f"{edge.ws}/ws/workflows") as socket:
        assert [("w-3", "snapshot"), ("w-1", "snapshot")] == await shown(socket)


async def test_a_filter_can_change_on_the_open_socket(edge: Edge) -> None:
    """The new filter replaces the old one, and says who runs under it."""
    edge.world.run("w-1", title="Tides")
    edge.world.run("w-2", title="Winds")
    async with connect(f"{edge.ws}/ws/workflows?q=tides") as socket:
        assert [("w-1", "snapshot")] == await shown(socket)
        await say(socket, type="filter", q="WINDS")
        assert [("w-2", "snapshot")] == await shown(socket)
        edge.world.succeed("w-1")
        edge.world.succeed("w-2")
        await say(socket, type="ping")
        assert [("w-2", "status"), ("w-2", "end")] == await shown(socket)


async def test_a_list_and_its_stream_join_without_a_gap(edge: Edge) -> None:
    """What happened after the list's position follows when the stream opens after it, each status once."""
    edge.world.run("w-1")
    position = (await edge.client.get("/workflows")).json()["position"]
    edge.world.succeed("w-1")
    edge.world.run("w-2")
    async with connect(f"{edge.ws}/ws/workflows?after={position}") as socket:
        hello = await next_frame(socket)
        told = await shown(socket)
    assert hello["recovered"] is True
    assert [
        ("w-1", "status"),
        ("w-1", "end"),
        ("w-2", "status"),
        ("w-2", "status"),
        ("w-2", "snapshot"),
    ] == told


async def test_what_memory_no_longer_holds_is_read_from_the_log(
    world: World, open_edge_over: OpenEdge
) -> None:
    """An edge that began later than the client's place reads the log, and joins it to what it hears."""
    world.run("w-1")
    world.succeed("w-1")
    async with open_edge_over(world, attach=False) as edge:
        edge.hub.synced(world.epoch, len(world.log))
        world.hubs.append(edge.hub)
        async with connect(f"{edge.ws}/ws/workflows?after=1") as socket:
            hello = await next_frame(socket)
            assert (True, [("w-1", "status"), ("w-1", "status"), ("w-1", "end")]) == (
                hello["recovered"],
                await shown(socket),
            )


async def test_a_client_that_missed_too_much_is_told_to_load_anew(edge: Edge) -> None:
    """`resync` in place of thousands of records."""
    edge.hub.synced(edge.world.epoch, 0)
    for number in range(5_000):
        edge.world.submit(f"w-{number}")
    async with connect(f"{edge.ws}/ws/workflows?after=1") as socket:
        hello, resync = await next_frame(socket), await next_frame(socket)
    assert (False, "resync", "too_long_ago") == (hello["recovered"], resync["type"], resync["reason"])


async def test_a_stream_goes_by_ids_or_by_filter(edge: Edge) -> None:
    """A message of the other mode is refused, and the stream goes on."""
    edge.world.run("w-1")
    async with connect(f"{edge.ws}/ws/workflows?ids=") as socket:
        await shown(socket)
        await say(socket, type="filter", status=["running"])
        assert "wrong_mode" == (await next_frame(socket))["code"]
        await say(socket, type="subscribe", ids=["w-1"])
        assert [("w-1", "snapshot")] == await shown(socket)
    response = await edge.client.get("/events/workflows?ids=w-1&status=running")
    assert (400, "invalid_parameter") == (response.status_code, response.json()["code"])


async def test_two_hundred_streams_are_told_in_one_go(edge: Edge) -> None:
    """Everyone who watches is told, and told once."""
    edge.world.run("w-1")
    sockets = [await connect(f"{edge.ws}/ws/workflows/w-1") for _ in range(200)]
    for socket in sockets:
        await next_frame(socket, "snapshot")
    edge.world.succeed("w-1")
    told = [(await next_frame(socket, "status"))["workflow"]["status"] for socket in sockets]
    assert ["success"] * 200 == told
    await asyncio.gather(*(socket.close() for socket in sockets))
