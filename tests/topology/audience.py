"""Who uses a topology: begins work through its proxy, watches it over every wire, and judges what it saw."""

import asyncio
import itertools
import ssl
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import msgspec

from lastword.bus import StatusLog, open_bus
from lastword.contracts.permissions import User, inbox
from lastword.contracts.records import Entry
from lastword.storage import digest, digest_of, open_database
from lastword.storage.settings import StorageSettings
from tests.chaos import checker
from tests.chaos.audience import ALL_WIRES, ONE_WIRES, Recorder, follow
from tests.chaos.deployment import Edge
from tests.chaos.history import Acknowledged, Client, History, Recorded, Told
from tests.topology.topology import Topology

__all__ = ["Audience", "open_audience"]

SETTLE_S: Final = 60.0
POLL_S: Final = 0.5
TITLE: Final = "topology"
RULES: Final = (
    checker.statuses_only_rise,
    checker.everything_ends,
    checker.nothing_acknowledged_is_lost,
    checker.the_database_is_the_replay,
    checker.nobody_is_told_backwards,
    checker.nobody_is_told_what_is_not,
    checker.everyone_is_told_the_last_word,
    checker.nothing_that_ended_is_stale,
    checker.nobody_oversteps,
)
"""Those of the campaign's that need no witness of the processes themselves."""


class Door(Edge):
    """The proxy, as a client sees it: one edge, wherever it sends whom."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(int(url.rpartition(":")[2]))
        self.url = url
        self.client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            verify=ssl.create_default_context() if url.startswith("https") else False,
            timeout=10,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )


class Audience:
    """Clients, and what they have begun."""

    def __init__(self, topology: Topology, door: Door) -> None:
        self._topology = topology
        self._numbers = itertools.count(1)
        self._following: list[asyncio.Task[None]] = []
        self._wires = itertools.cycle(ONE_WIRES)
        self._acknowledged: list[Acknowledged] = []
        self.door = door
        self.recorders: list[Recorder] = []

    def watch_all(self) -> None:
        """Follow everything that is begun from now on, over each wire for that."""
        for wire in ALL_WIRES:
            self._follow(Recorder(f"list over {wire}", wire, title=TITLE))

    async def begin(self, definition: str, **inputs: Any) -> str:
        """Begin a workflow, follow it over the next wire, and return its id."""
        name = f"{TITLE} {next(self._numbers)}"
        body = {"definition": definition, "inputs": inputs, "title": name}
        answer = await self._insist("/workflows", body, {"Idempotency-Key": name})
        assert answer.status_code == 201, answer.text
        workflow = str(answer.json()["id"])
        self._acknowledged.append(Acknowledged(verb="start", workflow=workflow, at_s=time.monotonic()))
        wire = next(self._wires)
        self._follow(Recorder(f"{name} over {wire}", wire, workflow))
        return workflow

    async def cancel(self, workflow: str) -> None:
        """Cancel a workflow."""
        answer = await self._insist(f"/workflows/{workflow}/cancel", None, {})
        assert answer.is_success, answer.text
        self._acknowledged.append(Acknowledged(verb="cancel", workflow=workflow, at_s=time.monotonic()))

    async def see(self, workflow: str, *statuses: str) -> dict[str, Any]:
        """Return a workflow once its status is one of these."""
        async with asyncio.timeout(SETTLE_S):
            while True:
                answer = await self._ask("GET", f"/workflows/{workflow}")
                if answer.is_success and answer.json()["status"] in statuses:
                    found: dict[str, Any] = answer.json()
                    return found
                await asyncio.sleep(0.2)

    async def get(self, path: str) -> Any:
        """Return what the API says."""
        answer = await self._insist(path, None, {}, method="GET")
        assert answer.is_success, answer.text
        return answer.json()

    async def judge(self) -> list[str]:
        """Return what was seen that must never be, once all has ended and everyone was told."""
        async with open_bus(
            self._topology.bus_settings(User.SUPERVISOR), name="judge", inbox_prefix=inbox(User.SUPERVISOR)
        ) as bus:
            log = StatusLog(bus)
            entries = await self._settled(log)
        history = History(
            lived=(),
            faults=(),
            acknowledged=tuple(self._acknowledged),
            log=tuple(_recorded(entry) for entry in entries),
            clients=tuple(_without_what_a_list_knew(recorder.heard()) for recorder in self.recorders),
            database=await self._digest(digest_of(entries)),
            replay=digest_of(entries),
            stale=(int((await self.get("/summary"))["stale"]),),
            denied=tuple(self._denied()),
        )
        return [str(violation) for rule in RULES for violation in rule(history)]

    async def _settled(self, log: StatusLog) -> list[Entry]:
        until_s = time.monotonic() + SETTLE_S
        while True:
            entries = [entry async for batch in log.replay() for entry in batch]
            last = {entry.record.id: entry.record.status for entry in entries}
            ended = {name for name, status in last.items() if status.is_terminal}
            waiting = [one.name for one in self.recorders if not (one.ends if one.id else one.ended >= ended)]
            if time.monotonic() > until_s or not (waiting or last.keys() - ended):
                break
            await asyncio.sleep(0.3)
        await asyncio.sleep(1.0)  # what must not come any more would come now
        return entries

    async def _digest(self, wanted: str) -> str:
        room = self._topology.of("supervisor")[0].room
        path = room.environment()["LASTWORD_STORAGE__URL_FILE"]
        with open(path, encoding="utf-8") as file:  # noqa: ASYNC230, PTH123  one line of a file that is at hand
            settings = StorageSettings(url=file.read().strip())
        async with open_database(settings, self._topology.folder) as database:
            until_s = time.monotonic() + SETTLE_S / 2
            while (found := await digest(database)) != wanted and time.monotonic() < until_s:  # noqa: ASYNC110  another process writes
                await asyncio.sleep(0.3)
            return found

    def _denied(self) -> list[str]:
        return [
            f"{container.name}: {line}"
            for container in self._topology.containers.values()
            for line in container.said.splitlines()
            if "bus.permission_denied" in line
        ]

    def _follow(self, recorder: Recorder) -> None:
        recorder.poll_s = POLL_S
        self.recorders.append(recorder)
        wire = {**ONE_WIRES, **ALL_WIRES}[recorder.wire]
        following = follow(recorder, wire, [self.door])
        self._following.append(asyncio.create_task(following, name=recorder.name))

    async def _insist(
        self, path: str, body: object, headers: Mapping[str, str], *, method: str = "POST"
    ) -> httpx.Response:
        """Ask until it is done, or cannot be; the idempotency key makes repeating harmless."""
        async with asyncio.timeout(SETTLE_S):
            while True:
                answer = await self._ask(method, path, json=body, headers=headers)
                if answer.status_code != 503:
                    return answer
                await asyncio.sleep(0.3)

    async def _ask(self, method: str, path: str, **rest: Any) -> httpx.Response:
        """Ask once; a connection that broke is an answer of 503, which it could as well have been."""
        try:
            return await self.door.client.request(method, path, **rest)
        except httpx.HTTPError as error:
            return httpx.Response(503, text=repr(error))

    async def close(self) -> None:
        """Go."""
        for task in self._following:
            task.cancel()
        ends = await asyncio.gather(*self._following, return_exceptions=True)
        await self.door.client.aclose()
        for end in ends:
            if isinstance(end, Exception):
                raise end


@asynccontextmanager
async def open_audience(topology: Topology) -> AsyncGenerator[Audience, None]:
    """Let clients in until the block is left."""
    door = Door(topology.url("proxy"), topology.token("operator"))
    audience = Audience(topology, door)
    audience.watch_all()
    try:
        yield audience
    finally:
        await audience.close()


def _without_what_a_list_knew(client: Client) -> Client:
    """Leave out what a client drops: a row of a list may be ahead of the place from which its stream goes on.

    "Keep the one with the highest position" (docs/reference/http.md). What streams say is judged as it is.
    """
    listed: dict[str, int] = {}
    kept: list[Told] = []
    for told in client.told:
        if told.kind == "listed":
            listed[told.workflow] = told.position
        if told.kind == "end" or told.position >= listed.get(told.workflow, 0):
            kept.append(told)
    return msgspec.structs.replace(client, told=tuple(kept))


def _recorded(entry: Entry) -> Recorded:
    record = entry.record
    return Recorded(
        position=entry.position,
        workflow=record.id,
        status=record.status,
        how="",
        stored_s=entry.stored_at.timestamp() - time.time() + time.monotonic(),
        lease=entry.lease or record.lease,
        executor=record.executor,
        code=record.error.code if record.error else None,
        cause=record.cause,
    )
