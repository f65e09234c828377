"""The registrar: what is accepted, what is refused, and what a writer does when it was not first."""

import asyncio
from datetime import datetime

import msgspec
import pytest
from structlog.testing import capture_logs

from lastword.actors.registrar import Registrar
from lastword.bus import AppendUncertain, TooLarge, Unavailable
from lastword.contracts.events import (
    Cancelled,
    CancelRequested,
    Claimed,
    Error,
    Event,
    Failed,
    Lost,
    QueueTimedOut,
    Submitted,
    Succeeded,
)
from lastword.contracts.moves import EVENTS, MOVES, IllegalMove, Refusal
from lastword.contracts.records import Entry, Record, advance
from lastword.contracts.statuses import ErrorCode, Status
from lastword.telemetry.metrics import Metrics
from tests.samples import PATHS, event_of, second
from tests.unit.actors.fakes import FakeLog, counted, fresh_metrics, now

LEGAL = [(status, kind) for status, moves in MOVES.items() for kind in moves]
SAID_ALREADY = [(Status.SUCCESS, Succeeded), (Status.FAILED, Failed), (Status.CANCELLED, Cancelled)]
ILLEGAL = [
    (status, kind)
    for status in MOVES
    for kind in EVENTS
    if kind not in MOVES[status] and (status, kind) not in SAID_ALREADY
]


class Desk:
    """A registrar, its log and its metrics."""

    def __init__(self) -> None:
        self.log = FakeLog()
        self.metrics: Metrics = fresh_metrics()
        self.registrar = Registrar(self.log, self.metrics, now=now)
        self._count = 0

    def another(self) -> Registrar:
        """Return another supervisor's registrar over the same log."""
        return Registrar(self.log, fresh_metrics(), now=now)

    async def lead_to(self, status: Status | None) -> Entry | None:
        """Bring `w-1` to a status, and return how it stands."""
        entry = None
        for kind in PATHS[status] if status is not None else ():
            entry = await self.happen(self.event(kind))
        return entry

    def event(self, kind: type[Event], **fields: object) -> Event:
        """Return a good event of the lease that stands."""
        standing = self.log.last("w-1")
        lease = (standing.lease or standing.record.lease) if standing is not None else None
        return event_of(kind, lease=lease or 0, **fields)

    async def happen(self, event: Event, event_id: str | None = None) -> Entry:
        """Accept an event, under a fresh id unless one is given."""
        self._count += 1
        return await self.registrar.accept(
            "w-1", event, event_id=event_id or f"event-{self._count}", actor="someone"
        )


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(("status", "kind"), LEGAL)
async def test_a_legal_event_appends_the_status_that_the_table_says(
    desk: Desk, status: Status | None, kind: type[Event]
) -> None:
    """Every cell of the table leads to exactly one record more."""
    await desk.lead_to(status)
    before = len(desk.log.entries)
    entry = await desk.happen(desk.event(kind))
    assert MOVES[status][kind] is entry.record.status
    assert before + 1 == len(desk.log.entries)
    assert desk.log.last("w-1") == entry


@pytest.mark.parametrize(("status", "kind"), ILLEGAL)
async def test_what_the_table_does_not_allow_appends_nothing(
    desk: Desk, status: Status | None, kind: type[Event]
) -> None:
    """Every other cell is refused."""
    await desk.lead_to(status)
    before = list(desk.log.entries)
    with pytest.raises(IllegalMove) as refusal:
        await desk.happen(desk.event(kind))
    assert status is refusal.value.status
    assert before == desk.log.entries


@pytest.mark.parametrize(("status", "kind"), LEGAL)
async def test_the_same_event_twice_is_accepted_once(
    desk: Desk, status: Status | None, kind: type[Event]
) -> None:
    """A repetition, known by its id, is answered with what stands."""
    await desk.lead_to(status)
    event = desk.event(kind)
    first = await desk.happen(event, "once")
    again = await desk.happen(event, "once")
    assert first == again
    assert 1 == sum(entry.record.event == "once" for entry in desk.log.entries)


async def test_another_supervisor_recognises_a_repetition(desk: Desk) -> None:
    """What makes it once is in the log, not in a memory."""
    await desk.lead_to(Status.RUNNING)
    event = desk.event(Succeeded)
    first = await desk.happen(event, "once")
    again = await desk.another().accept("w-1", event, event_id="once", actor="someone")
    assert first == again
    assert 3 == len(desk.log.entries)


@pytest.mark.parametrize("kind", [Succeeded, Failed, Cancelled, Lost])
async def test_the_same_verdict_under_another_id_is_answered_with_what_stands(
    desk: Desk, kind: type[Event]
) -> None:
    """Two witnesses of one end do not contradict each other, and neither is evidence of a fault."""
    await desk.lead_to(Status.CANCELLING)
    event = desk.event(kind)
    first = await desk.happen(event)
    assert first == await desk.happen(event)
    assert 4 == len(desk.log.entries)


async def test_a_queue_verdict_repeated_is_answered_with_what_stands(desk: Desk) -> None:
    """A verdict on a workflow that never had a lease repeats like any other."""
    await desk.lead_to(Status.PENDING)
    event = desk.event(QueueTimedOut)
    assert await desk.happen(event) == await desk.happen(event)


async def test_a_wish_to_cancel_is_no_verdict(desk: Desk) -> None:
    """Who cancels what has ended is told so, even where it ended cancelled."""
    await desk.lead_to(Status.PENDING)
    await desk.happen(desk.event(CancelRequested))
    with pytest.raises(IllegalMove) as refusal:
        await desk.happen(desk.event(CancelRequested))
    assert Refusal.TERMINAL is refusal.value.reason


@pytest.mark.parametrize(
    "event",
    [
        Succeeded(lease=2, finished_at=second(9), result=1),
        Cancelled(lease=2, finished_at=second(9)),
        Failed(lease=2, finished_at=second(9), error=Error(code=ErrorCode.DEADLINE_EXCEEDED, message="late")),
        Lost(lease=2, error=Error(code=ErrorCode.EXECUTOR_LOST, message="lost")),
        Failed(lease=1, finished_at=second(9), error=Error(code=ErrorCode.EXCEPTION, message="other lease")),
    ],
)
async def test_a_different_verdict_is_refused_as_terminal(desk: Desk, event: Event) -> None:
    """The first terminal status stands; the same code under another lease is a different verdict too."""
    stands = await desk.lead_to(Status.FAILED)
    with pytest.raises(IllegalMove) as refusal:
        await desk.happen(event)
    assert Refusal.TERMINAL is refusal.value.reason
    assert stands == desk.log.last("w-1")


async def test_a_report_under_another_lease_changes_nothing(desk: Desk) -> None:
    """Invariant 3: it is refused with `lease` while the workflow lives."""
    stands = await desk.lead_to(Status.RUNNING)
    with pytest.raises(IllegalMove) as refusal:
        await desk.happen(event_of(Succeeded, lease=99))
    assert Refusal.LEASE is refusal.value.reason
    assert stands == desk.log.last("w-1")


async def test_an_old_memory_never_causes_a_refusal(desk: Desk) -> None:
    """A registrar that remembers `pending` accepts the outcome of a claim that another one took."""
    await desk.lead_to(Status.PENDING)
    running = await desk.another().accept("w-1", event_of(Claimed), event_id="claim", actor="host-1")
    entry = await desk.happen(event_of(Succeeded, lease=running.position))
    assert Status.SUCCESS is entry.record.status


async def test_an_old_memory_never_answers_a_repetition(desk: Desk) -> None:
    """A claim asked again, after another registrar took a cancel, is not told that it runs."""
    await desk.lead_to(Status.PENDING)
    await desk.happen(event_of(Claimed), "claim")
    await desk.another().accept("w-1", event_of(CancelRequested), event_id="cancel", actor="ada")
    with pytest.raises(IllegalMove) as refusal:
        await desk.happen(event_of(Claimed), "claim")
    assert Status.CANCELLING is refusal.value.status


async def test_whoever_was_not_first_decides_again(desk: Desk) -> None:
    """Between the decision and the append another supervisor took the workflow: the answer follows that."""
    await desk.lead_to(Status.PENDING)
    standing = desk.log.last("w-1")

    def claim_first() -> Record:
        return advance(
            standing, event_of(Claimed), workflow_id="w-1", event_id="c", actor="host-2", at=second(5)
        )

    desk.log.rival = claim_first
    entry = await desk.happen(desk.event(CancelRequested))
    statuses = [entry.record.status for entry in desk.log.entries]
    assert [Status.PENDING, Status.RUNNING, Status.CANCELLING] == statuses
    assert Status.CANCELLING is entry.record.status


async def test_a_refusal_without_a_rival_is_tried_again(desk: Desk) -> None:
    """A conflict that left nothing behind is no reason to give up."""
    await desk.lead_to(Status.RUNNING)
    desk.log.troubles.extend(["conflict", "conflict"])
    entry = await desk.happen(desk.event(Succeeded))
    assert Status.SUCCESS is entry.record.status


@pytest.mark.parametrize("first", [Claimed, CancelRequested])
async def test_a_cancel_that_races_with_a_claim_has_one_story(desk: Desk, first: type[Event]) -> None:
    """Two supervisors at once: either the claim is refused, or the cancel finds a running workflow."""
    await desk.lead_to(Status.PENDING)
    rivals: dict[type[Event], Registrar] = {Claimed: desk.registrar, CancelRequested: desk.another()}
    order = sorted(rivals, key=lambda kind: kind is not first)
    outcomes = await asyncio.gather(
        *(rivals[kind].accept("w-1", event_of(kind), event_id=kind.__name__, actor="x") for kind in order),
        return_exceptions=True,
    )
    statuses = [entry.record.status for entry in desk.log.entries]
    if any(isinstance(outcome, IllegalMove) for outcome in outcomes):
        assert [Status.PENDING, Status.CANCELLED] == statuses
    else:
        assert [Status.PENDING, Status.RUNNING, Status.CANCELLING] == statuses


@pytest.mark.parametrize("trouble", ["lost", "landed"])
async def test_what_is_uncertain_is_said_to_be_and_may_be_asked_again(desk: Desk, trouble: str) -> None:
    """Whether or not the append landed, the same event again ends with it in the log once."""
    await desk.lead_to(Status.RUNNING)
    desk.log.troubles.append(trouble)
    event = desk.event(Succeeded)
    with pytest.raises(AppendUncertain):
        await desk.happen(event, "once")
    entry = await desk.happen(event, "once")
    assert Status.SUCCESS is entry.record.status
    assert 3 == len(desk.log.entries)


async def test_a_refusal_needs_the_log(desk: Desk) -> None:
    """Where the log cannot be read, nothing is refused: the event is to come again."""
    await desk.lead_to(Status.RUNNING)
    desk.log.is_up = False
    with pytest.raises(Unavailable):
        await desk.happen(event_of(Succeeded, lease=99))


async def test_only_finalize_makes_a_status_terminal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way to a terminal record passes through it; none passes through where there is no end."""
    finalized: list[Status] = []
    genuine = Registrar.finalize_workflow_status

    async def watched(
        self: Registrar,
        workflow_id: str,
        terminal_status: Status,
        finished_at: datetime,
        error: Error | None,
        *,
        event: Event,
        event_id: str,
        actor: str,
    ) -> Entry | None:
        finalized.append(terminal_status)
        return await genuine(
            self,
            workflow_id,
            terminal_status,
            finished_at,
            error,
            event=event,
            event_id=event_id,
            actor=actor,
        )

    monkeypatch.setattr(Registrar, "finalize_workflow_status", watched)
    for status, kind in LEGAL:
        here = Desk()
        await here.lead_to(status)
        finalized.clear()
        entry = await here.happen(here.event(kind))
        assert ([entry.record.status] if entry.record.status.is_terminal else []) == finalized


async def test_finalize_refuses_an_event_that_leads_elsewhere(desk: Desk) -> None:
    """A cancel that found the workflow claimed ends nothing: None, and nothing is written."""
    await desk.lead_to(Status.RUNNING)
    final = await desk.registrar.finalize_workflow_status(
        "w-1", Status.CANCELLED, second(9), None, event=CancelRequested(), event_id="e", actor="ada"
    )
    assert final is None
    assert 2 == len(desk.log.entries)


async def test_finalize_is_idempotent(desk: Desk) -> None:
    """Called again with the same verdict it answers with what stands."""
    await desk.lead_to(Status.RUNNING)
    event = desk.event(Lost)
    assert isinstance(event, Lost)
    entries = [
        await desk.registrar.finalize_workflow_status(
            "w-1", Status.FAILED, second(9), event.error, event=event, event_id=name, actor="auditor-1"
        )
        for name in ("e-1", "e-1", "e-2")
    ]
    assert entries[0] is not None
    assert second(9) == entries[0].record.finished_at
    assert [entries[0]] * 3 == entries
    assert 3 == len(desk.log.entries)


async def test_a_record_that_is_too_large_is_told_without_its_bulk(desk: Desk) -> None:
    """The status is told, and that something was left out; what is left fits whatever an error holds."""
    await desk.lead_to(Status.RUNNING)
    desk.log.max_payload = 100_000
    entry = await desk.happen(desk.event(Succeeded, result="x" * 200_000))
    assert Status.SUCCESS is entry.record.status
    assert entry.record.result is None
    assert "left out" in entry.record.warnings[0]


async def test_an_endless_error_does_not_hide_that_it_failed(desk: Desk) -> None:
    """Message, traceback and output are cut where they would keep the status from being told."""
    await desk.lead_to(Status.RUNNING)
    desk.log.max_payload = 100_000
    long = "x" * 90_000
    error = Error(code=ErrorCode.EXCEPTION, message=long, traceback=long + "end", output=long, type=long)
    entry = await desk.happen(desk.event(Failed, error=error))
    assert entry.record.error is not None
    assert ErrorCode.EXCEPTION is entry.record.error.code
    assert (entry.record.error.traceback or "").endswith("end")


async def test_a_rival_of_a_trimmed_record_is_a_rival_like_any_other(desk: Desk) -> None:
    """A conflict met by the second, smaller append is decided again, and does not crash."""
    await desk.lead_to(Status.RUNNING)
    desk.log.max_payload = 100_000
    standing = desk.log.last("w-1")

    def cancel_first() -> Record:
        return advance(
            standing, CancelRequested(), workflow_id="w-1", event_id="c", actor="ada", at=second(5)
        )

    desk.log.rival = cancel_first
    entry = await desk.happen(desk.event(Succeeded, result="x" * 200_000))
    assert (Status.SUCCESS, Status.CANCELLING) == (entry.record.status, entry.record.previous)


async def test_what_cannot_be_told_at_all_is_an_error(desk: Desk) -> None:
    """Nothing is written where even the bare record is over the limit."""
    await desk.lead_to(Status.PENDING)
    desk.log.max_payload = 10
    with pytest.raises(TooLarge):
        await desk.happen(desk.event(Claimed))
    assert 1 == len(desk.log.entries)


async def test_each_transition_has_one_line_and_is_counted_once(desk: Desk) -> None:
    """Repetitions and refusals add neither line nor count."""
    with capture_logs() as lines:
        await desk.lead_to(Status.RUNNING)
        event = desk.event(
            Failed, error=Error(code=ErrorCode.ABRUPT_EXIT, message="killed", signal="SIGKILL")
        )
        await desk.happen(event, "once")
        await desk.happen(event, "once")
        with pytest.raises(IllegalMove):
            await desk.happen(desk.event(Succeeded))
    moved = [line for line in lines if line["event"] == "workflow.moved"]
    assert ["pending", "running", "failed"] == [line["status"] for line in moved]
    assert {
        "event": "workflow.moved",
        "log_level": "info",
        "workflow": "w-1",
        "definition": "research-brief",
        "previous": Status.RUNNING,
        "status": Status.FAILED,
        "cause": "failed",
        "by": "someone",
        "position": 3,
        "error": ErrorCode.ABRUPT_EXIT,
        "after_s": 0.0,
    } == moved[-1]
    assert 1.0 == counted(desk.metrics, "transitions_total", status="failed", cause="failed")
    assert 1.0 == counted(desk.metrics, "abrupt_exits_total", how="SIGKILL")


async def test_ended_workflows_are_not_held_in_memory(desk: Desk) -> None:
    """Results are bulky, and seldom asked for again."""
    await desk.lead_to(Status.SUCCESS)
    assert not desk.registrar._standing
    await desk.lead_to(None)
    with pytest.raises(IllegalMove):
        await desk.happen(desk.event(Claimed))
    assert not desk.registrar._standing


async def test_a_memory_has_a_size(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more workflows than that, the longest untouched are forgotten, and read again when needed."""
    monkeypatch.setattr("lastword.actors.registrar.REMEMBERED", 2)
    for number in range(3):
        submitted = msgspec.structs.replace(event_of(Submitted), title=str(number))
        await desk.registrar.accept(f"w-{number}", submitted, event_id=f"e-{number}", actor="ada")
    assert ["w-1", "w-2"] == list(desk.registrar._standing)
    entry = await desk.registrar.accept("w-0", event_of(Claimed), event_id="claim", actor="host-1")
    assert Status.RUNNING is entry.record.status


async def test_a_memory_has_a_weight(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs are the bulk of what waits: ten thousand of the largest would be 650 MB."""
    monkeypatch.setattr("lastword.actors.registrar.REMEMBERED_BYTES", 2_500)
    for number in range(3):
        submitted = msgspec.structs.replace(event_of(Submitted), inputs={"topic": "x" * 1_000})
        await desk.registrar.accept(f"w-{number}", submitted, event_id=f"e-{number}", actor="ada")
    assert ["w-1", "w-2"] == list(desk.registrar._standing)
    for number in range(3):
        await desk.registrar.accept(
            f"w-{number}", event_of(CancelRequested), event_id=f"c-{number}", actor="ada"
        )
    assert not desk.registrar._standing
    assert 0 == desk.registrar._remembered_bytes


async def test_an_end_is_remembered_for_a_moment(desk: Desk) -> None:
    """A storm of reports about what has ended costs no look at the log, and a log made anew is seen soon."""
    await desk.lead_to(Status.SUCCESS)
    event = desk.event(Succeeded)
    reads = desk.log.reads
    assert desk.registrar.is_over("w-1", event, "another id")
    with pytest.raises(IllegalMove) as refusal:
        desk.registrar.is_over("w-1", desk.event(Failed), "e-9")
    assert Refusal.TERMINAL is refusal.value.reason
    assert not desk.registrar.is_over("w-2", event, "e-9")
    assert reads == desk.log.reads
    await asyncio.sleep(10.1)
    assert not desk.registrar.is_over("w-1", desk.event(Failed), "e-9")
