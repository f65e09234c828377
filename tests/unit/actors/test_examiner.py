"""From suspicion to verdict, or back: whom the examiner asks, what it waits for, and what it reports."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest

from lastword.actors.examiner import Examiner
from lastword.actors.registrar import Registrar
from lastword.actors.settings import AuditorSettings
from lastword.bus import Unavailable
from lastword.contracts import subjects
from lastword.contracts.events import CancelRequested, Claimed, Event, Submitted, Succeeded
from lastword.contracts.messages import Answer, Held, Pulse, Question, Reconcile, Reply, Report
from lastword.contracts.records import Entry
from lastword.contracts.statuses import Status
from tests.samples import event_of, second
from tests.unit.actors.fakes import FakeLog, FakePost, counted, fresh_metrics, now

SETTINGS = AuditorSettings(
    heartbeat_timeout_s=15.0, reconnect_window_s=1.5, question_timeout_s=0.5, scan_interval_s=3.0
)
INTERVAL_S = 3.0
QUESTIONS = subjects.executor("host-1")


class World:
    """An examiner, a log with a supervisor behind it, and an executor that answers or does not.

    `w-1` runs on `host-1` under lease 2; the examiner has heard a beat that lists it.
    """

    def __init__(self) -> None:
        self.log = FakeLog()
        self.post = FakePost("auditor-1")
        self.metrics = fresh_metrics()
        self.examiner = Examiner(self.post, self.log, SETTINGS, self.metrics, interval_s=INTERVAL_S)
        self.registrar = Registrar(self.log, fresh_metrics(), now=now)
        self.held = Held(id="w-1", lease=2)
        self.vouches = True
        """Whether the executor, when asked, knows the lease."""
        self.supervisor_is_up = True
        self.post.answer = self._answer
        self._store = self.post.store
        self.post.store = self._hear_report  # type: ignore[method-assign]

    def _answer(self, subject: str, payload: bytes) -> bytes:
        assert QUESTIONS == subject
        question = msgspec.json.decode(payload, type=Question)
        held = question.leases if self.vouches else ()
        return msgspec.json.encode(Answer(executor="host-1", held=held))

    async def _hear_report(self, subject: str, payload: bytes, **named: Any) -> bool:
        is_new = await self._store(subject, payload, **named)
        if is_new and self.supervisor_is_up:
            report = msgspec.json.decode(payload, type=Report)
            entry = await self.registrar.accept(
                report.id, report.event, event_id=report.event_id, actor=report.actor
            )
            self.hear(entry)
        return is_new

    def hear(self, entry: Entry, age_s: float = 0.0) -> None:
        """Let the examiner hear a record."""
        self.examiner.hear_record(entry, age_s)

    async def happen(self, event: Event, event_id: str, workflow_id: str = "w-1") -> Entry:
        """Let something happen, and the examiner hear of it."""
        entry = await self.registrar.accept(workflow_id, event, event_id=event_id, actor="x")
        self.hear(entry)
        return entry

    def beat(self, *leases: Held, state: str = "serving") -> None:
        """Let the executor beat."""
        pulse = Pulse(executor="host-1", at=second(0), state=state, leases=leases)
        self.examiner.hear_beat(pulse, 0.0)

    def dies(self) -> None:
        """Let the executor's process end: nobody listens, and the server says so."""
        self.post.answer = None

    def hangs(self) -> None:
        """Let the executor be connected and not answer, or its host vanish, which looks the same."""
        self.post.is_slow = True

    def revives(self) -> None:
        """Let it answer again."""
        self.post.answer = self._answer
        self.post.is_slow = False

    @property
    def verdicts(self) -> list[tuple[str, str]]:
        """What was reported: tag and code."""
        return [
            (report["event"]["event"], report["event"]["error"]["code"])
            for one in self.post.stored
            if one.subject.startswith("lastword.report.")
            for report in [msgspec.json.decode(one.payload)]
        ]

    def status(self, workflow_id: str = "w-1") -> Status:
        """How a workflow stands."""
        standing = self.log.last(workflow_id)
        assert standing is not None
        return standing.record.status

    async def scan_for(self, seconds: float, *, beats: bool = False) -> None:
        """Look at everything every few seconds, as the auditor does."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            if beats:
                self.beat(self.held)
            await self.examiner.scan()
            await asyncio.sleep(SETTINGS.scan_interval_s)


@pytest.fixture
async def world() -> AsyncGenerator[World, None]:
    world = World()
    await world.happen(event_of(Submitted), "e-1")
    await world.happen(event_of(Claimed), "e-2")
    async with world.examiner.open():
        world.examiner.see()
        await asyncio.sleep(1.0)
        world.beat(world.held)
        yield world


async def test_an_executor_whose_connection_ended_and_that_stays_away_is_lost(world: World) -> None:
    """Asked, given the window, asked again: then, and only then, the verdict."""
    world.dies()
    began_s = asyncio.get_running_loop().time()
    world.examiner.hear_disconnect("host-1")
    await asyncio.sleep(1.4)
    assert [] == world.verdicts
    await asyncio.sleep(0.2)  # the window is over
    assert [("lost", "executor_lost")] == world.verdicts
    assert Status.FAILED is world.status()
    assert 2.0 > asyncio.get_running_loop().time() - began_s
    assert 2 == len(world.post.asked)
    assert 1.0 == counted(world.metrics, "heartbeat_timeouts_total", code="executor_lost")


async def test_an_executor_that_vouches_when_asked_is_left_alone(world: World) -> None:
    """Its connection ended, but it has another, or had it back at once."""
    world.examiner.hear_disconnect("host-1")
    await asyncio.sleep(10.0)
    assert [] == world.verdicts
    assert 1 == len(world.post.asked)


async def test_an_executor_that_is_back_within_the_window_is_left_alone(world: World) -> None:
    """It answers the second question."""
    world.dies()
    world.examiner.hear_disconnect("host-1")
    asyncio.get_running_loop().call_later(1.3, world.revives)
    await asyncio.sleep(10.0)
    assert [] == world.verdicts
    assert 2 == len(world.post.asked)


async def test_a_beat_within_the_window_is_an_answer(world: World) -> None:
    """Whoever beats with the lease is not asked again."""
    world.dies()
    world.examiner.hear_disconnect("host-1")
    asyncio.get_running_loop().call_later(1.3, world.beat, world.held)
    await asyncio.sleep(10.0)
    assert [] == world.verdicts
    assert 1 == len(world.post.asked)


async def test_a_disconnect_of_someone_without_work_is_nothing(world: World) -> None:
    """Nobody is asked."""
    world.examiner.hear_disconnect("host-9")
    await asyncio.sleep(10.0)
    assert [] == world.post.asked


async def test_a_silent_executor_is_lost_by_its_heartbeat(world: World) -> None:
    """Its host vanished: within the timeout, a scan and two questions."""
    world.hangs()
    await world.scan_for(15.0)
    assert [] == world.verdicts
    await world.scan_for(6.0)
    assert [("lost", "heartbeat_timeout")] == world.verdicts
    assert Status.FAILED is world.status()


async def test_an_expired_beat_needs_no_scan(world: World) -> None:
    """The server's marker starts the questions."""
    world.dies()
    world.examiner.hear_expiry("host-1")
    await asyncio.sleep(2.0)
    assert [("lost", "heartbeat_timeout")] == world.verdicts


async def test_a_silent_executor_that_answers_is_left_alone(world: World) -> None:
    """Its beats are lost, but it vouches for its process each time it is asked."""
    await world.scan_for(60.0)
    assert [] == world.verdicts
    assert Status.RUNNING is world.status()


async def test_an_executor_that_beats_is_never_asked(world: World) -> None:
    """Cost grows with trouble, not with time."""
    await world.scan_for(60.0, beats=True)
    assert [] == world.post.asked


async def test_a_goodbye_with_a_lease_is_looked_into_at_once(world: World) -> None:
    """It said that it is gone, and has no outcome to deliver any more."""
    world.dies()
    world.beat(state="gone")
    await asyncio.sleep(2.0)
    assert [("lost", "executor_lost")] == world.verdicts


async def test_a_lease_that_its_executor_no_longer_lists_is_lost(world: World) -> None:
    """It beats and answers, and does not know the lease: nobody will ever report."""
    world.vouches = False
    for _ in range(2):
        world.beat()
        await world.examiner.scan()
        await asyncio.sleep(3.0)
    assert [("lost", "executor_lost")] == world.verdicts


async def test_a_lease_that_is_listed_again_is_not_lost(world: World) -> None:
    """The beat came while it was being asked."""
    world.vouches = False
    world.beat()
    world.beat()
    await world.examiner.scan()
    asyncio.get_running_loop().call_later(0.2, world.beat, world.held)
    await asyncio.sleep(5.0)
    assert [] == world.verdicts


async def test_only_the_lease_that_nobody_vouches_for_is_lost(world: World) -> None:
    """Another workflow of the same executor goes on."""
    await world.happen(event_of(Submitted), "e-3", "w-2")
    other = await world.happen(event_of(Claimed), "e-4", "w-2")
    known = Held(id="w-2", lease=other.position)
    world.post.answer = lambda _, __: msgspec.json.encode(Answer(executor="host-1", held=(known,)))
    for _ in range(2):
        world.beat(known)
        await world.examiner.scan()
        await asyncio.sleep(3.0)
    assert (Status.FAILED, Status.RUNNING) == (world.status("w-1"), world.status("w-2"))


async def test_a_result_that_came_first_makes_the_verdict_moot(world: World) -> None:
    """The log is read once more before anything is reported."""
    world.dies()
    world.examiner.hear_disconnect("host-1")
    await asyncio.sleep(1.0)
    await world.registrar.accept("w-1", event_of(Succeeded, lease=2), event_id="o", actor="x")  # unheard
    await asyncio.sleep(10.0)
    assert [] == world.verdicts
    assert Status.SUCCESS is world.status()


async def test_a_cancelling_workflow_whose_executor_is_lost_has_failed(world: World) -> None:
    """Nobody saw its process end, so nobody may call it cancelled."""
    await world.happen(CancelRequested(), "e-3")
    world.dies()
    world.examiner.hear_disconnect("host-1")
    await asyncio.sleep(5.0)
    assert Status.FAILED is world.status()


async def test_nobody_is_judged_while_the_examiner_is_cut_off(world: World) -> None:
    """Its own silence must not count as theirs, whatever it suspected before."""
    world.dies()
    world.examiner.hear_disconnect("host-1")
    await asyncio.sleep(1.0)
    world.examiner.blind()
    world.post.is_connected = False
    await world.scan_for(120.0)
    assert [] == world.verdicts
    world.post.is_connected = True  # the server is back, the feeds not yet
    await world.scan_for(120.0)
    assert [] == world.verdicts


async def test_after_a_break_there_is_a_whole_timeout_to_beat_again(world: World) -> None:
    """Invariant 8: from when we hear again, not from when we stopped hearing."""
    world.dies()
    world.examiner.blind()
    await world.scan_for(60.0)
    world.examiner.see()
    world.examiner.hear_expiry("host-1")
    world.examiner.hear_disconnect("host-1")
    await world.scan_for(15.0)
    assert [] == world.verdicts
    world.revives()
    world.beat(world.held)
    await world.scan_for(60.0, beats=True)
    assert [] == world.verdicts


async def test_after_a_break_whoever_stays_silent_is_lost(world: World) -> None:
    """Invariant 7: within a timeout, a beat, a scan and two questions."""
    world.dies()
    world.examiner.blind()
    await world.scan_for(60.0)
    world.examiner.see()
    await world.scan_for(15.0 + 3.0 + 3.0 + 1.0)
    assert [("lost", "heartbeat_timeout")] == world.verdicts


async def test_a_verdict_is_reported_until_it_is_accepted_and_counted_once(world: World) -> None:
    """While no supervisor works, each scan says the same under the same id; the stream keeps one."""
    world.supervisor_is_up = False
    world.dies()
    await world.scan_for(60.0)
    assert [("lost", "heartbeat_timeout")] == world.verdicts
    assert 1.0 == counted(world.metrics, "heartbeat_timeouts_total", code="heartbeat_timeout")


async def test_two_auditors_make_one_verdict(world: World) -> None:
    """Their reports carry the same id."""
    other = Examiner(world.post, world.log, SETTINGS, fresh_metrics(), interval_s=INTERVAL_S)
    for entry in world.log.entries:
        other.hear_record(entry, 0.0)
    world.supervisor_is_up = False
    world.dies()
    async with other.open():
        other.see()
        for _ in range(12):
            await other.scan()
            await world.examiner.scan()
            await asyncio.sleep(3.0)
    assert [("lost", "heartbeat_timeout")] == world.verdicts


@pytest.mark.parametrize("part", ["log", "stream"])
async def test_a_verdict_that_cannot_be_reported_comes_with_a_later_scan(world: World, part: str) -> None:
    """Neither an unreadable log nor an unavailable stream crashes anything, or loses the verdict."""
    world.dies()
    if part == "log":
        world.log.is_up = False
    else:
        world.post.failures = 10_000
    await world.scan_for(30.0)
    assert [] == world.verdicts
    world.log.is_up = True
    world.post.failures = 0
    await world.scan_for(6.0)
    assert 1 == len(world.verdicts)


async def test_an_unreadable_answer_is_no_answer(world: World) -> None:
    """Whoever answers nonsense vouches for nothing."""
    world.post.answer = lambda _, __: b"{"
    world.examiner.hear_disconnect("host-1")
    await asyncio.sleep(5.0)
    assert [("lost", "executor_lost")] == world.verdicts


async def test_a_workflow_that_nobody_takes_fails_by_its_queue_timeout(world: World) -> None:
    """Once its own limit has passed, counted by the server's clock; the message says what to look for."""
    entry = await world.happen(event_of(Submitted, queue_timeout_s=60.0), "e-3", "w-2")
    world.hear(entry, age_s=50.0)
    await world.scan_for(10.0, beats=True)
    assert [] == world.verdicts
    await world.scan_for(4.0, beats=True)
    assert [("queue_timed_out", "queue_timeout")] == world.verdicts
    [report] = world.post.payloads(subjects.report("w-2"))
    assert "within 60 s" in report["event"]["error"]["message"]
    assert Status.FAILED is world.status("w-2")


async def test_leaving_ends_the_questions_under_way(world: World) -> None:
    """An auditor that stops leaves no task behind, and no verdict half made."""
    world.dies()
    world.examiner.hear_disconnect("host-1")
    await asyncio.sleep(0.1)
    other = Examiner(world.post, world.log, SETTINGS, fresh_metrics(), interval_s=INTERVAL_S)
    async with other.open():
        for entry in world.log.entries:
            other.hear_record(entry, 0.0)
        other.hear_disconnect("host-1")
        await asyncio.sleep(0.1)
    assert {} == other._asking


# Reconcile


async def _reconcile(world: World, workflow_id: str = "w-1") -> Reply:
    return await world.examiner.reconcile(Reconcile(id=workflow_id))


async def test_reconcile_of_a_workflow_that_lives_is_answered_at_once(world: World) -> None:
    """It is as it was, and its executor was asked."""
    began_s = asyncio.get_running_loop().time()
    reply = await _reconcile(world)
    assert reply.accepted is not None
    assert Status.RUNNING is reply.accepted.record.status
    assert 0.5 > asyncio.get_running_loop().time() - began_s
    assert 1 == len(world.post.asked)


async def test_reconcile_of_a_lost_workflow_answers_with_how_it_ended(world: World) -> None:
    """The verdict is accepted before the answer is given, long before the timeout."""
    world.dies()
    began_s = asyncio.get_running_loop().time()
    reply = await _reconcile(world)
    assert reply.accepted is not None
    assert Status.FAILED is reply.accepted.record.status
    assert 3.0 > asyncio.get_running_loop().time() - began_s
    assert [("lost", "executor_lost")] == world.verdicts


async def test_reconcile_of_an_executor_that_comes_back_changes_nothing(world: World) -> None:
    """It answers the second question."""
    world.dies()
    asyncio.get_running_loop().call_later(1.0, world.revives)
    reply = await _reconcile(world)
    assert reply.accepted is not None
    assert Status.RUNNING is reply.accepted.record.status


async def test_reconcile_believes_a_fresh_beat(world: World) -> None:
    """An executor too busy to answer, whose last beat was in time and listed the lease, is not lost."""
    world.hangs()
    await _reconcile(world)
    assert [] == world.verdicts


async def test_reconcile_does_not_believe_a_beat_from_before_the_executor_was_gone(world: World) -> None:
    """The last beat was in time, but the server says that nobody is there any more."""
    world.dies()
    await _reconcile(world)
    assert [("lost", "executor_lost")] == world.verdicts


async def test_reconcile_believes_a_beat_of_an_executor_that_is_coming_back(world: World) -> None:
    """It beat after it was asked, and will answer soon."""
    world.dies()
    asyncio.get_running_loop().call_later(1.0, world.beat, world.held)
    await _reconcile(world)
    assert [] == world.verdicts


async def test_reconcile_of_an_executor_that_has_been_silent_for_a_beat_finds_it_lost(world: World) -> None:
    """Neither answers nor beats in time: the timeout need not be waited for."""
    world.hangs()
    await asyncio.sleep(3.5)
    await _reconcile(world)
    assert [("lost", "executor_lost")] == world.verdicts


async def test_reconcile_does_not_believe_a_beat_that_leaves_the_lease_out(world: World) -> None:
    """It beats, and does not know the lease."""
    world.vouches = False
    world.beat()
    world.beat()
    await _reconcile(world)
    assert [("lost", "executor_lost")] == world.verdicts


async def test_reconcile_judges_nobody_right_after_a_break(world: World) -> None:
    """The executor may be about to come back, like us."""
    world.dies()
    world.examiner.blind()
    world.examiner.see()
    reply = await _reconcile(world)
    assert reply.accepted is not None
    assert Status.RUNNING is reply.accepted.record.status


async def test_reconcile_waits_only_so_long_for_a_supervisor(world: World) -> None:
    """The verdict is reported; how the workflow stands is answered all the same."""
    world.supervisor_is_up = False
    world.dies()
    reply = await _reconcile(world)
    assert reply.accepted is not None
    assert Status.RUNNING is reply.accepted.record.status
    assert 1 == len(world.verdicts)
    assert {} == world.examiner._awaited


async def test_reconcile_asked_twice_at_once_answers_both(world: World) -> None:
    """Both wait for the one verdict."""
    world.dies()
    replies = await asyncio.gather(_reconcile(world), _reconcile(world))
    assert [Status.FAILED] * 2 == [
        reply.accepted.record.status for reply in replies if reply.accepted is not None
    ]
    assert 1 == len(world.verdicts)
    assert {} == world.examiner._awaited


@pytest.mark.parametrize("workflow_id", ["unknown", "not a token", "w.1", "*", ""])
async def test_reconcile_of_an_unknown_workflow_says_so(world: World, workflow_id: str) -> None:
    """A name that cannot be one is unknown too, and reads nothing."""
    reply = await _reconcile(world, workflow_id)
    assert reply.problem is not None
    assert (404, "unknown_workflow") == (reply.problem.status, reply.problem.code)


async def test_reconcile_of_an_ended_workflow_asks_nobody(world: World) -> None:
    """It is answered with how it ended."""
    await world.happen(event_of(Succeeded, lease=2), "e-3")
    reply = await _reconcile(world)
    assert reply.accepted is not None
    assert Status.SUCCESS is reply.accepted.record.status
    assert [] == world.post.asked


async def test_reconcile_of_a_pending_workflow_asks_nobody(world: World) -> None:
    """No executor has it."""
    await world.happen(event_of(Submitted), "e-3", "w-2")
    reply = await _reconcile(world, "w-2")
    assert reply.accepted is not None
    assert Status.PENDING is reply.accepted.record.status
    assert [] == world.post.asked


async def test_reconcile_without_a_log_is_unavailable(world: World) -> None:
    """Whoever asked is told to ask again."""
    world.log.is_up = False
    with pytest.raises(Unavailable):
        await _reconcile(world)


@pytest.mark.parametrize(
    "answer",
    [b"", b'"\xff"', b"[" * 9_000, b'{"executor":"host-1","held":7}'],
    ids=["none", "utf", "deep", "type"],
)
async def test_an_answer_that_cannot_be_read_vouches_for_nothing(world: World, answer: bytes) -> None:
    """And it breaks nothing: whoever has an executor's credentials can answer as he likes."""
    world.post.answer = lambda _subject, _payload: answer
    world.examiner.hear_disconnect("host-1")
    await asyncio.sleep(2.0)
    assert [("lost", "executor_lost")] == world.verdicts
