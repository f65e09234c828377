"""The storm: does to the deployment what the plan says, and writes down when."""

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

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

__all__ = ["Storm"]


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
        if fault.upon in self._busy:
            self.skipped += 1
            return
        if fault.upon == "child":
            await self._strike_child(fault)
        elif fault.upon == "report":
            await self._lie()
        else:
            self._busy.add(fault.upon)
            try:
                await self._strike_place(fault)
            finally:
                self._busy.discard(fault.upon)

    async def _strike_place(self, fault: Fault) -> None:
        began_s = time.monotonic()
        kind = f"{fault.act} {fault.upon.partition('-')[0]}"
        if fault.upon == "postgres":
            await self._restart_postgres(fault.lasts_s)
            self._note(kind, fault.upon, began_s)
            return
        place = self._deployment.places[fault.upon]
        victim = place.tenant
        match fault.act:
            case "kill" if fault.upon.startswith("executor"):
                self._note(kind, victim, began_s)  # for good: who follows is another executor
                await place.die(fault.lasts_s)
                return
            case "kill":
                await place.die(fault.lasts_s)
            case "stop":
                await place.freeze(fault.lasts_s)
            case _:
                await self._spoil_links(fault)
        self._note(kind, victim, began_s)

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
