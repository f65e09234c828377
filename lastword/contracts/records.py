"""The record: one accepted status, with the whole workflow as it then stood.

Each record carries everything, so the last one of a subject *is* the workflow, a reader may skip all
others, and replaying them in any prefix gives a state that once was true.  `id`, `status` and `at` come
first in the JSON, because people read it in a terminal.

A record's own position (its sequence in the log) is not inside it: the server assigns it.  `Entry` joins
the two.
"""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from lastword.contracts.events import (
    Claimed,
    Ending,
    Error,
    Event,
    Failed,
    Instant,
    Lost,
    Progress,
    QueueTimedOut,
    ResultReference,
    Submitted,
    Succeeded,
    Usage,
)
from lastword.contracts.ids import Count, DefinitionName, ExecutorName, Position, Seconds, WorkflowId
from lastword.contracts.moves import MOVES, Moves, judge
from lastword.contracts.statuses import LIVE, Status

__all__ = ["Entry", "Record", "advance"]


class Record(Struct, frozen=True, kw_only=True):
    """One line of the log: what `lastword.log.<id>` holds and `lastword.status.<id>` repeats.

    Sender: a supervisor. Rate: at most four in a workflow's life.
    """

    id: WorkflowId
    status: Status
    at: Instant
    """When the supervisor accepted it; the workflow's `updated_at`."""
    version: Count
    """How many statuses the workflow has had, this one included."""
    definition: DefinitionName
    previous: Status | None
    """The status before; null in the first record."""
    cause: str
    """The tag of the event that moved it, such as `claimed`."""
    actor: str
    """Who said so: an executor, an auditor, a user."""
    event: str
    """The id of the message that said so: its repetition is recognised by this."""
    created_at: Instant
    started_at: Instant | None = None
    finished_at: Instant | None = None
    """When the process ended, by its executor's host; for a verdict, when it was accepted."""
    executor: ExecutorName | None = None
    lease: Position | None = None
    """The position of the `running` record; null in that record itself, which is the lease."""
    error: Error | None = None
    title: str | None = None
    started_by: str | None = None
    retry_of: WorkflowId | None = None
    deadline_s: Seconds | None = None
    queue_timeout_s: Seconds | None = None
    warnings: tuple[str, ...] = ()
    usage: Usage | None = None
    progress: Progress | None = None
    """How far it had got when it ended; while it runs, see `lastword.progress.<id>`."""
    fingerprint: str | None = None
    inputs: dict[str, Any] = {}
    result: Any = None
    result_ref: ResultReference | None = None


class Entry(Struct, frozen=True, kw_only=True):
    """A record and its place in the log."""

    position: Position
    stored_at: Instant
    """The server's timestamp."""
    record: Record

    @property
    def lease(self) -> int | None:
        """The lease that stands, or None where no executor holds one."""
        if self.record.status not in LIVE:
            return None
        return self.position if self.record.status is Status.RUNNING else self.record.lease


def advance(
    entry: Entry | None,
    event: Event,
    *,
    workflow_id: str,
    event_id: str,
    actor: str,
    at: datetime,
    moves: Moves = MOVES,
) -> Record:
    """Return the record that follows `entry` when `event` happens; raise `IllegalMove` where it may not.

    `at` is the accepting supervisor's clock.  Nothing is changed: the caller appends the record, or not.
    """
    if entry is None:
        status = judge(None, None, event, moves)
        return _first(event, status, workflow_id=workflow_id, event_id=event_id, actor=actor, at=at)
    standing = entry.record
    status = judge(standing.status, entry.lease, event, moves)
    changes: dict[str, Any] = {
        "status": status,
        "at": at,
        "version": standing.version + 1,
        "previous": standing.status,
        "cause": str(event.__struct_config__.tag),
        "actor": actor,
        "event": event_id,
        "lease": entry.lease,
    }
    if status.is_terminal:
        changes["finished_at"] = at
    match event:
        case Claimed():
            changes |= {"executor": event.executor, "started_at": at, "lease": None}
        case Ending():
            changes |= {
                "finished_at": event.finished_at,
                "warnings": event.warnings,
                "usage": event.usage,
                "progress": event.progress,
            }
            if isinstance(event, Succeeded):
                changes |= {"result": event.result, "result_ref": event.result_ref}
            elif isinstance(event, Failed):
                changes["error"] = event.error
        case Lost() | QueueTimedOut():
            changes["error"] = event.error
        case _:
            pass
    return msgspec.structs.replace(standing, **changes)


def _first(
    event: Event, status: Status, *, workflow_id: str, event_id: str, actor: str, at: datetime
) -> Record:
    if not isinstance(event, Submitted):  # only a broken table, in a test, leads here
        raise TypeError(f"{type(event).__name__} cannot begin a workflow")
    return Record(
        id=workflow_id,
        status=status,
        at=at,
        version=1,
        definition=event.definition,
        previous=None,
        cause="submitted",
        actor=actor,
        event=event_id,
        created_at=at,
        title=event.title,
        started_by=event.started_by,
        retry_of=event.retry_of,
        deadline_s=event.deadline_s,
        queue_timeout_s=event.queue_timeout_s,
        fingerprint=event.fingerprint,
        inputs=event.inputs,
    )
