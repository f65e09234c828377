"""What a client is told, and in which order, where things happen within one turn of the loop."""

import asyncio
from typing import Any

import msgspec
import pytest

from lastword.contracts.events import CancelRequested
from lastword.http.channels import Channel
from lastword.http.filters import Filter
from lastword.http.hub import Hub
from lastword.http.many_workflows import ManyWorkflows
from lastword.http.one_workflow import OneWorkflow
from lastword.http.packets import Wire
from lastword.http.problems import Refusal
from lastword.http.reader import Reader, Since
from tests.unit.http.fakes import FakeLists, World


class Client:
    """A client that reads while it is told to, and what it was told."""

    def __init__(self, hub: Hub) -> None:
        self.frames: list[dict[str, Any]] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.channel = Channel(self._send, Wire.WS, hub, asyncio.get_running_loop().time)

    @property
    def told(self) -> list[tuple[str, int]]:
        """The frames' kinds and positions, in order."""
        return [
            (frame["type"], frame.get("workflow", frame).get("position", 0))
            for frame in self.frames
            if frame["type"] != "hello"
        ]

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        if "text" in message:
            self.frames.append(msgspec.json.decode(message["text"]))


class Place:
    """A hub over a world, and streams of it."""

    def __init__(self) -> None:
        self.world = World()
        self.hub = Hub(stale_after_s=9)
        self.world.attach(self.hub)
        self.reader = Reader(self.hub, self.world, FakeLists(self.world))
        self.client = Client(self.hub)

    def one(self, since: Since | None = None) -> OneWorkflow:
        """Return a stream of the one workflow."""
        return OneWorkflow(self.hub, self.reader, "w-1", since)

    def many(self, ids: tuple[str, ...] | None = None, since: Since | None = None) -> ManyWorkflows:
        """Return a stream by ids, or of everything."""
        return ManyWorkflows(
            self.hub,
            self.reader,
            self.world,
            ids=ids,
            wanted=Filter(),
            since=since,
            max_ids=9,
            closes=False,
        )


@pytest.fixture
async def place() -> Place:
    """Return a place where one workflow runs."""
    place = Place()
    place.world.run("w-1")
    return place


async def test_a_ping_never_overtakes_what_happened_before(place: Place) -> None:
    """Who resumed after a ping at the end's position would never hear of the end."""
    stream = place.many(("w-1",))
    await stream.open(place.client.channel)
    del place.client.frames[:]
    place.world.succeed("w-1")
    await stream.hear(b'{"type":"ping"}')
    assert [("status", 3), ("end", 3), ("ping", 3)] == place.client.told


@pytest.mark.parametrize("by_filter", [True, False])
async def test_a_stream_that_opens_just_as_a_workflow_ends_tells_one_end(
    place: Place, *, by_filter: bool
) -> None:
    """The record is in what it opens with, and is not told again when the turn is over."""
    ids = None if by_filter else ("w-1",)
    await place.many(ids).open(Client(place.hub).channel)  # or nothing would be gathered
    stream = place.many(ids, Since(None, 2))
    await stream.prepare()
    place.world.succeed("w-1")
    await stream.open(place.client.channel)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [("status" if by_filter else "snapshot", 3), ("end", 3), ("ping", 3)] == place.client.told


async def test_a_status_that_is_read_is_not_told_again(place: Place) -> None:
    """Who opens a stream between a record and its telling is told it once."""
    await place.one().open(Client(place.hub).channel)
    stream = place.one(Since(None, 2))
    place.world.happen("w-1", CancelRequested())
    await stream.prepare()
    await stream.open(place.client.channel)
    await asyncio.sleep(0)
    assert [("status", 3)] == place.client.told


async def test_a_client_that_reads_again_as_a_workflow_ends_is_told_one_end(place: Place) -> None:
    """What is made up for has the end already; nothing of it comes a second time."""
    client = place.client
    await place.one().open(client.channel)
    client.reads.clear()
    for done in (1, 2, 3):
        place.world.progress("w-1", done)
        await asyncio.sleep(0)
    client.reads.set()
    place.world.succeed("w-1")
    while client.channel.stalled_at is not None:  # noqa: ASYNC110  the channel has no event for its tests
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [("snapshot", 2), ("progress", 2), ("snapshot", 3), ("end", 3)] == client.told


async def test_a_filter_never_shows_less_than_was_read_before_it_opened(place: Place) -> None:
    """A record that was read ahead of the feed is waited for: the log's order would show older ones again."""
    world, hub = place.world, place.hub
    world.feeds = False
    world.submit("w-2")
    world.claim("w-2")
    await place.reader.require("w-2", at_least=4)
    assert 4 == hub.live()[-1].standing.position
    opening = asyncio.create_task(place.many().open(place.client.channel))
    await asyncio.sleep(0)
    assert [] == place.client.told
    world.deliver(hub)
    await opening
    assert [("snapshot", 2), ("snapshot", 4), ("ping", 4)] == place.client.told


async def test_a_filter_shows_nothing_beside_a_record_that_the_feed_has_not_brought(place: Place) -> None:
    """Progress of a status that was read ahead of the feed would be followed by older statuses."""
    world = place.world
    await place.many().open(place.client.channel)
    del place.client.frames[:]
    world.feeds = False
    world.submit("w-2")
    world.claim("w-2")
    await place.reader.require("w-2", at_least=4)
    world.progress("w-2", 1)
    await asyncio.sleep(0)
    assert [] == place.client.told
    world.deliver(place.hub)
    await asyncio.sleep(0)
    assert [("status", 3), ("status", 4)] == place.client.told
    assert 1 == place.client.frames[-1]["workflow"]["progress"]["done"]


async def test_a_filter_refuses_who_has_seen_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of a faster edge is sent away to come back, and not shown what it has seen before."""
    monkeypatch.setattr("lastword.http.many_workflows.REACH_S", 0.01)
    place.world.feeds = False
    place.world.succeed("w-1")
    stream = place.many(since=Since(None, 3))
    await stream.prepare()
    with pytest.raises(Refusal, match="position 3"):
        await stream.open(place.client.channel)
    assert [] == place.client.frames
