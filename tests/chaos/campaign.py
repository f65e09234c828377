"""A campaign from beginning to end: load, storm, audience, then everything healed and written down."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Final

import httpx
import structlog

from lastword.bus import Bus, StatusLog, open_bus
from lastword.contracts.permissions import User, inbox
from lastword.contracts.records import Entry
from lastword.storage import digest, digest_of, open_database
from lastword.storage.settings import StorageSettings
from tests.chaos.audience import ALL_WIRES, ONE_WIRES, Recorder, follow, plain_subscriber, stuck
from tests.chaos.coroner import Coroner
from tests.chaos.deployment import Backend, Deployment, Edge, deploy
from tests.chaos.history import SLACK_S, Acknowledged, Client, History, Recorded
from tests.chaos.plan import Job, Pace, plan_faults, plan_load
from tests.chaos.storm import Storm

__all__ = ["play"]

log = structlog.get_logger(__name__)

SETTLE_S: Final = 90.0
"""How long the end of everything is waited for once all is healed; what is open then is judged stuck."""
PER_S: Final = 2.0
"""Workflows started in a second, on average."""


class Campaign:
    """What is under way."""

    def __init__(self, deployment: Deployment, coroner: Coroner, seed: int) -> None:
        self._deployment = deployment
        self._coroner = coroner
        self._seed = seed
        self._following: list[asyncio.Task[None]] = []
        self.recorders: list[Recorder] = []
        self.acknowledged: list[Acknowledged] = []
        self.started: list[str] = []
        self.how: dict[str, str] = {}

    def open_audience(self) -> None:
        """Let clients follow everything, quick ones and a slow one, from the beginning."""
        for pace, pause_s in (("quick", 0.0), ("slow", 0.1)):
            for wire in ALL_WIRES:
                recorder = Recorder(f"{pace} {wire}", wire, title=f"chaos-{self._seed}-")
                recorder.pause_s = pause_s
                self._follow(recorder)

    async def load(self, jobs: Sequence[Job], began_s: float) -> None:
        """Start, watch and cancel as planned."""
        async with asyncio.TaskGroup() as tasks:
            for job in jobs:
                tasks.create_task(self._see(job, began_s), name=job.name)

    async def settle(self, status_log: StatusLog) -> list[Entry]:
        """Return the log once all has ended and everyone was told, or time is up."""
        until_s = time.monotonic() + SETTLE_S
        for recorder in self.recorders:
            recorder.pause_s = 0.0  # what waits for a slow client in the kernel's buffers is read as well
        while True:
            entries = [entry async for batch in status_log.replay() for entry in batch]
            last = {entry.record.id: entry for entry in entries}
            ended = {name for name, entry in last.items() if entry.record.status.is_terminal}
            waited_for = [recorder.name for recorder in self.recorders if not self._knows(recorder, ended)]
            open_ones = sorted(set(last) - ended)
            if not (waited_for or open_ones or self._coroner.living()) or time.monotonic() > until_s:
                break
            await asyncio.sleep(0.5)
        log.info("chaos.settled", uninformed=waited_for, open=open_ones, living=self._coroner.living())
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        return entries

    @staticmethod
    def _knows(recorder: Recorder, ended: set[str]) -> bool:
        return recorder.ends > 0 if recorder.id else recorder.ended >= ended

    def _follow(self, recorder: Recorder) -> None:
        wire = {**ONE_WIRES, **ALL_WIRES}[recorder.wire]
        self.recorders.append(recorder)
        following = follow(recorder, wire, self._deployment.edges)
        self._following.append(asyncio.create_task(following, name=recorder.name))

    async def _see(self, job: Job, began_s: float) -> None:
        await asyncio.sleep(began_s + job.at_s - time.monotonic())
        body = {
            "definition": "overrun" if job.how == "overruns" else "act",
            "title": job.name,
            "inputs": {
                "witness": str(self._coroner.folder),
                "how": job.how,
                "lasts_s": job.lasts_s,
            },
        }
        answer = await self._insist("/workflows", body, {"Idempotency-Key": job.name})
        workflow = str(answer.json()["id"])
        self.how[workflow] = job.how
        self.started.append(workflow)
        self._acknowledge("start", workflow)
        if job.watched_over is not None:
            self._follow(Recorder(f"{job.watched_over} {job.name}", job.watched_over, workflow))
        if job.cancel_after_s is not None:
            await asyncio.sleep(job.cancel_after_s)
            answer = await self._insist(f"/workflows/{workflow}/cancel", None, {})
            if answer.is_success:
                self._acknowledge("cancel", workflow)

    async def _insist(self, path: str, body: object, headers: dict[str, str]) -> httpx.Response:
        """Ask until an edge answers that it was done, or cannot be; repeating is harmless."""
        turn = len(path)
        while True:
            edge = self._deployment.edges[turn % len(self._deployment.edges)]
            turn += 1
            try:
                answer = await edge.client.post(path, json=body, headers=headers)
            except httpx.HTTPError:
                pass
            else:
                if answer.is_success or answer.status_code == 409:
                    return answer
                assert answer.status_code in {404, 429, 503}, answer.text
            await asyncio.sleep(0.3)

    def _acknowledge(self, verb: str, workflow: str) -> None:
        self.acknowledged.append(Acknowledged(verb=verb, workflow=workflow, at_s=time.monotonic()))


async def play(
    backend: Backend,
    folder: Path,
    *,
    seed: int,
    lasts_s: float,
    pace: Pace | None = None,
    slack_s: float = SLACK_S,
) -> History:
    """Play a campaign in an empty folder; return what was seen.

    `slack_s` is what the machine may add to the bounds.
    """
    async with AsyncExitStack() as stack:
        deployment = await stack.enter_async_context(deploy(backend, folder))
        supervisor, executor = [
            await stack.enter_async_context(_open(deployment, user))
            for user in (User.SUPERVISOR, User.EXECUTOR)
        ]
        told = await stack.enter_async_context(plain_subscriber(deployment.nats_url, "chaos-viewer"))
        status_log = StatusLog(supervisor)
        coroner = Coroner(deployment.folder / "witness")
        watching = asyncio.create_task(coroner.watch(), name="coroner")
        stack.callback(watching.cancel)
        campaign = Campaign(deployment, coroner, seed)
        storm = Storm(deployment, coroner, status_log, executor, campaign.started, seed=seed)
        for path in ("/events/workflows", "/ws/workflows"):
            stack.callback(stuck(deployment.edges[0], path).close)
        campaign.open_audience()
        began_s = time.monotonic()
        jobs = plan_load(seed, lasts_s=lasts_s, per_s=PER_S, wires=tuple(ONE_WIRES))
        faults = plan_faults(seed, lasts_s=lasts_s, cast=deployment.cast, pace=pace)
        log.info("chaos.begun", workflows=len(jobs), faults=len(faults), folder=str(folder))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(campaign.load(jobs, began_s), name="load")
            tasks.create_task(storm.rage(faults, began_s), name="storm")
        log.info("chaos.healed", struck=len(storm.faults), skipped=storm.skipped)
        entries = await campaign.settle(status_log)
        clients = [recorder.heard() for recorder in campaign.recorders]
        clients.append(Client(name="nats", wire="nats", promised=False, follows=None, told=tuple(told)))
        return History(
            lived=coroner.report(),
            faults=tuple(storm.faults),
            acknowledged=tuple(campaign.acknowledged),
            log=tuple(_recorded(entry, campaign.how) for entry in entries),
            clients=tuple(clients),
            database=await _digest(deployment, digest_of(entries)),
            replay=digest_of(entries),
            stale=tuple([await _stale(edge) for edge in deployment.edges]),
            denied=tuple(_denied(deployment.folder)),
            slack_s=slack_s,
        )


def _open(deployment: Deployment, user: User) -> AbstractAsyncContextManager[Bus]:
    return open_bus(deployment.bus_settings(user), name=f"chaos-{user}", inbox_prefix=inbox(user))


async def _digest(deployment: Deployment, wanted: str) -> str:
    """Return the database's digest, once it is `wanted` or time is up."""
    settings = StorageSettings(url=deployment.database)
    async with open_database(settings, deployment.folder) as database:
        until_s = time.monotonic() + SETTLE_S / 3
        while (found := await digest(database)) != wanted and time.monotonic() < until_s:  # noqa: ASYNC110  another process writes
            await asyncio.sleep(0.5)
        return found


async def _stale(edge: Edge) -> int:
    return int((await edge.client.get("/summary")).json()["stale"])


def _denied(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.log")):
        for line in path.read_text("utf-8", "replace").splitlines():
            if "bus.permission_denied" in line:
                yield f"{path.stem}: {line}"


def _recorded(entry: Entry, how: dict[str, str]) -> Recorded:
    record = entry.record
    return Recorded(
        position=entry.position,
        workflow=record.id,
        status=record.status,
        how=how.get(record.id, ""),
        stored_s=entry.stored_at.timestamp() - time.time() + time.monotonic(),
        lease=entry.lease or record.lease,
        executor=record.executor.rpartition("-")[0] if record.executor else None,
        code=record.error.code if record.error else None,
        cause=record.cause,
    )
