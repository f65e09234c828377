"""The auditor: looks for workflows whose process nobody vouches for.

Owns: an examiner.
Hears: the log, the pulses and their expiry markers, the server's disconnect events, `reconcile` commands.
Says: nothing itself; the examiner asks and reports.

Several may run: their verdicts carry the same id, and the stream keeps one.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, ClassVar, Final

import msgspec
import structlog
from nats.aio.msg import Msg

from lastword import __version__
from lastword.actors.examiner import Examiner
from lastword.actors.keep import keep
from lastword.actors.settings import AuditorSettings
from lastword.bus import Bus, Follower, Heard, Inspector, StatusLog, decode_record, serve_commands
from lastword.bus.connection import TRANSIENT
from lastword.contracts import subjects
from lastword.contracts.messages import Pulse
from lastword.contracts.records import Entry
from lastword.telemetry.metrics import Metrics

__all__ = ["Auditor"]

log = structlog.get_logger(__name__)

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

    async def run(self) -> None:
        """Audit until cancelled."""
        await keep("audit", self._audit)

    async def _audit(self) -> None:
        status_log = StatusLog(self._bus)
        examiner = Examiner(self._bus, status_log, self._settings, self._metrics, interval_s=self._interval_s)
        ears = _Ears(self._bus, examiner, self._metrics, (await status_log.head()).now)
        async with (
            examiner.open(),
            ears.open(),
            _hearing_disconnects(self._system, examiner),
            serve_commands(
                self._bus,
                self._metrics,
                name="lastword-auditor",
                version=__version__,
                description="Finds out whether a workflow's process lives",
                handlers={"reconcile": examiner.reconcile},
            ),
        ):
            log.info("auditor.ready", name=self._bus.name)
            while True:
                await examiner.scan()
                await asyncio.sleep(self._settings.scan_interval_s)


class _Ears:
    """Tells the examiner what the streams say, how old it is, and when they are silent for our own fault."""

    def __init__(self, bus: Bus, examiner: Examiner, metrics: Metrics, server_now: datetime) -> None:
        self._examiner = examiner
        self._server_ahead_s = server_now.timestamp() - _now_s()  # of our monotonic clock, which never jumps
        self._pulse_inspector = Inspector("pulse", Pulse, metrics, name_of=lambda pulse: pulse.executor)
        self._records = Follower(
            bus,
            stream=subjects.LOG_STREAM,
            subject=subjects.log(),
            deliver=self._hear_record,
            origin="latest",
            lost=examiner.blind,
            caught_up=self._caught_up,
        )
        self._pulses = Follower(
            bus,
            stream=subjects.PULSE_STREAM,
            subject=subjects.pulse(),
            deliver=self._hear_pulse,
            origin="latest",
            lost=examiner.blind,
            caught_up=self._caught_up,
        )

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Hear until the block is left; everything that is stored has been heard when it is entered."""
        async with self._records.open(), self._pulses.open():
            await self._records.synced.wait()
            await self._pulses.synced.wait()
            yield

    def _caught_up(self) -> None:
        if self._records.synced.is_set() and self._pulses.synced.is_set():
            self._examiner.see()

    def _hear_record(self, heard: Heard) -> None:
        # Inputs and results are the bulk of a record, and nothing to us: thousands may wait.
        record = msgspec.structs.replace(decode_record(heard.data), inputs={}, result=None)
        entry = Entry(position=heard.position, stored_at=heard.stored_at, record=record)
        self._examiner.hear_record(entry, self._age_s(heard))

    def _hear_pulse(self, heard: Heard) -> None:
        executor = subjects.last_token(heard.subject)
        if heard.is_marker or not heard.data:
            self._examiner.hear_expiry(executor)
            return
        pulse = self._pulse_inspector.read(heard.subject, heard.data)
        if pulse is not None:
            self._examiner.hear_beat(pulse, self._age_s(heard))

    def _age_s(self, heard: Heard) -> float:
        """Return how long ago the server stored it, by the server's own clock."""
        return max(0.0, _now_s() + self._server_ahead_s - heard.stored_at.timestamp())


@asynccontextmanager
async def _hearing_disconnects(system: Bus | None, examiner: Examiner) -> AsyncGenerator[None, None]:
    """Hear from the server itself when an executor's connection ends, where it lets us."""
    if system is None:
        yield
        return

    async def hear(message: Msg) -> None:
        event: dict[str, Any] = msgspec.json.decode(message.data)
        if event.get("reason") == CLOSED_BY_CLIENT:
            examiner.hear_disconnect(str(event.get("client", {}).get("name", "")))

    subscription = await system.client.subscribe(subjects.DISCONNECTS, cb=hear)
    try:
        yield
    finally:
        try:
            await subscription.unsubscribe()
        except TRANSIENT:
            log.debug("auditor.unsubscribed_late")


def _now_s() -> float:
    """Read the clock by which liveness is judged: monotonic, and this process's own."""
    return asyncio.get_running_loop().time()
