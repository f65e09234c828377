"""The log is made anew under clients of every wire: all forget what they knew, and end with the new truth."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from websockets.exceptions import InvalidHandshake

from lastword.bus import Unavailable, ensure_streams
from lastword.contracts import subjects
from lastword.storage import WorkflowStore, open_database
from lastword.wiring.roles import rebuild
from tests.integration.http import clients
from tests.integration.http.clients import WIRES, Client, Line, NotNow, NotThere, Place, Wire
from tests.integration.live.stage import PARTITIONS, LiveEdge, Play, Stage, until
from tests.integration.servers import NatsServer

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
    for _ in range(3):  # so that the old log's positions are higher
        await breakable.play("before").run()
    play = await breakable.play("outlives").run()
    await play.progress(1)
    async with _watched(breakable, play) as watched:
        await watched.until_all_show("running")
        await _make_anew(breakable, play)
        await watched.until_all_are_in_another_log()
        await play.progress(2)
        await play.end()
    assert ("success", play.lease + 1) == (watched.final["status"], watched.final["position"])


async def test_a_log_that_is_restored_from_a_backup_is_another(
    nats: NatsServer, breakable: Stage, tmp_path: Path
) -> None:
    """The server's data are put back to what they were, its streams made when the lost ones were.

    What the clients knew of beyond the backup has never happened: the workflow runs again, and ends otherwise
    than it was about to, at positions that had told of something else.
    """
    play = await breakable.play("outlives").run()
    await until(lambda: _is_listed(breakable, play))
    nats.kill()
    shutil.copytree(tmp_path / "data", tmp_path / "backup")
    await nats.start()
    await until(breakable.is_served)
    await breakable.play("lost").run()
    await play.cancel()
    async with _watched(breakable, play) as watched:
        await watched.until_all_show("cancelling")
        nats.kill()
        shutil.rmtree(tmp_path / "data")
        shutil.copytree(tmp_path / "backup", tmp_path / "data")
        await nats.start()
        await until(lambda: _has_another_name(breakable, watched.epoch))
        await rebuild(breakable.settings)
        await watched.until_all_are_in_another_log()
        await until(breakable.is_served)
        await play.end()
    assert ("success", play.lease + 1) == (watched.final["status"], watched.final["position"])


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


class _Watched:
    """A workflow, and clients that follow it over every wire, at whichever edge."""

    def __init__(self, stage: Stage, play: Play, edges: list[LiveEdge], epoch: str) -> None:
        self._log = stage.log
        self._edges = edges
        self._clients = [(Client(play.id, play.title), wire) for wire in (*STREAMING, *POLLING)]
        self.epoch = epoch
        """The log that they begin in."""
        self.final: dict[str, Any] = {}
        """How the workflow stands in the end, at either edge and with each client."""

    async def follow(self) -> None:
        """Let each client follow to the end."""
        async with asyncio.timeout(100), asyncio.TaskGroup() as following:
            for turn, (client, wire) in enumerate(self._clients):
                following.create_task(self._follow(client, wire, turn))

    async def until_all_show(self, status: str) -> None:
        """Return once every client knows of a status."""
        await until(lambda: self._all(lambda client: client.workflow.get("status") == status))

    async def until_all_are_in_another_log(self) -> None:
        """Return once every client knows of the new log, and how the workflow stands there."""
        epoch = (await self._log.head()).epoch
        assert epoch != self.epoch
        await until(lambda: self._all(lambda client: client.epoch == epoch and client.workflow))

    async def judge(self, workflow_id: str) -> None:
        """See that both edges and all clients agree, and that each client was told one end."""
        shown = [(await edge.client.get(f"/workflows/{workflow_id}")).json() for edge in self._edges]
        self.final = shown[0]
        assert shown[0] == shown[1]
        for client, wire in self._clients:
            assert (self.final, 1) == (client.workflow, client.ends), wire.__name__

    async def _all(self, holds: Callable[[Client], object]) -> bool:
        return all(holds(client) for client, _ in self._clients)

    async def _follow(self, client: Client, wire: Wire, turn: int) -> None:
        """Follow to the end, at the other edge after each break."""
        while not client.ends:
            with suppress(NotNow, NotThere, httpx.TransportError, InvalidHandshake):
                async for frame in wire(client, self._edges[turn % 2]):
                    client.take(frame)
                    if frame["type"] == "end":
                        return
            await asyncio.sleep(AGAIN_S)
            turn += 1


@asynccontextmanager
async def _watched(stage: Stage, play: Play) -> AsyncGenerator[_Watched, None]:
    """Follow a workflow on every wire; its end must come within the block."""
    edges = [await stage.open_edge(ping_s=0.5), await stage.open_edge(ping_s=0.5)]
    watched = _Watched(stage, play, edges, (await stage.log.head()).epoch)
    following = asyncio.create_task(watched.follow(), name="clients")
    try:
        yield watched
        await following
    finally:
        following.cancel()
        await asyncio.wait({following})
    await watched.judge(play.id)


async def _is_listed(stage: Stage, play: Play) -> bool:
    """Tell whether the database has come to where the workflow runs: the backup is made no earlier."""
    async with open_database(stage.settings.storage, stage.settings.data) as database:
        return (await WorkflowStore(database).position())[1] >= play.lease


async def _has_another_name(stage: Stage, epoch: str) -> bool:
    try:
        return (await stage.log.head()).epoch != epoch
    except Unavailable:
        return False
