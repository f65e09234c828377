"""The auditor: looks for workflows whose process nobody vouches for.

Owns: a watchlist.
Hears: the log, the pulses and their expiry markers, the server's disconnect events, `reconcile` commands.
Says: verdicts, as reports like any other.

Evidence is suspicion, not a verdict: it asks the executor, waits out a reconnect window, reads again, and
only then reports.  Several may run: their verdicts carry the same id, and the stream keeps one.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import msgspec
import nats.js.errors
import structlog
from nats.aio.msg import Msg

from lastword import __version__
from lastword.actors.keep import keep
from lastword.actors.settings import AuditorSettings
from lastword.actors.watchlist import Suspicion, Watchlist
from lastword.bus import Bus, Follower, Heard, StatusLog, Unavailable, decode_record, serve_commands
from lastword.bus.connection import TRANSIENT
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

__all__ = ["Auditor"]

log = structlog.get_logger(__name__)

SETTLE_S: Final = 3.0  # seconds that reconcile waits for its verdict to be accepted
DISCONNECTS: Final = "$SYS.ACCOUNT.*.DISCONNECT"
CLOSED_BY_CLIENT: Final = "Client Closed"
"""The server's reason when a process ends, however it ends; a cut link shows up as another reason, later."""


class Auditor:
    """Everything that one auditor process runs."""

    name: ClassVar[str] = "auditor"

    def __init__(
        self,
        bus: Bus,
        settings: AuditorSettings,
        metrics: Metrics,
        *,
        interval_s: float,
        system: Bus | None = None,
    ) -> None:
        """`interval_s` is the executors' heartbeat interval; `system` a connection to the system account."""
        self._bus = bus
        self._system = system
        self._settings = settings
        self._metrics = metrics
        self._interval_s = interval_s
        self._log = StatusLog(bus)
        self._watchlist = Watchlist(timeout_s=settings.heartbeat_timeout_s, interval_s=interval_s)
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._verdicts: set[str] = set()
        self._server_ahead_s = 0.0
        self._pulse_decoder = msgspec.json.Decoder(Pulse)
        self._settled: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        """Audit until cancelled."""
        await keep("audit", self._audit)

    async def _audit(self) -> None:
        self._watchlist = Watchlist(timeout_s=self._settings.heartbeat_timeout_s, interval_s=self._interval_s)
        self._watchlist.cut_off(_now_s())
        head = await self._log.head()
        self._server_ahead_s = head.now.timestamp() - time.time()
        records = Follower(
            self._bus,
            stream=subjects.LOG_STREAM,
            subject=subjects.log(),
            deliver=self._hear_record,
            origin="latest",
            lost=self._cut_off,
        )
        pulses = Follower(
            self._bus,
            stream=subjects.PULSE_STREAM,
            subject=subjects.pulse(),
            deliver=self._hear_pulse,
            origin="latest",
            lost=self._cut_off,
        )
        async with (
            records.open(),
            pulses.open(),
            self._hearing_disconnects(),
            serve_commands(
                self._bus,
                name="lastword-auditor",
                version=__version__,
                description="Finds out whether a workflow's process lives",
                handlers={"reconcile": self.reconcile},
            ),
        ):
            await records.synced.wait()
            await pulses.synced.wait()
            log.info("auditor.ready", name=self._bus.name)
            while True:
                await self._scan()
                await asyncio.sleep(self._settings.scan_interval_s)

    # What it hears

    def _cut_off(self) -> None:
        self._watchlist.cut_off(_now_s())

    def _hear_record(self, heard: Heard) -> None:
        record = decode_record(heard.data)
        entry = Entry(position=heard.position, stored_at=heard.stored_at, record=record)
        age_s = time.time() + self._server_ahead_s - heard.stored_at.timestamp()
        self._watchlist.recorded(entry, _now_s(), max(0.0, age_s))
        if record.status.is_terminal:
            self._verdicts.discard(record.id)
            waiting = self._settled.pop(record.id, None)
            if waiting is not None:
                waiting.set()

    def _hear_pulse(self, heard: Heard) -> None:
        executor = subjects.last_token(heard.subject)
        if heard.is_marker or not heard.data:
            self._watchlist.expired(executor)
            self._suspect_all()
            return
        pulse = self._pulse_decoder.decode(heard.data)
        if pulse.executor != executor:
            log.warning("pulse.misaddressed", subject=heard.subject, executor=pulse.executor)
            return
        self._watchlist.beat(pulse, _now_s())
        if pulse.state == "gone":
            self._suspect_all()

    @asynccontextmanager
    async def _hearing_disconnects(self) -> AsyncGenerator[None, None]:
        """Hear from the server itself when an executor's connection ends."""
        if self._system is None:
            yield
            return

        async def hear(message: Msg) -> None:
            event: dict[str, Any] = msgspec.json.decode(message.data)
            name = str(event.get("client", {}).get("name", ""))
            if event.get("reason") == CLOSED_BY_CLIENT and self._watchlist.held_by(name):
                suspicion = Suspicion(
                    executor=name, why="its connection has ended", code=ErrorCode.EXECUTOR_LOST
                )
                self._suspect(suspicion, self._settings.reconnect_window_s)

        subscription = await self._system.client.subscribe(DISCONNECTS, cb=hear)
        try:
            yield
        finally:
            try:
                await subscription.unsubscribe()
            except TRANSIENT:
                log.debug("auditor.unsubscribed_late")

    # Suspicion

    async def _scan(self) -> None:
        now_s = _now_s()
        self._watchlist.forget_idle(now_s)
        self._suspect_all()
        for entry in list(self._watchlist.overdue(now_s)):
            await self._report_queue_timeout(entry)

    def _suspect_all(self) -> None:
        if not self._bus.is_connected:
            return
        for suspicion in self._watchlist.suspicions(_now_s()):
            # Silence has been waited out already; the window is only there to ask twice.
            self._suspect(suspicion, self._settings.question_timeout_s)

    def _suspect(self, suspicion: Suspicion, window_s: float) -> None:
        if suspicion.executor in self._asking:
            return
        log.info("executor.suspected", executor=suspicion.executor, why=suspicion.why)
        task = asyncio.create_task(self._look_into(suspicion, window_s), name=f"ask {suspicion.executor}")
        self._asking[suspicion.executor] = task
        task.add_done_callback(lambda _: self._asking.pop(suspicion.executor, None))

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
            doubted = [held for held in doubted if held in self._watchlist.unlisted(executor)]
        doubted = await self._unvouched(executor, tuple(doubted))
        if not doubted or not self._bus.is_connected or not self._watchlist.trusts(executor, _now_s()):
            return
        await self._report_lost(suspicion, doubted)

    def _has_beaten_since(self, executor: str, began_s: float) -> bool:
        last_s = self._watchlist.last_beat_s(executor)
        return last_s is not None and last_s > began_s

    async def _unvouched(self, executor: str, leases: tuple[Held, ...]) -> list[Held]:
        """Return those of the leases that the executor, asked now, does not vouch for."""
        if not leases:
            return []
        try:
            answer = await self._bus.request(
                subjects.executor(executor),
                msgspec.json.encode(Question(leases=leases)),
                timeout_s=self._settings.question_timeout_s,
            )
            held = set(msgspec.json.decode(answer, type=Answer).held)
        except (Unavailable, msgspec.DecodeError):
            return list(leases)
        return [lease for lease in leases if lease not in held]

    # Verdicts

    async def _report_lost(self, suspicion: Suspicion, doubted: list[Held]) -> None:
        try:
            standing = await self._log.read_many([held.id for held in doubted])
        except Unavailable:
            return  # the scan comes again
        for held in doubted:
            entry = standing.get(held.id)
            if entry is None or entry.lease != held.lease:
                continue
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
            id=workflow_id, event=event, event_id=event_id, actor=self._bus.name, at=datetime.now(UTC)
        )
        try:
            ack = await self._bus.js.publish(
                subjects.report(workflow_id), msgspec.json.encode(report), headers={"Nats-Msg-Id": event_id}
            )
        except (nats.js.errors.Error, *TRANSIENT) as error:
            log.debug("verdict.not_yet", workflow=workflow_id, error=type(error).__name__)
            return False
        return not ack.duplicate

    # Reconcile

    async def reconcile(self, command: Reconcile) -> Reply:
        """Answer how a workflow stands, after asking its executor now."""
        entry = await self._log.read(command.id) if is_token(command.id) else None
        if entry is None:
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
            settled = self._settled.setdefault(command.id, asyncio.Event())
            held = Held(id=command.id, lease=lease)
            if await self._unvouched(executor, (held,)) and await self._confirm_lost(executor, held):
                try:
                    async with asyncio.timeout(SETTLE_S):
                        await settled.wait()
                except TimeoutError:
                    log.warning("reconcile.unsettled", workflow=command.id)
            self._settled.pop(command.id, None)
            entry = await self._log.read(command.id) or entry
        self._metrics.command("reconcile", "accepted")
        return Reply(
            accepted=Accepted(position=entry.position, stored_at=entry.stored_at, record=entry.record)
        )

    async def _confirm_lost(self, executor: str, held: Held) -> bool:
        """Ask once more after the window; report the lease lost unless a fresh beat speaks for it."""
        await asyncio.sleep(self._settings.reconnect_window_s)
        if not await self._unvouched(executor, (held,)):
            return False
        last_s = self._watchlist.last_beat_s(executor)
        fresh = last_s is not None and _now_s() - last_s < self._interval_s
        if fresh and held not in self._watchlist.unlisted(executor):
            return False
        if not self._watchlist.trusts(executor, _now_s()):
            return False
        why = "asked to reconcile"
        await self._report_lost(Suspicion(executor=executor, why=why, code=ErrorCode.EXECUTOR_LOST), [held])
        return True


def _now_s() -> float:
    """Read the clock by which liveness is judged: monotonic, and this process's own."""
    return time.monotonic()
