"""One good example of each event, and of a workflow at each status, for tests that need any."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from lastword.contracts.events import (
    Cancelled,
    CancelRequested,
    Claimed,
    Error,
    Event,
    Failed,
    Lost,
    Progress,
    QueueTimedOut,
    Submitted,
    Succeeded,
    TaskProgress,
    Usage,
)
from lastword.contracts.records import Entry, advance
from lastword.contracts.statuses import ErrorCode, Status

__all__ = ["LEASE", "PATHS", "START", "append", "entry_at", "event_of", "second"]

E = TypeVar("E", bound=Event)

START: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LEASE: Final = 12
"""The position of the `running` record in the logs that :func:`entry_at` makes."""

PATHS: Final[dict[Status, tuple[type[Event], ...]]] = {
    Status.PENDING: (Submitted,),
    Status.RUNNING: (Submitted, Claimed),
    Status.CANCELLING: (Submitted, Claimed, CancelRequested),
    Status.SUCCESS: (Submitted, Claimed, Succeeded),
    Status.FAILED: (Submitted, Claimed, Failed),
    Status.CANCELLED: (Submitted, Claimed, CancelRequested, Cancelled),
}
"""Events that lead to each status."""


def second(number: float) -> datetime:
    """Return the instant `number` seconds after :data:`START`."""
    return START + timedelta(seconds=number)


def event_of(kind: type[E], lease: int = LEASE, **fields: Any) -> E:
    """Return a good event of `kind`, under `lease` where it speaks of one; `fields` replace its own."""
    good: dict[str, Any] = {
        "definition": "research-brief",
        "inputs": {"topic": "tidal power"},
        "title": "Tides",
        "started_by": "ada",
        "deadline_s": 900.0,
        "executor": "host-1",
        "by": "ada",
        "lease": lease,
        "finished_at": second(8.5),
        "warnings": ("the tool `search` failed once",),
        "usage": Usage(prompt_tokens=10, completion_tokens=5, total_tokens=15, calls=1),
        "progress": Progress(done=3, total=3, tasks=(TaskProgress(label="write", started_at=second(2)),)),
        "error": Error(code=_CODES.get(kind, ErrorCode.EXCEPTION), message="It broke."),
    }
    if kind is Succeeded:
        good["result"] = {"brief": "Tides turn."}
    own = {name: value for name, value in good.items() if name in kind.__struct_fields__}
    return kind(**{**own, **fields})


_CODES: Final[dict[type[Event], ErrorCode]] = {
    Lost: ErrorCode.EXECUTOR_LOST,
    QueueTimedOut: ErrorCode.QUEUE_TIMEOUT,
}


def append(entry: Entry | None, event: Event, position: int, at: datetime | None = None) -> Entry:
    """Return the entry that follows `entry` at `position` when `event` happens."""
    at = at or second(position)
    record = advance(entry, event, workflow_id="w-1", event_id=f"e{position}", actor="host-1", at=at)
    return Entry(position=position, stored_at=at, record=record)


def entry_at(status: Status) -> Entry:
    """Return a workflow that stands at `status`; its records lie at positions 11, 12, 13..."""
    entry: Entry | None = None
    for position, kind in enumerate(PATHS[status], start=11):
        entry = append(entry, event_of(kind), position)
    assert entry is not None
    return entry
