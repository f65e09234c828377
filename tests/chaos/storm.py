"""The storm: does to the deployment what the plan says, and writes down when."""

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from lastword.bus import Bus, StatusLog, Unavailable
from lastword.contracts import subjects
from lastword.contracts.events import Error, Failed, Succeeded
from lastword.contracts.messages import Report
from lastword.contracts.records import Entry
from lastword.contracts.statuses import ErrorCode
from tests.chaos.coroner import Coroner
from tests.chaos.deployment import Deployment
from tests.chaos.history import Faulted
from tests.chaos.link import GOOD, manners_for
from tests.chaos.plan import Fault
from tests.integration.postgres import PostgresUnavailable, PrivatePostgres

__all__ = ["Storm"]

JUMP_S: Final = 3_600
REVIVE_S: Final = 60.0
FOR_GOOD: Final = frozenset({"kill executor", "vanish executor"})
"""Faults that are over at once for the judge, as nothing comes back: who follows is another executor."""


class Storm:
    """Strikes, several things at a time, but nobody twice at once."""

    def __init__(
        self,
        deployment: Deployment,
        coroner: Coroner,
        log: StatusLog,
        executor: Bus,
        workflows: list[str],
        *,
        seed: int,
    ) -> None:
        """`executor` is a connection with an executor's rights; `workflows` grows as they are started."""
        self._deployment = deployment
        self._coroner = coroner
        self._log = log
        self._executor = executor
        self._workflows = workflows
        self._draw = random.Random(f"storm {seed}")  # noqa: S311  repeatable, not secret
        self._busy: set[str] = set()
        self.faults: list[Faulted] = []
        self.skipped = 0
        """Faults whose victim was being struck, or that found nobody."""

    async def rage(self, plan: list[Fault], began_s: float) -> None:
        """Strike as planned; return when everything is healed."""
        async with asyncio.TaskGroup() as tasks:
            for fault in plan:
                tasks.create_task(self._strike(fault, began_s), name=f"{fault.act} {fault.upon}")

    async def _strike(self, fault: Fault, began_s: float) -> None:
        await asyncio.sleep(began_s + fault.at_s - time.monotonic())
        place = "database" if fault.upon == "postgres" else fault.upon
        if place in self._busy:
            self.skipped += 1
            return
        if fault.upon == "child":
            await self._strike_child(fault)
        elif fault.upon == "report":
            await self._lie()
        else:
            self._busy.add(place)
            try:
                await self._strike_place(fault)
            finally:
                self._busy.discard(place)

    async def _strike_place(self, fault: Fault) -> None:
        began_s = time.monotonic()
        kind = f"{fault.act} {fault.upon.partition('-')[0]}"
        place = self._deployment.places.get(fault.upon)
        victim = place.tenant if place is not None else fault.upon
        if kind in FOR_GOOD:
            self._note(kind, victim, began_s)
        match fault.act:
            case "kill":
                await self._deployment.places[fault.upon].die(fault.lasts_s)
            case "stop":
                await self._deployment.places[fault.upon].freeze(fault.lasts_s)
            case "vanish":
                await self._vanish(fault)
            case "unplug":
                await self._unplug(fault)
            case "jump":
                await self._jump(fault)
            case "fill":
                await self._fill(fault)
            case "restart":
                await self._restart_postgres(fault.lasts_s)
            case _:
                await self._spoil_links(fault)
        if kind not in FOR_GOOD:
            self._note(kind, victim, began_s)

    async def _vanish(self, fault: Fault) -> None:
        """Lose a host as by a power cut: nobody is told that its connections ended."""
        host, place = self._deployment.hosts[fault.upon], self._deployment.places[fault.upon]
        await host.unplug()
        place.kill()
        await asyncio.sleep(fault.lasts_s)
        await host.plug()
        await place.revive()

    async def _unplug(self, fault: Fault) -> None:
        host = self._deployment.hosts[fault.upon]
        await host.unplug()
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            await host.plug()

    async def _jump(self, fault: Fault) -> None:
        clock = self._deployment.clocks[fault.upon]
        clock.jump(self._draw.choice((-JUMP_S, JUMP_S)))
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            clock.jump(0)

    async def _fill(self, fault: Fault) -> None:
        """Fill a disk, and make room again; then its keeper starts again what does not recover by itself.

        A nats-server never writes to a stream again on which a write has failed, and says so to who asks for
        its health.  PostgreSQL may end where it cannot write its log.
        """
        disk = self._deployment.disks[fault.upon]
        disk.fill()
        try:
            await asyncio.sleep(fault.lasts_s)
        finally:
            disk.free()
        postgres = self._deployment.postgres
        if fault.upon.startswith("nats"):
            await self._deployment.places[fault.upon].die(0.0)
        elif fault.upon == "database" and postgres is not None:
            await asyncio.to_thread(_revive, postgres)

    async def _spoil_links(self, fault: Fault) -> None:
        links = self._deployment.links[fault.upon]
        try:
            for link in links:
                await link.behave(manners_for(fault.act))
            await asyncio.sleep(fault.lasts_s)
        finally:
            for link in links:
                await link.behave(GOOD)

    async def _restart_postgres(self, away_s: float) -> None:
        postgres = self._deployment.postgres
        assert postgres is not None
        await asyncio.to_thread(postgres.stop)
        await asyncio.sleep(away_s)
        await asyncio.to_thread(postgres.start)

    async def _strike_child(self, fault: Fault) -> None:
        living = self._coroner.living()
        if not living:
            self.skipped += 1
            return
        workflow, pid = self._draw.choice(living)
        began_s = time.monotonic()
        with suppress(ProcessLookupError):
            if fault.act == "kill":
                os.kill(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGSTOP)
                await asyncio.sleep(fault.lasts_s)
                os.kill(pid, signal.SIGCONT)
        self._note(f"{fault.act} child", workflow, began_s)

    async def _lie(self) -> None:
        """Report what is not so, with an executor's rights: late, again, of another lease."""
        if not self._workflows:
            self.skipped += 1
            return
        workflow = self._draw.choice(self._workflows)
        began_s = time.monotonic()
        try:
            entry = await self._log.read(workflow)
            if entry is None:
                return
            for report in _lies(entry):
                await self._executor.store(subjects.report(workflow), msgspec.json.encode(report))
        except Unavailable:
            self.skipped += 1
            return
        self._note("lie report", workflow, began_s)

    def _note(self, kind: str, target: str, began_s: float) -> None:
        self.faults.append(Faulted(kind=kind, target=target, began_s=began_s, ended_s=time.monotonic()))


def _revive(postgres: PrivatePostgres) -> None:
    """Return once the server answers, which may have ended, or be about to."""
    until_s = time.monotonic() + REVIVE_S
    while True:
        try:
            if not postgres.is_running:
                postgres.start()
            postgres.execute("postgres", "SELECT 1")
        except (AssertionError, PostgresUnavailable):
            if time.monotonic() > until_s:
                raise
            time.sleep(0.2)
        else:
            return


def _lies(entry: Entry) -> list[Report]:
    """Return reports that must move nothing."""
    record = entry.record
    now = datetime.now(UTC)
    lease = record.lease or entry.position

    def report(event: Any, event_id: str) -> Report:
        return Report(id=record.id, event=event, event_id=event_id, actor="liar", at=now)

    stale = Succeeded(lease=max(0, lease - 1), finished_at=now, result="a lie")
    lies = [report(stale, f"{record.id}.stale.{now.timestamp()}")]
    if record.status.is_terminal:
        error = Error(code=ErrorCode.EXCEPTION, message="a lie")
        lies += [
            report(Succeeded(lease=lease, finished_at=now, result="a lie"), record.event),  # the same again
            report(Failed(lease=lease, finished_at=now, error=error), f"{record.id}.late.{now.timestamp()}"),
        ]
    return lies
