"""The streams of one workflow, over WebSocket and server-sent events."""

from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect

from lastword.contracts.events import CancelRequested
from tests.integration.http.conftest import Edge, OpenEdge, kinds, next_frame, told, until
from tests.unit.http.fakes import World


async def test_a_life_over_sse(edge: Edge) -> None:
    """Every status, progress and the one end, each frame with the whole workflow."""
    edge.world.submit("w-1")
    got: list[dict[str, Any]] = []
    async for frame in edge.frames("/events/workflows/w-1"):
        got.append(frame)
        if frame["type"] == "snapshot":
            edge.world.claim("w-1")
        elif frame["type"] == "status" and frame["workflow"]["status"] == "running":
            edge.world.progress("w-1", 1)
        elif frame["type"] == "progress":
            edge.world.succeed("w-1")
    assert ["hello", "snapshot", "status", "progress", "status", "end"] == kinds(got)
    assert [1, 2, 2, 3] == [frame["workflow"]["position"] for frame in got if "workflow" in frame]
    assert ("pending", "running") == (got[2]["previous"], got[2]["workflow"]["status"])
    assert 1 == got[3]["workflow"]["progress"]["done"]
    assert {"status", "executor"} <= set(got[2]["changed"])
    assert 3 == got[-1]["position"]


async def test_a_life_over_websocket(edge: Edge) -> None:
    """The same frames, then the close code 1000."""
    edge.world.submit("w-1")
    async with connect(f"{edge.ws}/ws/workflows/w-1") as socket:
        first = [await next_frame(socket), await next_frame(socket)]
        edge.world.claim("w-1")
        first.append(await next_frame(socket))
        edge.world.fail("w-1")
        rest, code = await told(socket)
    assert ["hello", "snapshot", "status", "status", "end"] == kinds([*first, *rest])
    assert 1000 == code
    assert "SIGKILL" == rest[0]["workflow"]["error"]["signal"]


async def test_both_wires_carry_the_same_json(edge: Edge) -> None:
    """A frame is one JSON, whatever it travels on, and its workflow is what GET shows."""
    edge.world.run("w-1")
    async with connect(f"{edge.ws}/ws/workflows/w-1") as socket:
        over_ws = await next_frame(socket, "snapshot")
    async for frame in edge.frames("/events/workflows/w-1"):
        if frame["type"] == "snapshot":
            del frame["_id"]
            assert over_ws == frame
            break
    assert (await edge.client.get("/workflows/w-1")).json() == over_ws["workflow"]


async def test_what_happens_within_one_turn_arrives_whole(edge: Edge) -> None:
    """A burst of statuses is one write, and none of them is lost; of progress the last is enough."""
    edge.world.submit("w-1")
    async with connect(f"{edge.ws}/ws/workflows/w-1") as socket:
        await next_frame(socket, "snapshot")
        edge.world.claim("w-1")
        edge.world.progress("w-1", 1)
        edge.world.progress("w-1", 2)
        edge.world.happen("w-1", CancelRequested())
        edge.world.cancel_ended("w-1")
        frames, _ = await told(socket)
    assert ["status", "progress", "status", "status", "end"] == kinds(frames)
    assert 2 == frames[1]["progress"]["done"]


@pytest.mark.parametrize("after", range(4))
async def test_a_client_that_comes_back_gets_what_it_missed(edge: Edge, after: int) -> None:
    """Resumed after any position, each status that followed is told once, and one end."""
    edge.world.run("w-1")
    edge.world.happen("w-1", CancelRequested())
    edge.world.cancel_ended("w-1")
    got = [
        frame
        async for frame in edge.frames("/events/workflows/w-1", **{"Last-Event-ID": f"testlog1:{after}"})
    ]
    assert got[0]["recovered"] is True
    assert ["hello", *["status"] * (4 - after), "end"] == kinds(got)
    assert list(range(after + 1, 5)) == [
        frame["workflow"]["position"] for frame in got if "workflow" in frame
    ]
    async with connect(f"{edge.ws}/ws/workflows/w-1?after={after}") as socket:
        frames, code = await told(socket)
    assert (kinds(got), 1000) == (kinds(frames), code)


async def test_the_end_is_answered_once_and_then_with_204(edge: Edge) -> None:
    """The id that leads past the end is the end's own: who lost the connection before it is told again."""
    edge.world.run("w-1")
    edge.world.succeed("w-1")
    got = [frame async for frame in edge.frames("/events/workflows/w-1")]
    assert ["hello", "snapshot", "end"] == kinds(got)
    assert [None, "testlog1:3~", "testlog1:3"] == [frame["_id"] for frame in got]
    before = {"Last-Event-ID": "testlog1:3~"}
    again = [frame async for frame in edge.frames("/events/workflows/w-1", **before)]
    assert (["hello", "status", "end"], True) == (kinds(again), again[0]["recovered"])
    response = await edge.client.get("/events/workflows/w-1", headers={"Last-Event-ID": "testlog1:3"})
    assert (204, b"") == (response.status_code, response.content)


@pytest.mark.parametrize("given", ["otherlog:2", "testlog1:999", "garbage", "testlog1:-1", "x" * 5000])
async def test_a_place_that_is_none_gives_the_present_state(edge: Edge, given: str) -> None:
    """Another epoch, the future or garbage: `recovered` is false, and a snapshot follows."""
    edge.world.run("w-1")
    edge.world.succeed("w-1")
    got = [frame async for frame in edge.frames("/events/workflows/w-1", **{"Last-Event-ID": given})]
    assert ["hello", "snapshot", "end"] == kinds(got)
    assert got[0]["recovered"] is False


async def test_a_client_that_was_ahead_is_never_shown_less(edge: Edge) -> None:
    """One that comes from an edge that was faster waits for the feed, and sees no lower position."""
    edge.world.run("w-1")
    edge.world.feeds = False
    edge.world.happen("w-1", CancelRequested())
    async with connect(f"{edge.ws}/ws/workflows/w-1?after=testlog1:3") as socket:
        first = await next_frame(socket, "snapshot")
        edge.world.deliver(edge.hub)
        edge.world.feeds = True
        edge.world.cancel_ended("w-1")
        frames, _ = await told(socket)
    assert [3, 4] == [first["workflow"]["position"], frames[0]["workflow"]["position"]]


async def test_an_answer_ahead_of_the_feed_hides_no_status_from_watchers(edge: Edge) -> None:
    """A command's answer shows its caller the new state; watchers still hear every record, in order."""
    edge.world.run("w-1")
    async with connect(f"{edge.ws}/ws/workflows/w-1") as socket:
        await next_frame(socket, "snapshot")
        edge.world.feeds = False
        await edge.client.post("/workflows/w-1/cancel")
        edge.world.cancel_ended("w-1")
        assert "cancelled" == (await edge.client.get("/workflows/w-1?after=4")).json()["status"]
        edge.world.deliver(edge.hub)
        frames, _ = await told(socket)
    assert ["cancelling", "cancelled"] == [
        frame["workflow"]["status"] for frame in frames if "workflow" in frame
    ]


async def test_staleness_is_told_when_it_turns_and_not_with_each_beat(
    world: World, open_edge_over: OpenEdge
) -> None:
    """`heartbeat` comes twice: when beats stay away, and when they come again."""
    async with open_edge_over(world, stale_after_s=0.1) as edge:
        world.run("w-1")
        async with connect(f"{edge.ws}/ws/workflows/w-1") as socket:
            await next_frame(socket, "snapshot")
            world.beat("w-1")
            world.beat("w-1")
            stale = await next_frame(socket)
            world.beat("w-1")
            fresh = await next_frame(socket)
    assert [("heartbeat", "stale"), ("heartbeat", "fresh")] == [
        (frame["type"], frame["workflow"]["heartbeat"]) for frame in (stale, fresh)
    ]


async def test_another_log_ends_the_streams_with_a_word(edge: Edge) -> None:
    """After a change of epoch nothing known means anything: `resync`, close, and a new hello."""
    edge.world.run("w-1")
    async with connect(f"{edge.ws}/ws/workflows/w-1") as socket:
        await next_frame(socket, "snapshot")
        edge.world.epoch = "testlog2"
        edge.hub.synced("testlog2", 2)
        frames, code = await told(socket)
    assert (["resync"], 4200) == (kinds(frames), code)
    async with connect(f"{edge.ws}/ws/workflows/w-1?after=testlog1:2") as socket:
        hello = await next_frame(socket)
        assert ("testlog2", False) == (hello["epoch"], hello["recovered"])
        assert 2 == (await next_frame(socket, "snapshot"))["workflow"]["position"]


async def test_silence_is_broken_by_pings(world: World, open_edge_over: OpenEdge) -> None:
    """A silent stream carries a comment for proxies, and a frame that says how far the log is."""
    async with open_edge_over(world, ping_s=0.2) as edge:
        world.run("w-1")
        async with connect(f"{edge.ws}/ws/workflows/w-1") as socket:
            assert 2 == (await next_frame(socket, "ping"))["position"]
        async with edge.client.stream("GET", "/events/workflows/w-1") as response:
            lines = response.aiter_lines()
            while ":" != (line := await anext(lines)) or "ping" not in (await anext(lines)) + (
                await anext(lines)
            ):
                assert line is not None


async def test_sse_is_neither_cached_nor_buffered_nor_compressed(edge: Edge) -> None:
    """The headers that proxies heed, and `retry:` on the first event."""
    edge.world.run("w-1")
    async with edge.client.stream(
        "GET", "/events/workflows/w-1", headers={"Accept-Encoding": "gzip, br"}
    ) as response:
        assert "text/event-stream; charset=utf-8" == response.headers["content-type"]
        assert "no-store, no-transform" == response.headers["cache-control"]
        assert "no" == response.headers["x-accel-buffering"]
        assert "content-encoding" not in response.headers
        assert "retry: 2000" == await anext(response.aiter_lines())


async def test_output_is_a_stream_of_its_own(edge: Edge) -> None:
    """What was written and is being written, in order, then the end; a reconnect goes on after the cursor."""
    edge.world.run("w-1")
    edge.world.say("w-1", "one")
    got: list[dict[str, Any]] = []
    async for frame in edge.frames("/events/workflows/w-1/logs"):
        got.append(frame)
        if frame["type"] == "output" and frame["lines"][0]["text"] == "one":
            edge.world.say("other", "not this one's")
            edge.world.say("w-1", "two", "three")
            edge.world.succeed("w-1")
    assert ["hello", "output", "output", "end"] == kinds(got)
    assert ["one", "two", "three"] == [line["text"] for frame in got for line in frame.get("lines", ())]
    after = {"Last-Event-ID": str(got[1]["_id"])}
    rest = [frame async for frame in edge.frames("/events/workflows/w-1/logs", **after)]
    assert ["two", "three"] == [line["text"] for frame in rest for line in frame.get("lines", ())]
    done = await edge.client.get("/events/workflows/w-1/logs", headers={"Last-Event-ID": str(got[2]["_id"])})
    assert 204 == done.status_code
    async with connect(f"{edge.ws}/ws/workflows/w-1/logs") as socket:
        frames, code = await told(socket)
    assert (["hello", "output", "output", "end"], 1000) == (kinds(frames), code)


async def test_output_that_comes_faster_than_it_is_read_is_read_from_its_stream(edge: Edge) -> None:
    """More messages than a reader may have waiting: all of them arrive, in order."""
    edge.world.run("w-1")
    async with connect(f"{edge.ws}/ws/workflows/w-1/logs") as socket:
        await next_frame(socket, "hello")
        for number in range(500):
            edge.world.say("w-1", f"line {number}")
        edge.world.succeed("w-1")
        frames, _ = await told(socket)
    texts = [line["text"] for frame in frames for line in frame.get("lines", ())]
    assert [f"line {number}" for number in range(500)] == texts


async def test_nothing_is_left_of_a_client_that_went(edge: Edge) -> None:
    """Streams that are closed from the other side leave no watcher, task or place behind."""
    edge.world.run("w-1")
    for _ in range(3):
        async with connect(f"{edge.ws}/ws/workflows/w-1") as socket:
            await next_frame(socket, "snapshot")
        async with edge.client.stream("GET", "/events/workflows/w-1/logs"):
            pass
    await until(lambda: not edge.hub.channels)
    text = (await edge.client.get("/metrics")).text
    assert "lastword_edge_admitted 0.0" in text
    edge.world.succeed("w-1")
    body = msgspec.json.decode((await edge.client.get("/workflows/w-1")).content)
    assert "success" == body["status"]
