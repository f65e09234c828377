"""Workflows from before lastword, which only the database knows: ended, and without a place in the log."""

import msgspec
import pytest
from websockets.asyncio.client import connect

from lastword.contracts.records import Entry
from lastword.storage import DatabaseUnavailable, StoredWorkflow
from tests.integration.http.conftest import Edge, OpenEdge, kinds, next_frame, told
from tests.unit.http.fakes import FakeLists, World


class ListsAway(FakeLists):
    """A database that does not answer."""

    async def get(self, workflow_id: str) -> StoredWorkflow | None:
        """Fail."""
        raise DatabaseUnavailable(workflow_id, "it is away")


@pytest.fixture
def world() -> World:
    """Return a world in which `old-1` succeeded, long ago, and `w-1` runs."""
    world = World()
    world.run("elsewhere")
    ended = world.succeed("elsewhere").record
    record = msgspec.structs.replace(ended, id="old-1", version=1, previous=None, cause="imported")
    entry = Entry(position=0, stored_at=world.log[0].stored_at, record=record)
    world.older["old-1"] = StoredWorkflow(entry=entry, last_heartbeat_at=None)
    world.run("w-1")
    return world


async def test_it_is_read_like_any_other(edge: Edge) -> None:
    """Its state, conditionally too; the one line of its history; and output and result, such as they are."""
    first = await edge.client.get("/workflows/old-1")
    assert ("old-1", True, 0) == tuple(first.json()[name] for name in ("id", "isTerminal", "position"))
    again = await edge.client.get("/workflows/old-1", headers={"If-None-Match": first.headers["etag"]})
    assert 304 == again.status_code
    history = (await edge.client.get("/workflows/old-1/history")).json()["items"]
    assert [("success", "imported")] == [(line["status"], line["cause"]) for line in history]
    assert "done" == (await edge.client.get("/workflows/old-1/result")).json()
    output = (await edge.client.get("/workflows/old-1/logs")).json()
    assert ([], None) == (output["items"], output["next_cursor"])


async def test_it_cannot_be_cancelled_and_may_be_asked_about(edge: Edge) -> None:
    """409 with how it stands, as for everything that has ended; reconciling finds nothing to do."""
    refused = await edge.client.post("/workflows/old-1/cancel")
    problem = refused.json()
    assert (409, "already_terminal", "success") == (
        refused.status_code,
        problem["code"],
        problem["workflow"]["status"],
    )
    shown = await edge.client.post("/workflows/old-1/reconcile")
    assert (200, "success") == (shown.status_code, shown.json()["status"])


async def test_its_streams_show_it_and_end(edge: Edge) -> None:
    """A snapshot and one `end` on both wires; who comes back with what the end was marked with gets 204."""
    over_events = [frame async for frame in edge.frames("/events/workflows/old-1")]
    assert ["hello", "snapshot", "end"] == kinds(over_events)
    async with connect(f"{edge.ws}/ws/workflows/old-1") as socket:
        over_socket, code = await told(socket)
    assert (["hello", "snapshot", "end"], 1000) == (kinds(over_socket), code)

    path, snapshot, end = "/events/workflows/old-1", over_events[1], over_events[2]
    back = await edge.client.get(path, headers={"Last-Event-ID": end["_id"]})
    assert 204 == back.status_code
    cut_between = {"Last-Event-ID": snapshot["_id"]}
    assert "end" == kinds([frame async for frame in edge.frames(path, **cut_between)])[-1]


async def test_it_is_one_of_a_set(edge: Edge) -> None:
    """By ids it is shown with its end, beside those that go on; alone, it ends the stream of events."""
    async with connect(f"{edge.ws}/ws/workflows?ids=old-1,w-1") as socket:
        shown = [await next_frame(socket) for _ in range(5)]
        assert ["hello", "snapshot", "end", "snapshot"] == kinds(shown)
        edge.world.succeed("w-1")
        assert "w-1" == (await next_frame(socket, "end"))["id"]
    alone = [frame async for frame in edge.frames("/events/workflows?ids=old-1")]
    assert ["hello", "snapshot", "end"] == kinds(alone)
    back = await edge.client.get("/events/workflows?ids=old-1", headers={"Last-Event-ID": alone[-1]["_id"]})
    assert 204 == back.status_code


async def test_without_the_database_nobody_says_that_it_is_unknown(
    world: World, open_edge_over: OpenEdge
) -> None:
    """503, or 1013, on every wire: come back; what the log knows is not affected."""
    async with open_edge_over(world, lists=ListsAway(world)) as edge:
        for path in ("/workflows/old-1", "/workflows/old-1/history", "/events/workflows/old-1"):
            refused = await edge.client.get(path)
            assert (503, "unavailable") == (refused.status_code, refused.json()["code"])
            assert "retry-after" in refused.headers
        for path in ("/ws/workflows/old-1", "/ws/workflows?ids=old-1"):
            async with connect(f"{edge.ws}{path}") as socket:
                assert ([], 1013) == await told(socket)
        assert 200 == (await edge.client.get("/workflows/w-1")).status_code
