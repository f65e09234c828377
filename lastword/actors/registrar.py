"""The registrar: the only writer of the log, and so of every status.

It reads how a workflow stands, asks the table what an event makes of that, and appends the next record by
compare-and-set.  When another supervisor was first it reads and decides again, so a decision is always
about the state that it follows.

Standing entries are remembered, because most reports follow one another closely.  A memory may be old;
that costs a refused append at most, since an event is only ever refused, or called a repetition, after a look
at the log itself.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
import structlog

from lastword.actors.bulk import record_without_bulk
from lastword.actors.ports import Ledger
from lastword.bus import Conflict, TooLarge
from lastword.contracts.events import Cancelled, Error, Event, Failed, Lost, QueueTimedOut, Succeeded
from lastword.contracts.moves import IllegalMove, Refusal
from lastword.contracts.records import Entry, Record, advance
from lastword.contracts.statuses import ErrorCode, Status
from lastword.telemetry import traces
from lastword.telemetry.metrics import Metrics

__all__ = ["Registrar"]

log = structlog.get_logger(__name__)

ABRUPT: Final = frozenset({ErrorCode.ABRUPT_EXIT, ErrorCode.EXIT_WITHOUT_RESULT})
REMEMBERED: Final = 20_000  # workflows that have not ended; some 2 KiB each, besides their inputs
ENDS_REMEMBERED: Final = 1_024  # workflows that have ended, some 4 KiB each
END_REMEMBERED_S: Final = 10.0
REMEMBERED_BYTES: Final = 32 * 1_048_576  # of their inputs, as JSON
VERDICTS: Final[dict[type[Event], Status]] = {
    Succeeded: Status.SUCCESS,
    Failed: Status.FAILED,
    Cancelled: Status.CANCELLED,
    Lost: Status.FAILED,
    QueueTimedOut: Status.FAILED,
}
"""Events that say how a workflow ended.  A wish to cancel is none, even where it ends a pending one."""


class _Proposal(NamedTuple):
    """A record to append, and the entry that it was decided upon."""

    record: Record
    after: Entry | None


class _Remembered(NamedTuple):
    """An entry, and what it weighs."""

    entry: Entry
    size: int


class _End(NamedTuple):
    """How a workflow ended."""

    record: Record
    """Without what is bulky."""
    until_s: float
    """When it is to be looked at again, by the loop's clock."""


class Registrar:
    """Accepts events and appends what follows from them."""

    def __init__(self, ledger: Ledger, metrics: Metrics, *, now: Callable[[], datetime]) -> None:
        self._log = ledger
        self._metrics = metrics
        self._now = now
        self._standing: OrderedDict[str, _Remembered] = OrderedDict()
        self._remembered_bytes = 0
        self._ends: OrderedDict[str, _End] = OrderedDict()

    async def accept(self, workflow_id: str, event: Event, *, event_id: str, actor: str) -> Entry:
        """Return the entry that the event led to; raise `IllegalMove` where it changes nothing.

        The same event again (by `event_id`), and the same verdict under another id, are answered with what
        stands: twice equals once.
        """
        while True:
            decided = await self._decide(workflow_id, event, event_id, actor)
            if isinstance(decided, Entry):
                return decided
            proposed = decided.record
            if proposed.status.is_terminal:
                accepted = await self.finalize_workflow_status(
                    workflow_id,
                    proposed.status,
                    proposed.finished_at or self._now(),
                    proposed.error,
                    event=event,
                    event_id=event_id,
                    actor=actor,
                )
            else:
                accepted = await self._append(proposed, after=decided.after)
            if accepted is not None:
                return accepted

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
            decided = await self._decide(workflow_id, event, event_id, actor)
            if isinstance(decided, Entry):
                return decided
            if decided.record.status is not terminal_status:
                return None
            final = msgspec.structs.replace(decided.record, finished_at=finished_at, error=error)
            appended = await self._append(final, after=decided.after)
            if appended is not None:
                return appended

    def is_over(self, workflow_id: str, event: Event, event_id: str) -> bool:
        """Tell whether a workflow is known to have ended, and the event to say what stands already.

        Raises `IllegalMove` where it is known to have ended, and the event says otherwise.  An end is for
        ever, so that this rests on memory, and for a moment only: the log may be made anew.
        """
        end = self._ends.get(workflow_id)
        if end is None or end.until_s < asyncio.get_running_loop().time():
            return False
        if end.record.event == event_id or _says_already(end.record, event):
            return True
        raise IllegalMove(end.record.status, event, Refusal.TERMINAL)

    async def standing(self, workflow_id: str) -> Entry | None:
        """Return how the workflow stands, from the log's leader."""
        self._forget(workflow_id)
        return await self._read(workflow_id)

    async def _read(self, workflow_id: str) -> Entry | None:
        known = self._standing.get(workflow_id)
        if known is not None:
            return known.entry
        entry = await self._log.read(workflow_id)
        if entry is not None:
            self._remember(entry)
        return entry

    async def _is_current(self, workflow_id: str, entry: Entry | None) -> bool:
        """Look whether the log still stands where a refusal was decided: none may rest on memory."""
        current = await self.standing(workflow_id)
        return (current.position if current else 0) == (entry.position if entry else 0)

    async def _decide(self, workflow_id: str, event: Event, event_id: str, actor: str) -> "Entry | _Proposal":
        """Return what should follow, or the entry that stands where the event was accepted already.

        Raises `IllegalMove`, as the log stands now.
        """
        while True:
            is_remembered = workflow_id in self._standing
            entry = await self._read(workflow_id)
            refusal: IllegalMove | None = None
            if entry is None or entry.record.event != event_id:
                try:
                    record = advance(
                        entry, event, workflow_id=workflow_id, event_id=event_id, actor=actor, at=self._now()
                    )
                except IllegalMove as why:
                    refusal = why
                else:
                    return _Proposal(record, entry)
            if is_remembered and not await self._is_current(workflow_id, entry):
                continue
            if entry is not None and (refusal is None or _says_already(entry.record, event)):
                return entry
            if refusal is not None:
                raise refusal

    async def _append(self, record: Record, *, after: Entry | None) -> Entry | None:
        """Append; return None where another record came first."""
        try:
            with traces.span(f"append {record.status}", "producer", lastword__workflow=record.id):
                entry = await self._append_somehow(record, expected=after.position if after else 0)
        except Conflict:
            self._forget(record.id)
            return None
        self._remember(entry)
        self._tell(entry, after)
        return entry

    async def _append_somehow(self, record: Record, *, expected: int) -> Entry:
        """Append the record, without its bulk where that is too much."""
        try:
            return await self._log.append(record, expected=expected)
        except TooLarge as error:
            log.warning("record.trimmed", workflow=record.id, status=record.status, why=str(error))
            return await self._log.append(record_without_bulk(record), expected=expected)

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
        """Keep the entry, unless little can follow: what has ended is the bulkiest, and seldom asked for."""
        workflow_id = entry.record.id
        if entry.record.status.is_terminal:
            self._forget(workflow_id)
            self._remember_end(entry.record)
            return
        known = self._standing.get(workflow_id)
        size = known.size if known is not None else len(msgspec.json.encode(entry.record.inputs))
        self._forget(workflow_id)
        self._standing[workflow_id] = _Remembered(entry, size)
        self._remembered_bytes += size
        while len(self._standing) > REMEMBERED or self._remembered_bytes > REMEMBERED_BYTES:
            self._forget(next(iter(self._standing)))

    def _remember_end(self, record: Record) -> None:
        until_s = asyncio.get_running_loop().time() + END_REMEMBERED_S
        self._ends.pop(record.id, None)
        self._ends[record.id] = _End(record_without_bulk(record), until_s)
        if len(self._ends) > ENDS_REMEMBERED:
            self._ends.popitem(last=False)

    def _forget(self, workflow_id: str) -> None:
        known = self._standing.pop(workflow_id, None)
        if known is not None:
            self._remembered_bytes -= known.size


def _says_already(record: Record, event: Event) -> bool:
    """Whether the event says, of the same lease, that the workflow ended as the record has it."""
    if VERDICTS.get(type(event)) is not record.status:
        return False
    spoken_of = getattr(event, "lease", None)
    error: Error | None = getattr(event, "error", None)
    return spoken_of == record.lease and _code(error) is _code(record.error)


def _code(error: Error | None) -> ErrorCode | None:
    return error.code if error is not None else None
