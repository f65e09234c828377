"""The examiner: turns evidence that a process may be gone into a verdict, or drops it.

Owns: a watchlist, and the questions under way.
Hears: what the auditor hears, in its order.
Says: questions to executors; verdicts, as reports like any other.

Evidence is suspicion, not a verdict.  The examiner asks the executor; if it does not vouch for a lease, waits
out a window in which it may come back; asks again; reads the log again; and only then reports.  It judges
nobody while it is itself cut off, nor, afterwards, before there was time for a beat.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec
import structlog

from lastword.actors.ports import Ledger, Post
from lastword.actors.settings import AuditorSettings
from lastword.actors.watchlist import Suspicion, Watchlist
from lastword.bus import Unavailable, Unheard, decode
from lastword.contracts import subjects
from lastword.contracts.events import Error, Lost, QueueTimedOut
from lastword.contracts.ids import is_token
from lastword.contracts.messages import (
    Accepted,
    Answer,
    Held,
    Problem,
    Pulse,
    Question,
    Reconcile,
    Reply,
    Report,
)
from lastword.contracts.records import Entry
from lastword.contracts.statuses import LIVE, ErrorCode
from lastword.telemetry.metrics import Metrics

__all__ = ["Examiner"]

log = structlog.get_logger(__name__)

_answers = msgspec.json.Decoder(Answer)

SETTLE_S: Final = 3.0  # seconds that reconcile waits for its verdict to be accepted


class _Answered(NamedTuple):
    """What an executor said when it was asked for some leases."""

    doubted: list[Held]
    """Those that it did not vouch for."""
    is_absent: bool = False
    """Whether it is not even connected, says the server."""


class Examiner:
    """Asks, waits, asks again, and reports what nobody vouches for."""

    def __init__(
        self, post: Post, ledger: Ledger, settings: AuditorSettings, metrics: Metrics, *, interval_s: float
    ) -> None:
        """`interval_s` is the executors' heartbeat interval."""
        self._post = post
        self._log = ledger
        self._settings = settings
        self._metrics = metrics
        self._interval_s = interval_s
        self._watchlist = Watchlist(timeout_s=settings.heartbeat_timeout_s, interval_s=interval_s)
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._awaited: dict[str, list[asyncio.Event]] = {}
        self._is_blind = True
        self._tasks: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Ask questions until the block is left, which ends those under way."""
        async with asyncio.TaskGroup() as self._tasks:
            try:
                yield
            finally:
                for task in self._asking.values():
                    task.cancel()

    # What is heard

    def blind(self) -> None:
        """Take note that nothing can be heard for now."""
        self._is_blind = True

    def see(self) -> None:
        """Take note that everything is heard from now on, perhaps again: silence begins to count anew."""
        self._is_blind = False
        self._watchlist.cut_off(_now_s())

    def hear_record(self, entry: Entry, age_s: float) -> None:
        """Take a record of the log; `age_s` is how old it is by the server's clock."""
        self._watchlist.recorded(entry, _now_s(), age_s)
        if entry.record.status.is_terminal:
            for awaited in self._awaited.pop(entry.record.id, ()):
                awaited.set()

    def hear_beat(self, pulse: Pulse, age_s: float) -> None:
        """Take a beat; `age_s` is how old it is by the server's clock."""
        self._watchlist.beat(pulse, _now_s(), age_s)
        if pulse.state == "gone":
            self.suspect_all()

    def hear_expiry(self, executor: str) -> None:
        """Take note that an executor's last beat has expired, says the server."""
        self._watchlist.expired(executor)
        self.suspect_all()

    def hear_disconnect(self, executor: str) -> None:
        """Take note that an executor's connection has ended, says the server; it may come back."""
        if self._watchlist.held_by(executor):
            suspicion = Suspicion(
                executor=executor, why="its connection has ended", code=ErrorCode.EXECUTOR_LOST
            )
            self._suspect(suspicion, self._settings.reconnect_window_s)

    # Suspicion

    async def scan(self) -> None:
        """Look at everything, for what no event announced."""
        now_s = _now_s()
        self._watchlist.forget_idle(now_s)
        self._metrics.workflows(
            self._watchlist.counts(),
            stale=self._watchlist.stale(now_s),
            stuck=self._watchlist.stuck(now_s, self._verdict_due_s),
        )
        self._metrics.executors(self._watchlist.serving(now_s))
        self.suspect_all()
        for entry in list(self._watchlist.overdue(now_s)):
            await self._report_queue_timeout(entry)

    def suspect_all(self) -> None:
        """Begin to ask everyone whose silence, or whose forgotten lease, calls for it."""
        if self._is_blind or not self._post.is_connected:
            return
        for suspicion in self._watchlist.suspicions(_now_s()):
            # Silence has been waited out already; the window is only there to ask twice.
            self._suspect(suspicion, self._settings.question_timeout_s)

    @property
    def _verdict_due_s(self) -> float:
        """Silence after which there must have been a verdict: the timeout, all questions, and patience."""
        settings = self._settings
        asking_s = settings.reconnect_window_s + 3 * settings.question_timeout_s
        return settings.heartbeat_timeout_s + asking_s + self._interval_s + 2 * settings.scan_interval_s

    def _suspect(self, suspicion: Suspicion, window_s: float) -> None:
        executor = suspicion.executor
        if self._tasks is None or executor in self._asking:
            return
        log.info("executor.suspected", executor=executor, why=suspicion.why)
        task = self._tasks.create_task(self._look_into(suspicion, window_s), name=f"ask {executor}")
        self._asking[executor] = task
        task.add_done_callback(lambda _: self._asking.pop(executor, None))

    async def _look_into(self, suspicion: Suspicion, window_s: float) -> None:
        """Ask, wait, ask again, read again; report what nobody vouches for."""
        executor = suspicion.executor
        began_s = _now_s()
        doubted = await self._unvouched(executor, self._watchlist.held_by(executor))
        if not doubted:
            return
        await asyncio.sleep(window_s)
        if self._has_beaten_since(executor, began_s):
            # It is back: only what it itself no longer lists is in doubt.
            unlisted = self._watchlist.unlisted(executor)
            doubted = [held for held in doubted if held in unlisted]
        doubted = await self._unvouched(executor, doubted)
        if doubted and self._may_judge(executor):
            await self._report_lost(suspicion, doubted)

    def _has_beaten_since(self, executor: str, began_s: float) -> bool:
        last_s = self._watchlist.last_beat_s(executor)
        return last_s is not None and last_s > began_s

    def _may_judge(self, executor: str) -> bool:
        """Whether this executor's silence can only be its own."""
        return not self._is_blind and self._post.is_connected and self._watchlist.trusts(executor, _now_s())

    async def _unvouched(self, executor: str, leases: Sequence[Held]) -> list[Held]:
        """Return those of the leases that the executor, asked now, does not vouch for."""
        return (await self._ask(executor, leases)).doubted

    async def _ask(self, executor: str, leases: Sequence[Held]) -> "_Answered":
        if not leases:
            return _Answered([])
        question = Question(leases=tuple(leases))
        try:
            answer = await self._post.request(
                subjects.executor(executor),
                msgspec.json.encode(question),
                timeout_s=self._settings.question_timeout_s,
            )
            held = set(decode(_answers, answer).held)
        except Unheard:
            return _Answered(list(leases), is_absent=True)
        except (Unavailable, msgspec.DecodeError):
            return _Answered(list(leases))
        return _Answered([lease for lease in leases if lease not in held])

    # Verdicts

    async def _report_lost(self, suspicion: Suspicion, doubted: Sequence[Held]) -> bool:
        """Report the leases that still stand; return whether there was any."""
        try:
            standing = await self._log.read_many([held.id for held in doubted])
        except Unavailable:
            return False  # the scan comes again
        stand = [held for held in doubted if held.id in standing and standing[held.id].lease == held.lease]
        for held in stand:
            message = (
                f"Nobody vouches for the process any more: {suspicion.why}, and its executor "
                f"{suspicion.executor} did not confirm it when asked."
            )
            event = Lost(lease=held.lease, error=Error(code=suspicion.code, message=message))
            if await self._report(held.id, event, f"{held.id}.{held.lease}.lost"):
                self._metrics.heartbeat_timeout(suspicion.code)
                log.warning(
                    "workflow.lost",
                    workflow=held.id,
                    executor=suspicion.executor,
                    code=suspicion.code,
                    why=suspicion.why,
                )
        return bool(stand)

    async def _report_queue_timeout(self, entry: Entry) -> None:
        record = entry.record
        message = (
            f"No executor took it within {record.queue_timeout_s:g} s. "
            f"Is one running that serves {record.definition}?"
        )
        event = QueueTimedOut(error=Error(code=ErrorCode.QUEUE_TIMEOUT, message=message))
        if await self._report(record.id, event, f"{record.id}.queue_timeout"):
            self._metrics.heartbeat_timeout(ErrorCode.QUEUE_TIMEOUT)

    async def _report(self, workflow_id: str, event: Lost | QueueTimedOut, event_id: str) -> bool:
        """Report a verdict; return whether it is the first of its kind that the stream has seen lately."""
        report = Report(
            id=workflow_id, event=event, event_id=event_id, actor=self._post.name, at=datetime.now(UTC)
        )
        try:
            return await self._post.store(
                subjects.report(workflow_id), msgspec.json.encode(report), message_id=event_id
            )
        except Unavailable as error:
            log.debug("verdict.not_yet", workflow=workflow_id, why=str(error))
            return False

    # Reconcile

    async def reconcile(self, command: Reconcile) -> Reply:
        """Answer how a workflow stands, after asking its executor now; raise `Unavailable`."""
        entry = await self._log.read(command.id) if is_token(command.id) else None
        if entry is None:
            self._metrics.command("reconcile", "refused")
            return Reply(
                problem=Problem(
                    status=404,
                    code="unknown_workflow",
                    title="There is no such workflow",
                    detail=f"No workflow has the id {command.id[:80]!r}.",
                )
            )
        executor = entry.record.executor
        lease = entry.lease
        if entry.record.status in LIVE and executor is not None and lease is not None:
            await self._settle(executor, Held(id=command.id, lease=lease))
            entry = await self._log.read(command.id) or entry
        self._metrics.command("reconcile", "accepted")
        return Reply(
            accepted=Accepted(position=entry.position, stored_at=entry.stored_at, record=entry.record)
        )

    async def _settle(self, executor: str, held: Held) -> None:
        """Find out about one lease; where it is lost, report that and wait until it is accepted."""
        settled = asyncio.Event()
        self._awaited.setdefault(held.id, []).append(settled)
        try:
            if await self._is_lost(executor, held):
                why = "somebody asked to reconcile"
                suspicion = Suspicion(executor=executor, why=why, code=ErrorCode.EXECUTOR_LOST)
                if await self._report_lost(suspicion, (held,)):
                    async with asyncio.timeout(SETTLE_S):
                        await settled.wait()
        except TimeoutError:
            log.warning("reconcile.unsettled", workflow=held.id)
        finally:
            others = [one for one in self._awaited.pop(held.id, ()) if one is not settled]
            if others:
                self._awaited[held.id] = others

    async def _is_lost(self, executor: str, held: Held) -> bool:
        """Ask twice, a window apart; a fresh beat speaks for the lease too, unless it leaves it out.

        No silence has been waited out here.  So where the executor is connected and only slow to answer, its
        last beat counts even if it came before the question.
        """
        began_s = _now_s()
        if not await self._unvouched(executor, (held,)):
            return False
        await asyncio.sleep(self._settings.reconnect_window_s)
        answered = await self._ask(executor, (held,))
        if not answered.doubted:
            return False
        since_s = began_s if answered.is_absent else _now_s() - self._interval_s
        if self._has_beaten_since(executor, since_s) and held not in self._watchlist.unlisted(executor):
            return False
        return self._may_judge(executor)


def _now_s() -> float:
    """Read the clock by which liveness is judged: monotonic, and this process's own."""
    return asyncio.get_running_loop().time()
