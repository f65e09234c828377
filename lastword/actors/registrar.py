"""The registrar: the only writer of the log, and so of every status.

It reads how a workflow stands, asks the table what an event makes of that, and appends the next record by
compare-and-set.  When another supervisor was first it reads and decides again, so a decision is always
about the state that it follows.

Standing entries are remembered, because most reports follow one another closely.  A memory may be old;
that costs a refused append at most, since an event is only ever *refused* after a look at the log itself.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec
import structlog

from lastword.bus import Conflict, StatusLog, TooLarge
from lastword.contracts.events import Error, Event
from lastword.contracts.moves import IllegalMove, Refusal
from lastword.contracts.records import Entry, Record, advance
from lastword.contracts.statuses import ErrorCode, Status
from lastword.telemetry.metrics import Metrics

__all__ = ["Registrar"]

log = structlog.get_logger(__name__)

ABRUPT: Final = frozenset({ErrorCode.ABRUPT_EXIT, ErrorCode.EXIT_WITHOUT_RESULT})
REMEMBERED: Final = 20_000  # entries; some 2 KiB each


class Registrar:
    """Accepts events and appends what follows from them."""

    def __init__(self, status_log: StatusLog, metrics: Metrics, *, now: Callable[[], datetime]) -> None:
        self._log = status_log
        self._metrics = metrics
        self._now = now
        self._standing: OrderedDict[str, Entry] = OrderedDict()

    async def accept(self, workflow_id: str, event: Event, *, event_id: str, actor: str) -> Entry:
        """Return the entry that the event led to; raise `IllegalMove` where it changes nothing.

        The same event again (by `event_id`) is answered with what stands: twice equals once.
        """
        while True:
            entry = await self._read(workflow_id)
            if entry is not None and entry.record.event == event_id:
                return entry
            try:
                proposed = self._advance(entry, event, workflow_id, event_id, actor)
            except IllegalMove:
                if await self._is_current(workflow_id, entry):
                    raise
                continue
            if proposed.status.is_terminal:
                finished_at = proposed.finished_at or self._now()
                final = await self.finalize_workflow_status(
                    workflow_id,
                    proposed.status,
                    finished_at,
                    proposed.error,
                    event=event,
                    event_id=event_id,
                    actor=actor,
                )
                if final is not None:
                    return final
                continue
            appended = await self._append(proposed, after=entry)
            if appended is not None:
                return appended

    async def finalize_workflow_status(
        self,
        workflow_id: str,
        terminal_status: Status,
        finished_at: datetime,
        error: Error | None,
        *,
        event: Event,
        event_id: str,
        actor: str,
    ) -> Entry | None:
        """Make a status terminal: the only code that does, whoever says so and why.

        Idempotent: the same verdict again is answered with what stands.  A different one raises
        `IllegalMove` with the reason `terminal`.  Returns None where the event no longer leads to
        `terminal_status`, because the workflow has moved in between; the caller then decides again.
        """
        while True:
            entry = await self._read(workflow_id)
            if entry is not None and _says_already(entry.record, terminal_status, error, event_id):
                return entry
            try:
                proposed = self._advance(entry, event, workflow_id, event_id, actor)
            except IllegalMove as refusal:
                if not await self._is_current(workflow_id, entry):
                    continue
                if refusal.reason is Refusal.TERMINAL:
                    raise
                return None
            if proposed.status is not terminal_status:
                return None
            proposed = msgspec.structs.replace(proposed, finished_at=finished_at, error=error)
            appended = await self._append(proposed, after=entry)
            if appended is not None:
                return appended

    async def standing(self, workflow_id: str) -> Entry | None:
        """Return how the workflow stands, from the log's leader."""
        self._forget(workflow_id)
        return await self._read(workflow_id)

    async def _read(self, workflow_id: str) -> Entry | None:
        entry = self._standing.get(workflow_id)
        if entry is None:
            entry = await self._log.read(workflow_id)
            if entry is not None:
                self._remember(entry)
        return entry

    async def _is_current(self, workflow_id: str, entry: Entry | None) -> bool:
        """Look whether the log still stands where a refusal was decided: none may rest on memory."""
        current = await self.standing(workflow_id)
        return (current.position if current else 0) == (entry.position if entry else 0)

    def _advance(
        self, entry: Entry | None, event: Event, workflow_id: str, event_id: str, actor: str
    ) -> Record:
        return advance(entry, event, workflow_id=workflow_id, event_id=event_id, actor=actor, at=self._now())

    async def _append(self, record: Record, *, after: Entry | None) -> Entry | None:
        """Append; return None where another record came first."""
        expected = after.position if after else 0
        try:
            entry = await self._log.append(record, expected=expected)
        except Conflict:
            self._forget(record.id)
            return None
        except TooLarge:
            # What a status says matters more than what comes with it: leave the bulk out, and say so.
            entry = await self._log.append(_without_bulk(record), expected=expected)
        self._remember(entry)
        self._tell(entry, after)
        return entry

    def _tell(self, entry: Entry, after: Entry | None) -> None:
        """Write the one canonical line of a transition, and count it."""
        record = entry.record
        self._metrics.transition(record)
        if record.error is not None and record.error.code in ABRUPT:
            self._metrics.abrupt_exit(record.error.signal)
        log.info(
            "workflow.moved",
            workflow=record.id,
            definition=record.definition,
            previous=record.previous,
            status=record.status,
            cause=record.cause,
            by=record.actor,
            position=entry.position,
            **({"error": record.error.code} if record.error else {}),
            **({"after_s": round((record.at - after.record.at).total_seconds(), 3)} if after else {}),
        )

    def _remember(self, entry: Entry) -> None:
        self._standing[entry.record.id] = entry
        self._standing.move_to_end(entry.record.id)
        if len(self._standing) > REMEMBERED:
            self._standing.popitem(last=False)

    def _forget(self, workflow_id: str) -> None:
        self._standing.pop(workflow_id, None)


def _says_already(record: Record, status: Status, error: Error | None, event_id: str) -> bool:
    """Whether the record is this verdict: by its event, or by saying the same."""
    if record.event == event_id:
        return True
    same_code = (record.error.code if record.error else None) == (error.code if error else None)
    return record.status is status and same_code


def _without_bulk(record: Record) -> Record:
    return msgspec.structs.replace(
        record,
        result=None,
        progress=None,
        inputs={},
        warnings=("Inputs, progress and result were left out: the record would have been too large.",),
    )
