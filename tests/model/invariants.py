"""What must always hold of one workflow, as functions over a walk.

Each returns the steps that break it, and the numbers in brackets are those of the design's list of what must
always hold.  What is not pure in that list (delivery, several connections, real clocks) is tested elsewhere,
against real servers.
"""

import itertools
from collections.abc import Callable
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
from lastword.contracts.moves import Refusal
from lastword.contracts.statuses import LIVE, RANK, Status
from tests.model.explorer import Log, Step, Steps, shape

__all__ = [
    "INVARIANTS",
    "Invariant",
    "a_cancel_is_heard",
    "a_claim_is_granted",
    "a_lease_is_given_once",
    "a_refusal_says_why",
    "a_terminal_record_is_the_last",
    "an_honest_report_is_believed",
    "another_lease_changes_nothing",
    "at_most_one_record_is_terminal",
    "each_record_tells_its_past",
    "each_status_has_its_cause",
    "every_state_can_end_without_an_executor",
    "nobody_claims_an_end_that_nobody_saw",
    "the_rank_rises",
    "twice_is_once",
]

Invariant = Callable[[Steps], list[Step]]


def a_terminal_record_is_the_last(steps: Steps) -> list[Step]:
    """Whatever arrives after the end changes nothing (1)."""
    return [s for s in steps if s.status is not None and s.status.is_terminal and s.after != s.before]


def at_most_one_record_is_terminal(steps: Steps) -> list[Step]:
    """One last word, not two (1)."""
    return [s for s in steps if sum(entry.record.status.is_terminal for entry in s.after) > 1]


def another_lease_changes_nothing(steps: Steps) -> list[Step]:
    """Refuse a report under another lease than the one that stands (3)."""
    return [
        s for s in steps if "lease" in s.event.__struct_fields__ and not s.is_of_lease and s.after != s.before
    ]


def twice_is_once(steps: Steps) -> list[Step]:
    """Let the same event again change nothing (4)."""
    return [s for s in steps if s.again != s.after]


def the_rank_rises(steps: Steps) -> list[Step]:
    """Each record stands higher than the one before."""
    return [s for s in steps if not _rises(s.after)]


def _rises(log: Log) -> bool:
    ranks = [-1, *(RANK[entry.record.status] for entry in log)]
    return all(low < high for low, high in itertools.pairwise(ranks))


def a_lease_is_given_once(steps: Steps) -> list[Step]:
    """Whoever holds the workflow keeps it until it ends; nobody takes it over."""
    return [s for s in steps if s.lease is not None and s.after[-1].lease not in {s.lease, None}]


def every_state_can_end_without_an_executor(steps: Steps) -> list[Step]:
    """From everywhere, verdicts of the auditor alone lead to an end (7)."""
    can_end = {shape(s.before) for s in steps if s.status is not None and s.status.is_terminal}
    verdicts = [s for s in steps if isinstance(s.event, Lost | QueueTimedOut) and s.after != s.before]
    grew = True
    while grew:
        more = {shape(s.before) for s in verdicts if shape(s.after) in can_end} - can_end
        can_end |= more
        grew = bool(more)
    return [s for s in steps if s.before and shape(s.before) not in can_end]


def each_status_has_its_cause(steps: Steps) -> list[Step]:
    """Let nothing but what makes a status true lead to it; a success, above all, is never guessed."""
    return [s for s in steps if s.after != s.before and not _makes_true(s, s.after[-1].record.status)]


def _makes_true(step: Step, status: Status) -> bool:
    waiting = step.status is Status.PENDING
    wanted: dict[type[Event], tuple[Status, bool]] = {
        Submitted: (Status.PENDING, step.status is None),
        Claimed: (Status.RUNNING, waiting),
        CancelRequested: (Status.CANCELLED if waiting else Status.CANCELLING, True),
        Succeeded: (Status.SUCCESS, step.is_of_lease),
        Failed: (Status.FAILED, step.is_of_lease),
        Lost: (Status.FAILED, step.is_of_lease),
        QueueTimedOut: (Status.FAILED, waiting),
        Cancelled: (Status.CANCELLED, step.is_of_lease),
    }
    return wanted[type(step.event)] == (status, True)


def nobody_claims_an_end_that_nobody_saw(steps: Steps) -> list[Step]:
    """Call a living process `cancelled` by the word of its executor alone, after someone asked for it."""
    return [
        s
        for s in steps
        if s.status in LIVE
        and s.after[-1].record.status is Status.CANCELLED
        and not (isinstance(s.event, Cancelled) and s.status is Status.CANCELLING)
    ]


def a_claim_is_granted(steps: Steps) -> list[Step]:
    """Give the lease of a waiting workflow to whoever asks for it first."""
    return [
        s
        for s in steps
        if s.status is Status.PENDING and isinstance(s.event, Claimed) and s.after[-1].lease is None
    ]


def an_honest_report_is_believed(steps: Steps) -> list[Step]:
    """Make what the executor of the lease says of the end the status, also while cancelling."""
    told: dict[type[Event], Status] = {Succeeded: Status.SUCCESS, Failed: Status.FAILED}
    return [
        s
        for s in steps
        if s.is_of_lease
        and s.status in LIVE
        and (wanted := told.get(type(s.event), _answered(s))) is not None
        and s.after[-1].record.status is not wanted
    ]


def _answered(step: Step) -> Status | None:
    asked = isinstance(step.event, Cancelled) and step.status is Status.CANCELLING
    return Status.CANCELLED if asked else None


def a_cancel_is_heard(steps: Steps) -> list[Step]:
    """Record a wish to end as long as nothing has ended; before any process exists it is the end."""
    wanted = {
        Status.PENDING: Status.CANCELLED,
        Status.RUNNING: Status.CANCELLING,
        Status.CANCELLING: Status.CANCELLING,
    }
    return [
        s
        for s in steps
        if isinstance(s.event, CancelRequested)
        and s.status is not None
        and s.status in wanted
        and s.after[-1].record.status is not wanted[s.status]
    ]


def a_refusal_says_why(steps: Steps) -> list[Step]:
    """Give a reason for what changes nothing, and the right one."""
    return [s for s in steps if (s.refusal is None) == (s.after == s.before) or not _right_reason(s)]


def _right_reason(step: Step) -> bool:
    if step.refusal is None:
        return True
    if step.status is None:
        return step.refusal is Refusal.UNKNOWN
    if step.status.is_terminal:
        return step.refusal is Refusal.TERMINAL
    foreign = "lease" in step.event.__struct_fields__ and not step.is_of_lease
    return step.refusal is (Refusal.LEASE if foreign else Refusal.STALE)


def each_record_tells_its_past(steps: Steps) -> list[Step]:
    """`version` counts, `previous` is what stood, and the lease is the position of `running`."""
    return [s for s in steps if not all(_tells(s.after, index) for index in range(len(s.after)))]


def _tells(log: Log, index: int) -> bool:
    record = log[index].record
    previous = log[index - 1].record.status if index else None
    leases = [entry.position for entry in log[:index] if entry.record.status is Status.RUNNING]
    wanted = leases[0] if leases else None
    return (record.version, record.previous, record.lease) == (index + 1, previous, wanted)


INVARIANTS: Final[tuple[Invariant, ...]] = (
    a_terminal_record_is_the_last,
    at_most_one_record_is_terminal,
    another_lease_changes_nothing,
    twice_is_once,
    the_rank_rises,
    a_lease_is_given_once,
    every_state_can_end_without_an_executor,
    each_status_has_its_cause,
    nobody_claims_an_end_that_nobody_saw,
    a_claim_is_granted,
    an_honest_report_is_believed,
    a_cancel_is_heard,
    a_refusal_says_why,
    each_record_tells_its_past,
)
"""All of them; each is broken by at least one of the tests' mutants."""
