"""A tenure: one workflow under one lease, from the claim to the terminal record.

It obeys the log.  `cancelling` ends the process politely; a terminal status that it did not cause ends the
process at once and silently (a zombie is fenced, not believed).  What it reports is what it saw: the
process's own last word, or how the kernel says that it ended, or, where this executor ended it, why.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
import structlog

from lastword.actors.chronicler import Chronicler
from lastword.actors.courier import Courier
from lastword.actors.ports import Process, Starter
from lastword.bus import MAX_INLINE_RESULT
from lastword.child.errors import SpawnFailed
from lastword.child.protocol import Ended, Lines, Progressed, Returned, Waiting, Work
from lastword.contracts.events import Cancelled, Error, Failed, Succeeded
from lastword.contracts.messages import Held, Report
from lastword.contracts.records import Entry
from lastword.contracts.statuses import ErrorCode, Status
from lastword.telemetry import traces
from lastword.telemetry.metrics import Metrics

__all__ = ["Tenure", "WhyEnded"]

log = structlog.get_logger(__name__)

MAX_WARNINGS: Final = 20
MAX_WARNING: Final = 500  # characters


class WhyEnded(StrEnum):
    """Why an executor ended a process; the default is that it did not."""

    CANCEL = "cancel"
    DEADLINE = "deadline"
    SHUTDOWN = "shutdown"
    ISOLATED = "isolated"
    FENCED = "fenced"


AT_ONCE: Final = frozenset({WhyEnded.DEADLINE, WhyEnded.FENCED, WhyEnded.ISOLATED})
"""Reasons that leave no time to be polite."""


class Tenure:
    """Runs one claimed workflow."""

    def __init__(
        self,
        held: Held,
        work: Work,
        *,
        deadline_s: float | None,
        executor: str,
        pool: Starter,
        courier: Courier,
        chronicler: Chronicler,
        metrics: Metrics,
        term_grace_s: float,
        freed: Callable[[], None],
    ) -> None:
        """`freed` is called once, when the process is gone or never came: its slot is free."""
        self.held = held
        self._deadline_s = deadline_s
        self._freed = freed
        self._work = work
        self._executor = executor
        self._pool = pool
        self._courier = courier
        self._chronicler = chronicler
        self._metrics = metrics
        self._term_grace_s = term_grace_s
        self._child: Process | None = None
        self._why: WhyEnded | None = None
        self._claimed_at_s = time.monotonic()
        self._ended_at_s: float | None = None
        self._ending: asyncio.Task[None] | None = None
        self.settled = asyncio.Event()
        """Set when the log says that the workflow has ended."""
        self.process_ended = asyncio.Event()
        """Set when the process is gone, or never came."""

    @property
    def is_vouched_for(self) -> bool:
        """Whether the process was just seen alive, or its outcome has yet to be accepted."""
        return not self.settled.is_set()

    def obey(self, entry: Entry) -> None:
        """Act on what the log says of the workflow. Handling a record twice changes nothing."""
        record = entry.record
        if entry.position < self.held.lease:
            return  # from before our claim: on a cluster, a batched read may be answered a moment behind
        if record.status.is_terminal:
            self._settle(entry)
        elif record.status is Status.CANCELLING and entry.lease == self.held.lease:
            self.end(WhyEnded.CANCEL)
        elif entry.lease != self.held.lease:
            self.end(WhyEnded.FENCED)

    def give_up(self) -> None:
        """End the process at once and wait for nothing more: the log is another one, without this lease."""
        self.settled.set()
        self.end(WhyEnded.FENCED)

    def end(self, why: WhyEnded) -> None:
        """End the process: at once for a deadline or a fence, politely otherwise. The first reason stands.

        A fence overrules: whatever the reason was, nobody believes this lease any more.
        """
        if self._why is None or why is WhyEnded.FENCED:
            self._why = why
            self._carry_out()

    async def run(self, *, redeliver_s: float) -> None:
        """Start the process, see it end, report, and stay until the log says that it has ended.

        A report that is not accepted within `redeliver_s` is delivered once more.
        """
        try:
            outcome = await self._work_through()
        except BaseException:
            self.process_ended.set()
            self._freed()
            raise
        self.process_ended.set()
        # A large result keeps its slot until it lies in the bucket: processes that end faster than results
        # can be stored would fill memory.
        is_bulky = _is_bulky(outcome)
        if not is_bulky:
            self._freed()
        try:
            if self._why is WhyEnded.FENCED:
                await self._chronicler.flush()
                return
            await asyncio.gather(self._courier.deliver(outcome), self._chronicler.flush())
        finally:
            if is_bulky:
                self._freed()
        while not self.settled.is_set():
            try:
                async with asyncio.timeout(redeliver_s):
                    await self.settled.wait()
            except TimeoutError:
                await self._courier.deliver(outcome)

    async def _work_through(self) -> Report:
        if self._is_asked_to_end():
            return self._report(self._judge(_never_began()))
        with traces.span("process", lastword__workflow=self.held.id) as step:
            return await self._run_process(step)

    async def _run_process(self, step: traces.Span) -> Report:
        """Start the process, and see it end; it can go on with the trace by its `TRACEPARENT`."""
        carrier = {name.upper(): value for name, value in traces.carrier().items()}
        try:
            child = await self._pool.spawn(
                msgspec.structs.replace(self._work, environment={**self._work.environment, **carrier})
            )
        except SpawnFailed as error:
            if self._is_asked_to_end():  # and so it has
                return self._report(self._judge(_never_began()))
            return self._report(
                Failed(lease=self.held.lease, finished_at=datetime.now(UTC), error=error.error)
            )
        self._child = child
        self._metrics.child_spawned(time.monotonic() - self._claimed_at_s)
        log.info("workflow.process_started", workflow=self.held.id, pid=child.pid)
        self._carry_out()  # what was asked while the process was being made
        loop = asyncio.get_running_loop()
        alarm = None
        if self._deadline_s is not None:
            rest_s = self._deadline_s - (time.monotonic() - self._claimed_at_s)
            alarm = loop.call_later(max(0.0, rest_s), self.end, WhyEnded.DEADLINE)
        try:
            listening = asyncio.create_task(self._listen(child), name=f"listen {self.held.id}")
            ended = await child.ended()
            await listening
            if self._ending is not None:
                await self._ending
        finally:
            if alarm is not None:
                alarm.cancel()
        self._ended_at_s = ended.ended_at_s
        step.tell(process__pid=child.pid, lastword__ended=ended.signal or f"exit code {ended.exit_code}")
        log.info(
            "workflow.process_ended",
            workflow=self.held.id,
            pid=child.pid,
            exit_code=ended.exit_code,
            signal=ended.signal,
            why=self._why,
        )
        return self._report(self._judge(ended))

    async def _listen(self, child: Process) -> None:
        async for message in child.messages():
            match message:
                case Progressed():
                    self._chronicler.progressed(message.progress, message.usage)
                case Waiting():
                    self._chronicler.waits_for(message.waiting_for)
                case Lines():
                    self._chronicler.wrote(message.lines, message.dropped)
                case _:
                    pass

    def _is_asked_to_end(self) -> bool:
        return self._why is not None

    def _carry_out(self) -> None:
        """End the process as asked, if it was asked and there is one."""
        child = self._child
        if child is None or self._why is None:
            return
        if self._why in AT_ONCE:
            child.kill()
        elif self._ending is None:
            self._ending = asyncio.create_task(self._end_politely(child), name=f"end {self.held.id}")

    async def _end_politely(self, child: Process) -> None:
        await child.cancel(grace_s=self._term_grace_s)

    def _judge(self, ended: Ended) -> Succeeded | Failed | Cancelled:
        """Say how the work ended. A result that was sent is a success, whatever was asked meanwhile."""
        seen: dict[str, Any] = {
            "lease": self.held.lease,
            "finished_at": ended.finished_at,
            "warnings": tuple(warning[:MAX_WARNING] for warning in ended.warnings[:MAX_WARNINGS]),
            "usage": ended.usage,
            "progress": ended.progress,
        }
        if isinstance(ended.final, Returned):
            return Succeeded(result=ended.final.result, **seen)
        match self._why:
            case WhyEnded.CANCEL:
                return Cancelled(**seen)
            case WhyEnded.DEADLINE:
                message = f"It ran longer than its deadline of {self._deadline_s:g} s and was killed."
                return Failed(error=self._ended_by_us(ErrorCode.DEADLINE_EXCEEDED, message, ended), **seen)
            case WhyEnded.SHUTDOWN:
                message = "Its executor was told to stop and ended the process."
                return Failed(error=self._ended_by_us(ErrorCode.SHUTDOWN, message, ended), **seen)
            case WhyEnded.ISOLATED:
                message = "Its executor was cut off from NATS and ended the process, as it is set to."
                return Failed(error=self._ended_by_us(ErrorCode.SHUTDOWN, message, ended), **seen)
            case _:
                error = ended.error or Error(
                    code=ErrorCode.EXIT_WITHOUT_RESULT, message="It ended without a result."
                )
                return Failed(error=error, **seen)

    def _ended_by_us(self, code: ErrorCode, message: str, ended: Ended) -> Error:
        return Error(
            code=code,
            message=message,
            signal=ended.signal,
            exit_code=ended.exit_code,
            output="\n".join(ended.last_lines) or None,
        )

    def _report(self, event: Succeeded | Failed | Cancelled) -> Report:
        return Report(
            id=self.held.id,
            event=event,
            event_id=self._outcome_id,
            actor=self._executor,
            at=datetime.now(UTC),
        )

    @property
    def _outcome_id(self) -> str:
        """The same for each try, and for each process that may deliver it."""
        return f"{self.held.id}.{self.held.lease}.outcome"

    def _settle(self, entry: Entry) -> None:
        """Take note that the log says it is over. If we did not say so, the process is a zombie: fence it."""
        if self.settled.is_set():
            return
        self.settled.set()
        if entry.record.event == self._outcome_id:
            if self._ended_at_s is not None:
                self._metrics.truth_lag("accepted", time.monotonic() - self._ended_at_s)
            return
        if not self.process_ended.is_set():
            log.warning(
                "workflow.fenced", workflow=self.held.id, status=entry.record.status, by=entry.record.actor
            )
            self.end(WhyEnded.FENCED)


def _never_began() -> Ended:
    """Return the end of a process that was not started, because it was to end before it began."""
    return Ended(finished_at=datetime.now(UTC), ended_at_s=time.monotonic())


def _is_bulky(report: Report) -> bool:
    """Whether the report's result is too large to travel in it."""
    result = getattr(report.event, "result", None)
    return isinstance(result, msgspec.Raw) and len(bytes(result)) > MAX_INLINE_RESULT
