"""The table of moves: everything that can change a status is in this file.

The theory: a workflow's status is a ratchet.  Every move raises the rank, ranks end at 3, and rank 3 has
no moves at all; so whatever order events come in, however often each comes, a workflow passes through at
most four statuses and the first terminal one stands for ever.  Because `move` is pure, the supervisor that
decides, the explorer that walks every reachable state and the diagram in the docs all use this one table.

Three choices in it are deliberate:

* `cancelling` still accepts `Succeeded` and `Failed`.  A process that finished its work before the cancel
  reached it did finish it; to say otherwise would be a lie told for tidiness.
* Nothing leads from `cancelling` to `cancelled` by a clock.  Only the executor, which has seen the process
  end, can say `Cancelled`; if it is lost as well, the workflow has `failed` with `executor_lost`.
* `pending` may become `cancelled` at once, since no process exists; a claim that comes later is refused.

The known flaw: a workflow whose executor is lost while the work was already complete but unreported ends
as `failed`.  The report, should it still come, is kept as evidence on `lastword.refused.<id>`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from lastword.contracts.events import (
    Cancelled,
    CancelRequested,
    Claimed,
    Event,
    Failed,
    Lost,
    QueueTimedOut,
    Submitted,
    Succeeded,
)
from lastword.contracts.statuses import Status

__all__ = ["EVENTS", "MOVES", "IllegalMove", "Moves", "Refusal", "judge", "move"]

Moves = Mapping[Status | None, Mapping[type[Event], Status]]

MOVES: Final[Moves] = {
    None: {
        Submitted: Status.PENDING,
    },
    Status.PENDING: {
        Claimed: Status.RUNNING,
        CancelRequested: Status.CANCELLED,
        QueueTimedOut: Status.FAILED,
    },
    Status.RUNNING: {
        CancelRequested: Status.CANCELLING,
        Succeeded: Status.SUCCESS,
        Failed: Status.FAILED,
        Lost: Status.FAILED,
    },
    Status.CANCELLING: {
        Succeeded: Status.SUCCESS,
        Failed: Status.FAILED,
        Cancelled: Status.CANCELLED,
        Lost: Status.FAILED,
    },
    Status.SUCCESS: {},
    Status.FAILED: {},
    Status.CANCELLED: {},
}
"""`MOVES[status][type(event)]` is the next status; what is absent is refused; `None`: not there yet."""

EVENTS: Final[tuple[type[Event], ...]] = (
    Submitted,
    Claimed,
    CancelRequested,
    Succeeded,
    Failed,
    Cancelled,
    Lost,
    QueueTimedOut,
)


class Refusal(StrEnum):
    """Why an event changed nothing."""

    TERMINAL = "terminal"
    """The workflow has ended already."""
    STALE = "stale"
    """The workflow is past the status in which this could happen, or has not come to it."""
    LEASE = "lease"
    """The event speaks of another lease than the one that stands."""
    UNKNOWN = "unknown"
    """There is no such workflow."""


class IllegalMove(Exception):
    """The event does not move the status; nothing has changed."""

    def __init__(self, status: Status | None, event: Event, reason: Refusal) -> None:
        super().__init__(f"{type(event).__name__} does not move {status or 'an unknown workflow'}: {reason}")
        self.status = status
        self.event = event
        self.reason = reason


def move(status: Status | None, event: Event, moves: Moves = MOVES) -> Status:
    """Return the status that follows; raise `IllegalMove` where none does.

    `moves` is for tests that break the table on purpose.
    """
    proposed = moves[status].get(type(event))
    if proposed is not None:
        return proposed
    if status is None:
        raise IllegalMove(status, event, Refusal.UNKNOWN)
    raise IllegalMove(status, event, Refusal.TERMINAL if status.is_terminal else Refusal.STALE)


def judge(status: Status | None, lease: int | None, event: Event, moves: Moves = MOVES) -> Status:
    """Like `move`, after asking whether the event speaks of the lease that stands.

    An ended workflow refuses with `terminal` before the lease is looked at: that it is over is the more
    useful thing to know.
    """
    spoken_of = getattr(event, "lease", None)
    if spoken_of is not None and status is not None and not status.is_terminal and spoken_of != lease:
        raise IllegalMove(status, event, Refusal.LEASE)
    return move(status, event, moves)
