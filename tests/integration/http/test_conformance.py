"""One scenario over every wire, one edge and two, broken off at every point: all end with the same truth."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from lastword.contracts.events import CancelRequested
from tests.integration.http.conftest import Edge, OpenEdge
from tests.unit.http.fakes import World

Wire = Callable[["Client", Edge], AsyncIterator[dict[str, Any]]]

LIFE: list[Callable[[World], object]] = [
    lambda world: world.submit("w-1"),
    lambda world: world.claim("w-1"),
    lambda world: world.progress("w-1", 1),
    lambda world: world.progress("w-1", 2),
    lambda world: world.happen("w-1", CancelRequested()),
    lambda world: world.cancel_ended("w-1"),
]


class Client:
    """What a page does: keeps the newest state, comes back after a break, and stops at the end."""

    def __init__(self) -> None:
        self.states: list[tuple[int, str]] = []
        self.ends = 0
        self.last_id: str | None = None
        self.after = ""

    def take(self, frame: dict[str, Any]) -> None:
        """Take in one frame, as the channel in the browser does."""
        if frame["type"] == "end":
            self.ends += 1
        if "workflow" in frame:
            workflow = frame["workflow"]
            self.states.append((workflow["position"], workflow["status"]))
            self.after = f"testlog1:{workflow['position']}"
        self.last_id = frame.get("_id") or self.last_id


async def over_sse(client: Client, edge: Edge) -> AsyncIterator[dict[str, Any]]:
    """Follow by server-sent events."""
    headers = {"Last-Event-ID": client.last_id} if client.last_id else {}
    async for frame in edge.frames("/events/workflows/w-1", **headers):
        yield frame


async def over_websocket(client: Client, edge: Edge) -> AsyncIterator[dict[str, Any]]:
    """Follow by WebSocket."""
    async with connect(f"{edge.ws}/ws/workflows/w-1?after={client.after}") as socket:
        try:
            while True:
                yield msgspec.json.decode(await socket.recv())
        except ConnectionClosed:
            pass


async def over_many(client: Client, edge: Edge) -> AsyncIterator[dict[str, Any]]:
    """Follow by the stream of many, as a list does."""
    headers = {"Last-Event-ID": client.last_id} if client.last_id else {}
    async for frame in edge.frames("/events/workflows?ids=w-1", **headers):
        yield frame


async def by_polling(client: Client, edge: Edge) -> AsyncIterator[dict[str, Any]]:
    """Ask again and again, naming what is known."""
    etag = ""
    while True:
        position = client.after.partition(":")[2]
        headers = {"If-None-Match": etag} | ({"Lastword-Position": position} if position else {})
        response = await edge.client.get("/workflows/w-1", headers=headers)
        etag = response.headers["etag"]
        if response.status_code == 200:
            yield {"type": "snapshot", "workflow": response.json()}
            if response.json()["isTerminal"]:
                yield {"type": "end"}
                return
        await asyncio.sleep(0.005)


async def follow(
    client: Client, wire: Wire, edges: list[Edge], breaks: int, on_state: Callable[[], None]
) -> None:
    """Follow to the end; break off after `breaks` frames, then one later, and go on at the next edge."""
    turn = 0
    while not client.ends:
        seen = 0
        async for frame in wire(client, edges[turn % len(edges)]):
            client.take(frame)
            seen += 1
            if "workflow" in frame:
                on_state()
            if breaks and seen == breaks + turn and not client.ends:
                break
        turn += 1
        assert turn < 50, "the end never came"


@pytest.mark.parametrize("breaks", range(6))
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    "wire", [over_sse, over_websocket, over_many, by_polling], ids=lambda wire: wire.__name__
)
async def test_everyone_ends_with_the_same_truth(
    world: World, open_edge_over: OpenEdge, wire: Wire, count: int, breaks: int
) -> None:
    """The same final workflow, no step backwards, one end, however often and wherever the link breaks.

    With two edges the second one's feed is a record behind until the end, as a slower machine's would be.
    """
    world.submit("w-1")
    async with open_edge_over(world) as first, open_edge_over(world, attach=False) as second:
        late = second.hub
        late.synced(world.epoch, 0)
        world.deliver(late)
        life = iter(LIFE[1:])
        client = Client()

        def go_on() -> None:
            """Let the next thing happen once the client has seen the last one."""
            step = next(life, None)
            if step is not None:
                world.deliver(late)
                step(world)
            else:
                world.deliver(late)

        edges = [first, second][:count]
        pushing = asyncio.create_task(_push(go_on))
        await asyncio.wait_for(follow(client, wire, edges, breaks, go_on), 20)
        pushing.cancel()
        final = (await first.client.get("/workflows/w-1?after=4")).json()
    positions = [position for position, _ in client.states]
    assert sorted(positions) == positions
    assert (4, "cancelled") == client.states[-1]
    assert 1 == client.ends
    assert ("cancelled", 4) == (final["status"], final["position"])


async def _push(go_on: Callable[[], None]) -> None:
    """Keep life going even where the client waits for something to happen."""
    while True:
        await asyncio.sleep(0.05)
        go_on()
