"""One workflow under one lease: every ending, every order, and what is said of it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lastword.actors.chronicler import Chronicler
from lastword.actors.courier import Courier
from lastword.actors.tenure import Tenure, WhyEnded
from lastword.child.errors import SpawnFailed
from lastword.child.protocol import (
    Ended,
    Final,
    Lines,
    Message,
    Progressed,
    Raised,
    Returned,
    Stopped,
    Target,
    Waiting,
    Work,
)
from lastword.contracts import subjects
from lastword.contracts.events import Claimed, Error, Event, Progress, ResultReference, Submitted, Usage
from lastword.contracts.messages import Held, LogLine
from lastword.contracts.records import Entry, advance
from lastword.contracts.statuses import ErrorCode, Status
from tests.samples import PATHS, event_of, second
from tests.unit.actors.fakes import FakePost, FakeResults, counted, fresh_metrics, now

LEASE = 12
GRACE_S = 1.0
REDELIVER_S = 6.0
RETURNED = Returned(result=msgspec.Raw(b'{"brief":"Tides turn."}'), warnings=("a tool failed",))
RAISED = Raised(error=Error(code=ErrorCode.EXCEPTION, message="It broke.", type="ValueError"))


class FakeProcess:
    """A process that ends when it is told to."""

    def __init__(self) -> None:
        self.pid = 4711
        self.asked: list[str] = []
        """What was done to it: `cancel`, `kill`."""
        self.heeds_after_s: float | None = 0.5
        """How long after a polite request it ends; None: it does not."""
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

    def say(self, message: Message) -> None:
        """Say something."""
        self._messages.put_nowait(message)

    def end(self, final: Final | None = None, **how: Any) -> None:
        """End, once; by default with exit code 0."""
        if not self._ended.done():
            how = how or {"exit_code": 0}
            loop = asyncio.get_running_loop()
            self._ended.set_result(
                Ended(
                    finished_at=now(),
                    ended_at_s=loop.time(),
                    final=final,
                    warnings=final.warnings if final is not None else (),
                    last_lines=("the last line",),
                    **how,
                )
            )
            self._messages.put_nowait(None)

    async def messages(self) -> AsyncIterator[Message]:
        """See `Process`."""
        while (message := await self._messages.get()) is not None:
            yield message

    async def ended(self) -> Ended:
        """See `Process`."""
        return await asyncio.shield(self._ended)

    async def cancel(self, grace_s: float) -> Ended:
        """See `Process`."""
        self.asked.append("cancel")
        if self.heeds_after_s is None:
            await asyncio.wait({self._ended}, timeout=2 * grace_s)
            self.end(signal="SIGKILL")
        else:
            await asyncio.wait({self._ended}, timeout=self.heeds_after_s)
            self.end(Stopped())
        return await self.ended()

    def kill(self) -> None:
        """See `Process`."""
        self.asked.append("kill")
        self.end(signal="SIGKILL")


class FakeStarter:
    """Starts one fake process, after a while."""

    def __init__(self) -> None:
        self.process = FakeProcess()
        self.takes_s = 0.1
        self.failure: SpawnFailed | None = None
        self.spawned = 0

    async def spawn(self, work: Work) -> FakeProcess:
        """See `Starter`."""
        self.spawned += 1
        await asyncio.sleep(self.takes_s)
        if self.failure is not None:
            raise self.failure
        return self.process


class Stage:
    """A tenure and everything around it; time is counted from the claim."""

    def __init__(self, *, deadline_s: float | None = None) -> None:
        self.post = FakePost("host-1")
        self.pool = FakeStarter()
        self.metrics = fresh_metrics()
        self.freed = 0
        held = Held(id="w-1", lease=LEASE)
        self.tenure = Tenure(
            held,
            Work(workflow_id="w-1", target=Target(run="m:f"), run_dir="/nonexistent"),
            deadline_s=deadline_s,
            executor="host-1",
            pool=self.pool,
            courier=Courier(self.post, FakeResults(), Path("/nonexistent/outbox")),
            chronicler=Chronicler(self.post, held, interval_s=0.1),
            metrics=self.metrics,
            term_grace_s=GRACE_S,
            freed=self._free,
        )
        self.running = asyncio.create_task(self.tenure.run(redeliver_s=REDELIVER_S))
        self._loop = asyncio.get_running_loop()

    def _free(self) -> None:
        self.freed += 1

    @property
    def process(self) -> FakeProcess:
        """The process, whether it was started or not."""
        return self.pool.process

    def at(self, seconds: float, act: Any, *args: Any, **named: Any) -> None:
        """Do something at a time."""
        self._loop.call_later(seconds, lambda: act(*args, **named))

    def log_says(self, status: Status, *, event: str = "other", position: int | None = None) -> None:
        """Let the log say how the workflow stands."""
        entry: Entry | None = None
        for place, kind in enumerate(PATHS[status], start=LEASE - 1):
            record = advance(
                entry, self._event(kind), workflow_id="w-1", event_id=event, actor="x", at=second(place)
            )
            entry = Entry(position=place, stored_at=second(place), record=record)
        assert entry is not None
        if position is not None:
            entry = msgspec.structs.replace(entry, position=position)
        self.tenure.obey(entry)

    def _event(self, kind: type[Event]) -> Event:
        return event_of(kind) if kind in {Submitted, Claimed} else event_of(kind, lease=LEASE)

    def settle(self) -> None:
        """Let the log accept the outcome."""
        self.log_says(Status.SUCCESS, event=f"w-1.{LEASE}.outcome")

    @property
    def reports(self) -> list[Any]:
        """The final reports that were stored."""
        return self.post.payloads(subjects.report("w-1"))

    async def outcome(self) -> dict[str, Any]:
        """Wait for the one report, let it be accepted, and return its event."""
        while not self.reports:  # noqa: ASYNC110  the time is virtual
            await asyncio.sleep(0.01)
        self.settle()
        await self.running
        [report] = self.reports
        assert ("w-1", f"w-1.{LEASE}.outcome", "host-1") == (
            report["id"],
            report["event_id"],
            report["actor"],
        )
        event: dict[str, Any] = report["event"]
        assert LEASE == event["lease"]
        assert 1 == self.freed
        assert self.tenure.process_ended.is_set()
        return event

    async def silence(self) -> None:
        """See that it ends without a word."""
        await self.running
        assert [] == self.reports
        assert 1 == self.freed


async def test_a_result_is_a_success() -> None:
    """With what was returned, its warnings, and when the process ended."""
    stage = Stage()
    stage.at(5.0, stage.process.end, RETURNED)
    event = await stage.outcome()
    assert ("succeeded", {"brief": "Tides turn."}) == (event["event"], event["result"])
    assert ["a tool failed"] == event["warnings"]
    assert second(5.0) == datetime.fromisoformat(event["finished_at"])


async def test_an_exception_is_a_failure() -> None:
    """With the error that the process sent."""
    stage = Stage()
    stage.at(5.0, stage.process.end, RAISED, exit_code=1)
    event = await stage.outcome()
    assert ("failed", "exception", "ValueError") == (
        event["event"],
        event["error"]["code"],
        event["error"]["type"],
    )


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGSEGV", "SIGTERM"])
async def test_a_signal_is_an_abrupt_exit(signal: str) -> None:
    """Named, with the last lines that it wrote."""
    stage = Stage()
    stage.at(5.0, stage.process.end, signal=signal)
    error = (await stage.outcome())["error"]
    assert ("abrupt_exit", signal, "the last line") == (error["code"], error["signal"], error["output"])


async def test_an_exit_code_is_an_abrupt_exit() -> None:
    """With the code."""
    stage = Stage()
    stage.at(5.0, stage.process.end, exit_code=3)
    error = (await stage.outcome())["error"]
    assert ("abrupt_exit", 3) == (error["code"], error["exit_code"])


async def test_exit_code_0_without_a_word_is_no_success() -> None:
    """Success is an explicit final message, never an exit code."""
    stage = Stage()
    stage.at(5.0, stage.process.end)
    event = await stage.outcome()
    assert ("failed", "exit_without_result") == (event["event"], event["error"]["code"])


async def test_a_process_that_cannot_be_started_is_a_failure() -> None:
    """With what kept it from starting."""
    stage = Stage()
    stage.pool.failure = SpawnFailed("no such file")
    event = await stage.outcome()
    assert ("failed", "spawn_failed") == (event["event"], event["error"]["code"])
    assert "no such file" in event["error"]["message"]


async def test_a_cancel_ends_the_process_politely() -> None:
    """And is told as `cancelled` once it has ended, not before."""
    stage = Stage()
    stage.at(5.0, stage.log_says, Status.CANCELLING)
    await asyncio.sleep(5.4)
    assert [] == stage.reports
    assert "cancelled" == (await stage.outcome())["event"]
    assert ["cancel"] == stage.process.asked


async def test_a_cancel_is_obeyed_once() -> None:
    """The log may say it as often as it likes."""
    stage = Stage()
    for at_s in (5.0, 5.1, 5.2):
        stage.at(at_s, stage.log_says, Status.CANCELLING)
    await stage.outcome()
    assert ["cancel"] == stage.process.asked


async def test_a_cancel_that_is_not_heeded_ends_all_the_same() -> None:
    """The process is killed after its graces, and it was cancelled, not killed by a stranger."""
    stage = Stage()
    stage.process.heeds_after_s = None
    stage.at(5.0, stage.log_says, Status.CANCELLING)
    assert "cancelled" == (await stage.outcome())["event"]
    assert 7.0 == pytest.approx(asyncio.get_running_loop().time(), abs=0.1)


async def test_a_cancel_before_the_process_is_made_makes_none() -> None:
    """What never began is cancelled at once."""
    stage = Stage()
    stage.log_says(Status.CANCELLING)
    assert "cancelled" == (await stage.outcome())["event"]
    assert 0 == stage.pool.spawned


async def test_a_cancel_while_the_process_is_made_ends_it_as_soon_as_it_is_there() -> None:
    """Politely, like any other."""
    stage = Stage()
    stage.pool.takes_s = 3.0
    stage.at(1.0, stage.log_says, Status.CANCELLING)
    assert "cancelled" == (await stage.outcome())["event"]
    assert ["cancel"] == stage.process.asked


async def test_a_cancel_of_what_cannot_be_started_is_a_cancel() -> None:
    """It was asked to end, and it has."""
    stage = Stage()
    stage.pool.takes_s = 3.0
    stage.pool.failure = SpawnFailed("the pool is closed")
    stage.at(1.0, stage.log_says, Status.CANCELLING)
    assert "cancelled" == (await stage.outcome())["event"]


async def test_a_result_sent_before_the_cancel_is_a_success() -> None:
    """The work is done; to say otherwise would be a lie told for tidiness."""
    stage = Stage()
    stage.at(5.0, stage.log_says, Status.CANCELLING)
    stage.at(5.1, stage.process.end, RETURNED)
    assert "succeeded" == (await stage.outcome())["event"]


async def test_a_deadline_kills() -> None:
    """Counted from the claim; told with the deadline that passed."""
    stage = Stage(deadline_s=10.0)
    error = (await stage.outcome())["error"]
    assert ("deadline_exceeded", "SIGKILL") == (error["code"], error["signal"])
    assert "10 s" in error["message"]
    assert ["kill"] == stage.process.asked
    assert 10.0 == pytest.approx(asyncio.get_running_loop().time(), abs=0.2)


async def test_a_deadline_that_is_not_reached_does_nothing() -> None:
    """Nor does it fire once the process has ended."""
    stage = Stage(deadline_s=10.0)
    stage.at(9.0, stage.process.end, RETURNED)
    assert "succeeded" == (await stage.outcome())["event"]
    await asyncio.sleep(5.0)
    assert [] == stage.process.asked


async def test_a_shutdown_ends_politely_and_says_so() -> None:
    """The executor was told to stop; the work did not fail by itself."""
    stage = Stage()
    stage.at(5.0, stage.tenure.end, WhyEnded.SHUTDOWN)
    event = await stage.outcome()
    assert ("failed", "shutdown") == (event["event"], event["error"]["code"])
    assert ["cancel"] == stage.process.asked


async def test_a_shutdown_before_the_process_is_made_says_so() -> None:
    """It is told as `shutdown`, not as a process that could not be started."""
    stage = Stage()
    stage.tenure.end(WhyEnded.SHUTDOWN)
    assert "shutdown" == (await stage.outcome())["error"]["code"]
    assert 0 == stage.pool.spawned


async def test_being_cut_off_for_too_long_kills_where_it_is_set_to() -> None:
    """Told as a shutdown, whose message says why."""
    stage = Stage()
    stage.at(5.0, stage.tenure.end, WhyEnded.ISOLATED)
    error = (await stage.outcome())["error"]
    assert "shutdown" == error["code"]
    assert "cut off" in error["message"]
    assert ["kill"] == stage.process.asked


async def test_the_first_reason_to_end_stands() -> None:
    """A cancel during a shutdown does not rename it."""
    stage = Stage()
    stage.at(5.0, stage.tenure.end, WhyEnded.SHUTDOWN)
    stage.at(5.1, stage.log_says, Status.CANCELLING)
    assert "shutdown" == (await stage.outcome())["error"]["code"]


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED, Status.SUCCESS])
async def test_a_zombie_is_fenced(status: Status) -> None:
    """The log says it is over and we did not say so: killed at once, and nothing is reported."""
    stage = Stage()
    stage.at(5.0, stage.log_says, status, event="a-verdict")
    await stage.silence()
    assert ["kill"] == stage.process.asked
    assert not stage.tenure.is_vouched_for


async def test_a_lease_of_another_is_fenced() -> None:
    """Somebody else holds the workflow: this process is nobody's."""
    stage = Stage()
    stage.at(5.0, stage.log_says, Status.RUNNING, position=LEASE + 5)
    await stage.silence()
    assert ["kill"] == stage.process.asked


async def test_a_fence_overrules_a_polite_end() -> None:
    """Nobody believes this lease any more: no time is lost on grace, and nothing is reported."""
    stage = Stage()
    stage.process.heeds_after_s = None
    stage.at(5.0, stage.log_says, Status.CANCELLING)
    stage.at(5.1, stage.log_says, Status.FAILED, event="a-verdict")
    await stage.silence()
    assert ["cancel", "kill"] == stage.process.asked
    assert 5.1 == pytest.approx(asyncio.get_running_loop().time(), abs=0.1)


async def test_a_fence_while_the_process_is_made_kills_it_when_it_is_there() -> None:
    """It never gets to do anything that counts."""
    stage = Stage()
    stage.pool.takes_s = 3.0
    stage.at(1.0, stage.log_says, Status.FAILED, event="a-verdict")
    await stage.silence()
    assert ["kill"] == stage.process.asked


@pytest.mark.parametrize("status", [Status.PENDING, Status.FAILED])
async def test_what_the_log_said_before_the_claim_means_nothing(status: Status) -> None:
    """A follower of a cluster may answer a moment behind; a healthy process must not pay for it."""
    stage = Stage()
    stage.at(1.0, stage.log_says, status, position=LEASE - 1)
    stage.at(5.0, stage.process.end, RETURNED)
    assert "succeeded" == (await stage.outcome())["event"]
    assert [] == stage.process.asked


async def test_the_log_saying_that_it_runs_changes_nothing() -> None:
    """It is what we know."""
    stage = Stage()
    stage.at(1.0, stage.log_says, Status.RUNNING)
    stage.at(5.0, stage.process.end, RETURNED)
    assert "succeeded" == (await stage.outcome())["event"]


async def test_a_verdict_after_the_end_stops_the_waiting() -> None:
    """The report was delivered and refused; there is nothing left to do, and nothing to kill."""
    stage = Stage()
    stage.at(1.0, stage.process.end, RETURNED)
    await asyncio.sleep(2.0)
    stage.log_says(Status.FAILED, event="a-verdict")
    await stage.running
    assert 1 == len(stage.reports)
    assert [] == stage.process.asked


async def test_a_report_that_is_not_settled_is_delivered_again() -> None:
    """Until the log says that it is over; the stream drops what it knows."""
    stage = Stage()
    delivered: list[float] = []
    genuine = stage.post.store

    async def watched(subject: str, payload: bytes, **named: Any) -> bool:
        delivered.append(round(asyncio.get_running_loop().time()))
        return await genuine(subject, payload, **named)

    stage.post.store = watched  # type: ignore[method-assign]
    stage.at(1.0, stage.process.end, RETURNED)
    stage.at(20.0, stage.settle)
    await stage.running
    assert [1, 7, 13, 19] == delivered
    assert 1 == len(stage.reports)


async def test_it_vouches_until_the_outcome_is_accepted() -> None:
    """An auditor that asks in between is told that the report is on its way."""
    stage = Stage()
    stage.at(1.0, stage.process.end, RETURNED)
    await asyncio.sleep(3.0)
    before = stage.tenure.is_vouched_for
    assert 1 == stage.freed
    stage.settle()
    await stage.running
    assert (True, False) == (before, stage.tenure.is_vouched_for)
    assert 1.0 == counted(stage.metrics, "truth_lag_seconds_count", stage="accepted")


async def test_what_the_process_says_is_repeated() -> None:
    """Progress, what it waits for, output; all of it before the tenure is over."""
    stage = Stage()
    usage = Usage(total_tokens=15, calls=1)
    stage.at(1.0, stage.process.say, Progressed(progress=Progress(done=1, total=3), usage=usage))
    stage.at(2.0, stage.process.say, Waiting(waiting_for="Is this right?"))
    stage.at(
        3.0,
        stage.process.say,
        Lines(lines=(LogLine(at=second(3), stream="stdout", text="hello"),), dropped=2),
    )
    stage.at(3.0, stage.process.end, RETURNED)
    await stage.outcome()
    made = stage.post.payloads(subjects.progress("w-1"))
    assert [(1, None, 15), (1, "Is this right?", 15)] == [
        (one["progress"]["done"], one["waiting_for"], one["usage"]["total_tokens"]) for one in made
    ]
    [logged] = stage.post.payloads(subjects.logline("w-1"))
    assert (2, "hello") == (logged["dropped"], logged["lines"][0]["text"])


async def test_warnings_are_bounded() -> None:
    """Twenty of 500 characters: they stand in a record that everyone reads."""
    stage = Stage()
    stage.at(1.0, stage.process.end, Returned(warnings=("x" * 1000,) * 100))
    warnings = (await stage.outcome())["warnings"]
    assert [500] * 20 == [len(warning) for warning in warnings]


async def test_a_large_result_keeps_its_slot_until_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that end faster than their results can be stored would fill memory."""
    keep_result = FakeResults.keep_result

    async def slowly(results: FakeResults, *given: Any) -> ResultReference:
        await asyncio.sleep(5.0)
        return await keep_result(results, *given)

    monkeypatch.setattr(FakeResults, "keep_result", slowly)
    stage = Stage()
    stage.at(1.0, stage.process.end, Returned(result=msgspec.Raw(b'"' + b"x" * 300_000 + b'"')))
    await asyncio.sleep(3.0)
    assert stage.tenure.process_ended.is_set()
    assert 0 == stage.freed
    event = await stage.outcome()
    assert 300_002 == event["result_ref"]["size"]
