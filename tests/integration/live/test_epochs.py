"""The log is made anew under clients of every wire: all forget what they knew, and end with the new truth."""

import asyncio
from typing import Final

import httpx
import pytest
from websockets.exceptions import InvalidHandshake

from lastword.bus import ensure_streams
from lastword.contracts import subjects
from lastword.wiring.roles import rebuild
from tests.integration.http import clients
from tests.integration.http.clients import WIRES, Client, Line, NotNow, NotThere, Place, Wire
from tests.integration.live.stage import PARTITIONS, LiveEdge, Play, Stage, until

pytestmark = pytest.mark.timeout(120)

AGAIN_S: Final = 0.05  # until a client asks, or comes, again


async def one_by_polling(client: Client, edge: Place) -> Line:
    """Ask for one workflow again and again, naming the place."""
    async for frame in _poll(client, edge, f"/workflows/{client.id}?"):
        yield frame


async def list_by_polling(client: Client, edge: Place) -> Line:
    """Ask for the list again and again, naming the place."""
    async for frame in _poll(client, edge, f"/workflows?q={client.title}&"):
        yield frame


async def _poll(client: Client, edge: Place, path: str) -> Line:
    """Look first under which name the log goes, as a page does whose poll shows less than it knows."""
    while True:
        epoch = (await edge.client.get("/config")).json()["epoch"]
        yield {"type": "hello", "epoch": epoch, "recovered": False}
        response = await edge.client.get(f"{path}after={client.after}")
        if response.status_code == 404:
            raise NotThere
        if response.status_code == 503:
            raise NotNow
        body = response.json()
        for shown in body.get("items", [body]):
            if shown["position"] < client.workflow.get("position", 0):
                break  # it is of another log, which has come between the two answers
            yield {"type": "snapshot", "workflow": shown}
            if shown["isTerminal"]:
                yield {"type": "end", "id": shown["id"], "position": shown["position"]}
                return
        await asyncio.sleep(AGAIN_S)


POLLING: Final[tuple[Wire, ...]] = (one_by_polling, list_by_polling)
STREAMING: Final = tuple(wire for wire in WIRES if wire is not clients.by_polling)


async def test_every_wire_forgets_another_log_and_follows_this_one(breakable: Stage) -> None:
    """The new log begins with a workflow of the old one, as it stood before: nobody clings to what it knew.

    Its positions are lower, and were others' in the old log.  Each client comes back with the place that it
    held there, at whichever edge, and is told the rest of the life, with one end.
    """
    edges = [await breakable.open_edge(ping_s=0.5), await breakable.open_edge(ping_s=0.5)]
    for _ in range(3):  # so that the old log's positions are higher
        await breakable.play("before").run()
    play = await breakable.play("outlives").run()
    await play.progress(1)
    watching = [(Client(play.id, play.title), wire) for wire in (*STREAMING, *POLLING)]
    async with asyncio.timeout(100), asyncio.TaskGroup() as following:
        for turn, (client, wire) in enumerate(watching):
            following.create_task(_follow(client, wire, edges, turn))
        await until(lambda: _all_show(watching, "running", at_least=play.lease))
        old_epoch = (await breakable.log.head()).epoch
        await _make_anew(breakable, play)
        new_epoch = (await breakable.log.head()).epoch
        assert old_epoch != new_epoch
        await until(lambda: _all_are_in(watching, new_epoch))
        await play.progress(2)
        await play.end()
    shown = [(await edge.client.get(f"/workflows/{play.id}")).json() for edge in edges]
    assert shown[0] == shown[1]
    assert ("success", play.lease + 1) == (shown[0]["status"], shown[0]["position"])
    for client, wire in watching:
        assert (shown[0], 1) == (client.workflow, client.ends), wire.__name__


async def _make_anew(stage: Stage, play: Play) -> None:
    """Delete the log and begin another with what one workflow had come to; write the database anew."""
    kept = await stage.log.records(play.id)
    await stage.bus.ask_api(f"STREAM.DELETE.{subjects.LOG_STREAM}")
    await ensure_streams(stage.bus, partitions=PARTITIONS)
    position = 0
    for entry in kept:
        position = (await stage.log.append(entry.record, expected=position)).position
    assert position < play.lease
    play.lease = position
    await rebuild(stage.settings)


async def _follow(client: Client, wire: Wire, edges: list[LiveEdge], turn: int) -> None:
    """Follow to the end, at the other edge after each break."""
    while not client.ends:
        try:
            async for frame in wire(client, edges[turn % 2]):
                client.take(frame)
                if frame["type"] == "end":
                    return
        except (NotNow, NotThere, httpx.TransportError, InvalidHandshake):
            await asyncio.sleep(AGAIN_S)
        turn += 1


async def _all_show(watching: list[tuple[Client, Wire]], status: str, at_least: int) -> bool:
    return all(
        client.workflow.get("status") == status and client.workflow["position"] >= at_least
        for client, _ in watching
    )


async def _all_are_in(watching: list[tuple[Client, Wire]], epoch: str) -> bool:
    return all(client.epoch == epoch and client.workflow for client, _ in watching)
