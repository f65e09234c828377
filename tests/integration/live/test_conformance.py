"""One life of a workflow, followed over every wire, and broken off at every point of it.

Each client hangs up and goes on at another edge, or its one edge is restarted under it; what happens
meanwhile it has missed.  All end with the same workflow, have seen no step backwards, and were told one end.
"""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import pytest

from tests.integration.http import clients
from tests.integration.http.clients import WIRES, Client, Line, NotThere, Wire
from tests.integration.live.stage import LiveEdge, Play, Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

Edges = tuple[LiveEdge, LiveEdge]


@dataclass(frozen=True)
class Step:
    """Something that happens, and how a client's workflow shows that it has."""

    name: str
    happen: Callable[[Play], Awaitable[None]]
    shows: Callable[[dict[str, Any]], object]


LIFE: Final[tuple[Step, ...]] = (
    Step("pending", Play.submit, lambda shown: shown["status"] == "pending"),
    Step("running", Play.claim, lambda shown: shown["status"] == "running"),
    Step("first progress", lambda play: play.progress(1), lambda shown: _done(shown) == 1),
    Step("stale", Play.expire, lambda shown: shown["heartbeat"] == "stale"),
    Step("fresh", Play.beat, lambda shown: shown["heartbeat"] == "fresh"),
    Step("second progress", lambda play: play.progress(2), lambda shown: _done(shown) == 2),
    Step("cancelling", Play.cancel, lambda shown: shown["status"] == "cancelling"),
    Step("cancelled", Play.end, lambda shown: shown["status"] == "cancelled"),
)
BREAKS: Final = (*(f"before {step.name}" for step in LIFE), "between cancelled and end", "after end")


class Returns(NamedTuple):
    """Where a client goes that lost its connection, and who ended it."""

    elsewhere: bool
    restarted: bool


WAYS: Final = {
    "two edges": Returns(elsewhere=True, restarted=False),
    "one edge, restarted": Returns(elsewhere=False, restarted=True),
}


AFTER_THE_END: Final[dict[Wire, list[str]]] = {
    clients.one_by_events: [],
    clients.one_by_events_after: [],
    clients.one_by_socket: ["hello", "snapshot", "end"],
    clients.ids_by_events: [],
    clients.ids_by_socket: ["hello", "ping", "ping"],
    clients.list_by_events: ["hello", "ping"],
    clients.list_by_socket: ["hello", "ping"],
    clients.by_polling: ["snapshot", "end"],
}
"""What each wire tells a client that comes back with all that it could know."""


class Follower:
    """A client on a wire, which comes back after each break."""

    def __init__(self, wire: Wire, edges: Edges, way: Returns, client: Client) -> None:
        self._wire = wire
        self._edges = edges
        self._way = way
        self._turn = 0
        self.client = client
        self._line: Line | None = None

    @property
    def shows_a_list(self) -> bool:
        """Whether it asks for no workflow by its id."""
        return self._wire in {clients.list_by_events, clients.list_by_socket}

    @property
    def edge(self) -> LiveEdge:
        """Where it is connected, or will be."""
        return self._edges[self._turn % 2]

    async def until(self, holds: Callable[[], object]) -> None:
        """Read until something holds, or the line ends."""
        if self._line is None:
            self._line = self._wire(self.client, self.edge)
        while not holds():
            frame = await anext(self._line, None)
            if frame is None:
                return
            self.client.take(frame)

    async def told(self, count: int) -> list[str]:
        """Come back, and return what the next frames are, or all where the line ends before."""
        kinds: list[str] = []
        async with aclosing(self._wire(self.client, self.edge)) as line:
            while len(kinds) < count and (frame := await anext(line, None)) is not None:
                kinds.append(frame["type"])
        return kinds

    async def lose(self) -> None:
        """Lose the connection: hang up, or have the edge restarted under it."""
        line, self._line = self._line, None
        if line is None:
            return
        async with aclosing(line):
            if self._way.restarted:
                await self.edge.restart()
                if not self.client.ends and self._wire is not clients.by_polling:
                    async for frame in line:  # whatever the edge still had to say
                        self.client.take(frame)
        if self._way.elsewhere:
            self._turn += 1


@pytest.mark.parametrize("at", BREAKS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.__name__)
async def test_everyone_ends_with_the_same_truth(
    stage: Stage, edges: Edges, wire: Wire, way: str, at: str
) -> None:
    """The same final workflow, no step backwards, one end."""
    play = stage.play("life")
    client = Client("not-there-yet", play.title)
    follower = Follower(wire, edges, WAYS[way], client)
    for step in LIFE:
        if at == f"before {step.name}":
            if step.name == "pending":
                await _look_in_vain(follower)
            await follower.lose()
        await step.happen(play)
        client.id = play.id
        await follower.until(partial(_has_seen, client, step))
    if at == "between cancelled and end":
        await follower.lose()
    await follower.until(lambda: client.ends)
    assert 1 == client.ends

    shown = [(await edge.client.get(f"/workflows/{play.id}?after={client.after}")).json() for edge in edges]
    assert [client.workflow, client.workflow] == shown
    assert ("cancelled", True) == (client.workflow["status"], client.workflow["isTerminal"])
    statuses = list(dict.fromkeys(status for _, status in client.states))
    assert ["pending", "running", "cancelling", "cancelled"] == statuses
    if at == "after end":
        await follower.lose()
        assert AFTER_THE_END[wire] == await follower.told(len(AFTER_THE_END[wire]) or 1)


async def _look_in_vain(follower: Follower) -> None:
    """Look before there is anything: one by one it is unknown, in a list there is nothing yet."""
    if follower.shows_a_list:
        await follower.until(lambda: follower.client.after)
    else:
        with pytest.raises(NotThere):
            await follower.until(lambda: False)
    assert [] == follower.client.states


def _has_seen(client: Client, step: Step) -> bool:
    return bool(client.workflow and step.shows(client.workflow))


def _done(shown: dict[str, Any]) -> int:
    return int((shown["progress"] or {"done": 0})["done"])
