"""What must always hold does hold, and each rule is one that a broken table breaks."""

import itertools
from typing import Any, NamedTuple

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
from lastword.contracts.moves import EVENTS, MOVES, Moves
from lastword.contracts.statuses import Status
from tests.model import explorer, invariants
from tests.model.explorer import Step, explore
from tests.model.invariants import INVARIANTS, Invariant


def broken(status: Status, cells: dict[type[Event], Status] | None = None, *, without: Any = None) -> Moves:
    """Return the table with some cells of a row changed or taken away."""
    row = {kind: then for kind, then in MOVES[status].items() if kind is not without}
    return {**MOVES, status: row | (cells or {})}


@pytest.fixture(scope="module")
def steps() -> list[Step]:
    """Return the walk of the real table."""
    return explore()


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda each: each.__name__)
def test_what_must_always_hold_holds(invariant: Invariant, steps: list[Step]) -> None:
    """In every state that can be reached, whatever arrives."""
    assert [] == invariant(steps)


def test_the_walk_reaches_every_status_by_every_way(steps: list[Step]) -> None:
    """A walk that saw little would find little."""
    ways = {tuple(entry.record.cause for entry in step.before) for step in steps}
    assert set(Status) == {step.status for step in steps} - {None}
    assert set(EVENTS) == {type(step.event) for step in steps}
    assert {
        (),
        ("submitted",),
        ("submitted", "claimed"),
        ("submitted", "cancel_requested"),
        ("submitted", "queue_timed_out"),
        *(("submitted", "claimed", end) for end in ("cancel_requested", "succeeded", "failed", "lost")),
        *(
            ("submitted", "claimed", "cancel_requested", end)
            for end in ("succeeded", "failed", "cancelled", "lost")
        ),
    } == ways


def test_every_event_comes_in_every_state_under_good_and_bad_leases(steps: list[Step]) -> None:
    """Duplicates, late ones and strangers are in the walk, not only what is due."""
    for status in Status:
        arrived = [step for step in steps if step.status is status]
        assert set(EVENTS) == {type(step.event) for step in arrived}
        for kind in (Succeeded, Failed, Cancelled, Lost):
            reports = [step for step in arrived if isinstance(step.event, kind)]
            spoken_of = {step.is_of_lease for step in reports}
            assert ({True, False} if status in {Status.RUNNING, Status.CANCELLING} else {False}) == spoken_of


class Mutant(NamedTuple):
    """A way to get the table, or the deciding, wrong."""

    says: str
    moves: Moves
    breaks: tuple[Invariant, ...]
    decide: explorer.Decide = explorer.decide


P, R, C = Status.PENDING, Status.RUNNING, Status.CANCELLING
MUTANTS = (
    Mutant(
        says="a late failure overturns a success",
        moves=broken(Status.SUCCESS, {CancelRequested: Status.FAILED}),
        breaks=(
            invariants.a_terminal_record_is_the_last,
            invariants.at_most_one_record_is_terminal,
            invariants.the_rank_rises,
        ),
    ),
    Mutant(
        says="a lost workflow is queued again under its own id",
        moves=broken(R, {Lost: P}),
        breaks=(invariants.the_rank_rises, invariants.each_status_has_its_cause),
    ),
    Mutant(
        says="a second cancel kills without looking",
        moves=broken(C, {CancelRequested: Status.CANCELLED}),
        breaks=(
            invariants.twice_is_once,
            invariants.nobody_claims_an_end_that_nobody_saw,
            invariants.a_cancel_is_heard,
        ),
    ),
    Mutant(
        says="an auditor cancels what it cannot find",
        moves=broken(C, {Lost: Status.CANCELLED}),
        breaks=(invariants.nobody_claims_an_end_that_nobody_saw,),
    ),
    Mutant(
        says="another executor may take over",
        moves=broken(R, {Claimed: R}),
        breaks=(invariants.a_lease_is_given_once, invariants.twice_is_once, invariants.the_rank_rises),
    ),
    Mutant(
        says="nobody finds a lost process",
        moves=broken(R, without=Lost),
        breaks=(invariants.every_state_can_end_without_an_executor,),
    ),
    Mutant(
        says="nobody finds a process that is lost while it is cancelled",
        moves=broken(C, without=Lost),
        breaks=(invariants.every_state_can_end_without_an_executor,),
    ),
    Mutant(
        says="a queue waits for ever",
        moves=broken(P, without=QueueTimedOut),
        breaks=(invariants.every_state_can_end_without_an_executor,),
    ),
    Mutant(
        says="a waiting workflow is cancelling, though no process could ever say that it ended",
        moves=broken(P, {CancelRequested: C}),
        breaks=(invariants.every_state_can_end_without_an_executor, invariants.a_cancel_is_heard),
    ),
    Mutant(
        says="a process that ended well before anyone asked it to stop is lost for a success",
        moves=broken(R, {Lost: Status.SUCCESS}),
        breaks=(invariants.each_status_has_its_cause,),
    ),
    Mutant(
        says="a success that crossed the cancel is called cancelled",
        moves=broken(C, {Succeeded: Status.CANCELLED}),
        breaks=(invariants.an_honest_report_is_believed, invariants.nobody_claims_an_end_that_nobody_saw),
    ),
    Mutant(
        says="a failure is not heard",
        moves=broken(R, without=Failed),
        breaks=(invariants.an_honest_report_is_believed,),
    ),
    Mutant(
        says="a lease is not looked at",
        moves=MOVES,
        breaks=(invariants.another_lease_changes_nothing,),
        decide=explorer.believe_any_lease,
    ),
    Mutant(
        says="a claim comes to nothing",
        moves=broken(P, without=Claimed),
        breaks=(invariants.a_claim_is_granted,),
    ),
    Mutant(
        says="every refusal gives the same reason",
        moves=MOVES,
        breaks=(invariants.a_refusal_says_why,),
        decide=explorer.mumble,
    ),
    Mutant(
        says="a record forgets what stood before it",
        moves=MOVES,
        breaks=(invariants.each_record_tells_its_past,),
        decide=explorer.forget_the_past,
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.says.replace(" ", "-"))
def test_what_is_broken_is_found(mutant: Mutant) -> None:
    """Each rule that the mutant is said to break has a step that breaks it."""
    walked = explore(mutant.moves, mutant.decide)
    assert [] == [each.__name__ for each in mutant.breaks if not each(walked)]


def test_every_invariant_can_fail() -> None:
    """A rule that no mutant breaks would be an ornament."""
    assert {each.__name__ for each in INVARIANTS} == {each.__name__ for m in MUTANTS for each in m.breaks}


ROWS = [status for status in MOVES if status is not None]


@pytest.mark.parametrize(("status", "kind"), list(itertools.product(ROWS, EVENTS)))
def test_no_cell_can_change_unnoticed(status: Status, kind: type[Event], steps: list[Step]) -> None:
    """All wrong values of a cell, its absence included, break some rule: together they are the table.

    Where no lease stands, a report is refused before the table is asked: such a cell changes nothing at all.
    """
    standing = MOVES[status].get(kind)
    for wrong in {None, *Status} - {standing}:
        moves = broken(status, {kind: wrong} if wrong else None, without=kind)
        walked = explore(moves)
        assert any(each(walked) for each in INVARIANTS) or walked == steps, (
            f"{status} may become {wrong} by {kind.__name__}"
        )


def test_a_workflow_can_begin_in_one_way_only(steps: list[Step]) -> None:
    """Whatever else arrives first is refused as unknown."""
    began = {type(step.event) for step in steps if not step.before and step.after}
    assert {Submitted} == began
