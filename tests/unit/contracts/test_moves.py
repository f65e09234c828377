"""The table of moves: every status and every event, from the table and from a second telling of it."""

import itertools

import pytest

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
from lastword.contracts.moves import EVENTS, MOVES, IllegalMove, Moves, Refusal, judge, move
from lastword.contracts.statuses import LIVE, RANK, TERMINAL, Status
from tests.samples import LEASE, event_of

P, R, C = Status.PENDING, Status.RUNNING, Status.CANCELLING
SUCCESS, FAILED, CANCELLED = Status.SUCCESS, Status.FAILED, Status.CANCELLED

# The requirement, written a second time and another way round: what each event does to the six statuses.
#                  nothing, pending, running, cancelling; the terminal three never move.
EXPECTED: dict[type[Event], tuple[Status | None, Status | None, Status | None, Status | None]] = {
    Submitted: (P, None, None, None),
    Claimed: (None, R, None, None),
    CancelRequested: (None, CANCELLED, C, None),
    Succeeded: (None, None, SUCCESS, SUCCESS),
    Failed: (None, None, FAILED, FAILED),
    Cancelled: (None, None, None, CANCELLED),
    Lost: (None, None, FAILED, FAILED),
    QueueTimedOut: (None, FAILED, None, None),
}
STATUSES: tuple[Status | None, ...] = (None, *Status)
CELLS = list(itertools.product(STATUSES, EVENTS))


def name(value: object) -> str:
    """Name a cell's parameters as the table does."""
    return value.__name__ if isinstance(value, type) else str(value or "nothing")


def expected(status: Status | None, kind: type[Event]) -> Status | None:
    """Return what the requirement says of a cell; None where nothing moves."""
    return None if status in TERMINAL else EXPECTED[kind][(None, P, R, C).index(status)]


@pytest.mark.parametrize(("status", "kind"), CELLS, ids=name)
def test_the_table_says_what_is_required(status: Status | None, kind: type[Event]) -> None:
    """Each of the 56 cells, absent ones included."""
    assert expected(status, kind) == MOVES[status].get(kind)


@pytest.mark.parametrize(("status", "kind"), CELLS, ids=name)
def test_move_follows_the_table_or_refuses_with_a_reason(status: Status | None, kind: type[Event]) -> None:
    """A present cell is the next status; an absent one raises and says why."""
    event = event_of(kind)
    proposed = MOVES[status].get(kind)
    if proposed is not None:
        assert proposed == move(status, event)
        return
    with pytest.raises(IllegalMove) as refused:
        move(status, event)
    reason = Refusal.UNKNOWN if status is None else Refusal.TERMINAL if status in TERMINAL else Refusal.STALE
    assert (status, event, reason) == (refused.value.status, refused.value.event, refused.value.reason)
    assert kind.__name__ in str(refused.value)
    assert reason in str(refused.value)


@pytest.mark.parametrize(("status", "kind"), CELLS, ids=name)
def test_judge_asks_for_the_lease_before_it_moves(status: Status | None, kind: type[Event]) -> None:
    """Under the lease that stands `judge` is `move`; under another one nothing moves."""
    standing = LEASE if status in LIVE else None
    if "lease" not in kind.__struct_fields__:
        assert outcome_of_move(status, event_of(kind)) == outcome_of_judge(status, standing, event_of(kind))
        return
    for other in (LEASE - 1, LEASE + 1, 0):
        event = event_of(kind, lease=other)
        wanted = (
            Refusal.UNKNOWN if status is None else Refusal.TERMINAL if status in TERMINAL else Refusal.LEASE
        )
        assert wanted == outcome_of_judge(status, standing, event)
    if status in LIVE:
        assert outcome_of_move(status, event_of(kind)) == outcome_of_judge(status, standing, event_of(kind))


def test_a_lease_that_nobody_holds_is_refused_as_such() -> None:
    """A report about a workflow that still waits speaks of a lease that was never given."""
    assert Refusal.LEASE == outcome_of_judge(Status.PENDING, None, event_of(Succeeded))


def test_every_move_raises_the_rank() -> None:
    """The ratchet, read off the table itself."""
    for status, row in MOVES.items():
        for proposed in row.values():
            assert (-1 if status is None else RANK[status]) < RANK[proposed]


def test_the_table_knows_every_status_and_every_event() -> None:
    """A row or a column cannot be forgotten."""
    leaves: list[type[Event]] = []
    classes: list[type[Event]] = [Event]
    while classes:
        below = (kind := classes.pop()).__subclasses__()
        classes.extend(below)
        leaves.extend([] if below else [kind])
    assert set(leaves) == set(EVENTS)
    assert {None, *Status} == set(MOVES)
    assert set(EVENTS) == {kind for row in MOVES.values() for kind in row}


def test_a_broken_table_breaks_move() -> None:
    """The table that is passed in is the one that decides, or no mutant would prove anything."""
    broken: Moves = {**MOVES, Status.SUCCESS: {Failed: Status.FAILED}}
    assert Status.FAILED == move(Status.SUCCESS, event_of(Failed), broken)
    assert Status.FAILED == judge(Status.SUCCESS, None, event_of(Failed), broken)


def outcome_of_move(status: Status | None, event: Event) -> Status | Refusal:
    """Return where `move` leads, or why it refuses."""
    try:
        return move(status, event)
    except IllegalMove as why:
        return why.reason


def outcome_of_judge(status: Status | None, lease: int | None, event: Event) -> Status | Refusal:
    """Return where `judge` leads, or why it refuses."""
    try:
        return judge(status, lease, event)
    except IllegalMove as why:
        return why.reason
