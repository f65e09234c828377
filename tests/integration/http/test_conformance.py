"""A life over every wire, between an edge and one whose feed is a record behind, as a slow machine's is.

`tests/integration/live` holds real edges to the same; only a world in memory can be slow on purpose.
"""

import asyncio
from collections.abc import Callable

import pytest

from lastword.contracts.events import CancelRequested
from tests.integration.http import clients
from tests.integration.http.clients import Client, Wire
from tests.integration.http.conftest import Edge, OpenEdge
from tests.unit.http.fakes import World

LIFE: list[Callable[[World], object]] = [
    lambda world: world.claim("w-1"),
    lambda world: world.progress("w-1", 1),
    lambda world: world.progress("w-1", 2),
    lambda world: world.happen("w-1", CancelRequested()),
    lambda world: world.cancel_ended("w-1"),
]
WIRES = (clients.one_by_events, clients.one_by_socket, clients.ids_by_events, clients.by_polling)


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
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.__name__)
async def test_a_slower_edge_never_takes_anything_back(
    world: World, open_edge_over: OpenEdge, wire: Wire, breaks: int
) -> None:
    """The same final workflow, no step backwards, one end, wherever the link breaks."""
    world.submit("w-1")
    async with open_edge_over(world) as first, open_edge_over(world, attach=False) as second:
        late = second.hub
        late.synced(world.epoch, 0)
        world.deliver(late)
        life = iter(LIFE)
        client = Client("w-1")

        def go_on() -> None:
            """Let the next thing happen once the client has seen the last one."""
            world.deliver(late)
            step = next(life, None)
            if step is not None:
                step(world)

        pushing = asyncio.create_task(_push(go_on))
        await asyncio.wait_for(follow(client, wire, [first, second], breaks, go_on), 20)
        pushing.cancel()
        final = (await first.client.get("/workflows/w-1?after=4")).json()
    assert (4, "cancelled") == client.states[-1]
    assert 1 == client.ends
    assert final == client.workflow


async def _push(go_on: Callable[[], None]) -> None:
    """Keep life going even where the client waits for something to happen."""
    while True:
        await asyncio.sleep(0.05)
        go_on()
