"""The projector: brings the database after the log.

The database remembers its position in the same transaction as the rows, so a crash repeats at most one
batch, which changes nothing.  Every supervisor projects; whoever comes second finds the work done.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from lastword.bus import Bus, Follower, Heard, Inspector, StatusLog, decode_record, epoch_of
from lastword.contracts import subjects
from lastword.contracts.messages import Held, Pulse
from lastword.contracts.records import Entry
from lastword.storage import Database, StorageError, WorkflowStore
from lastword.telemetry.metrics import Metrics

__all__ = ["Projector"]

log = structlog.get_logger(__name__)

RETRY_S = 1.0  # seconds after a fault of the database
LOOKS = 10
LOOK_S = 0.2  # seconds between them
BATCH = 500  # records in one transaction
BACKLOG = 20_000  # records waiting in memory before the feed is read again from the log
BACKLOG_BYTES = 32 * 1_048_576  # of those records
BEATS = 1_024  # executors whose beats wait to be written


class Projector:
    """Writes records and beats into the database."""

    def __init__(
        self, bus: Bus, status_log: StatusLog, database: Database, metrics: Metrics, *, every_s: float
    ) -> None:
        self._bus = bus
        self._log = status_log
        self._store = WorkflowStore(database)
        self._metrics = metrics
        self._every_s = every_s
        self._pulses = Inspector("pulse", Pulse, metrics, name_of=lambda pulse: pulse.executor)
        self._position = 0
        self._head = 0
        self._lost_at_s: float | None = None
        self._reset()
        metrics.projection_lag(self.lag)

    def _reset(self) -> None:
        self._lose_touch()
        self._waiting: list[Entry] = []
        self._waiting_bytes = 0
        self._beats: dict[str, tuple[tuple[Held, ...], datetime]] = {}
        self._wake = asyncio.Event()
        self._overflowed = False
        self._renewed: str | None = None

    async def run(self) -> None:
        """Project until cancelled, and again from where the database stands after each of its faults.

        A database that is away, was restored from an older copy, or follows another log holds up the lists
        and nothing else: statuses are made and told without it.
        """
        while True:
            try:
                await self._project()
            except StorageError as error:
                log.warning("projection.waiting", error=str(error))
                await asyncio.sleep(RETRY_S)

    def lag(self) -> tuple[int, float]:
        """Return how many records the database lacks, and for how long it has lacked the oldest, in seconds.

        While the log is read again, or nothing can be written, it is as old as that.
        """
        if self._lost_at_s is not None:
            return max(0, self._head - self._position), time.monotonic() - self._lost_at_s
        if not self._waiting:
            return 0, 0.0
        return len(self._waiting), (datetime.now(UTC) - self._waiting[0].stored_at).total_seconds()

    def _lose_touch(self) -> None:
        """From now on, until all is read again, the database is behind by what nobody knows."""
        if self._lost_at_s is None:
            self._lost_at_s = time.monotonic()

    async def _project(self) -> None:
        self._reset()
        epoch = await self._recognise()
        await self._catch_up(epoch)
        records = Follower(
            self._bus,
            stream=subjects.LOG_STREAM,
            subject=subjects.log(),
            deliver=self._hear,
            after=self._position,
            renewed=self._hear_of_another_log,
        )
        pulses = Follower(
            self._bus,
            stream=subjects.PULSE_STREAM,
            subject=subjects.pulse(),
            deliver=self._hear_beat,
            origin="latest",
        )
        async with records.open(), pulses.open():
            while True:
                await self._wake.wait()
                self._wake.clear()
                if self._renewed == epoch:  # it went back under its own name
                    await self._log.rename(epoch)
                if self._renewed is not None:
                    return
                await self._write(epoch)
                await asyncio.sleep(self._every_s)

    async def _recognise(self) -> str:
        """Return the log's epoch, a new one where the log ends before what the database has of it.

        Then it was restored from a backup, say, and is another log: its next positions were given out before.
        """
        stored, position = await self._store.position()
        head = await self._log.head()  # asked second: nothing is projected that the log does not have
        for _ in range(LOOKS if self._bus.settings.replicas > 1 else 0):
            if head.position >= position:
                break
            await asyncio.sleep(LOOK_S)  # a leader that was just elected may not have applied all that it has
            head = await self._log.head()
        self._head = head.position
        if stored == head.epoch and head.position < position:
            log.warning("projection.log_went_back", position=head.position, seen=position)
            await self._log.rename(head.epoch)
            return (await self._log.head()).epoch
        return head.epoch

    async def _catch_up(self, epoch: str) -> None:
        """Read what the database has missed straight from the log."""
        self._lose_touch()
        _, self._position = await self._store.position()
        await self._store.project((), epoch=epoch)  # raises where the database follows another log
        async for entries in self._log.replay(self._position):
            await self._store.project(entries, epoch=epoch, after=self._position)
            self._position = entries[-1].position
        self._lost_at_s = None

    async def _write(self, epoch: str) -> None:
        while self._waiting:
            batch: Sequence[Entry] = self._waiting[:BATCH]
            await self._store.project(batch, epoch=epoch, after=self._position)
            self._position = batch[-1].position
            del self._waiting[: len(batch)]
        self._waiting_bytes = 0
        if self._overflowed:
            self._overflowed = False
            await self._catch_up(epoch)
        beats, self._beats = self._beats, {}
        for held, at in beats.values():
            await self._store.touch(held, at)

    def _hear(self, heard: Heard) -> None:
        if len(self._waiting) >= BACKLOG or self._waiting_bytes >= BACKLOG_BYTES:
            self._overflowed = True  # the rest is read from the log once these are written
        elif not self._overflowed:
            record = decode_record(heard.data)
            self._waiting_bytes += len(heard.data)
            self._waiting.append(Entry(position=heard.position, stored_at=heard.stored_at, record=record))
        self._wake.set()

    def _hear_of_another_log(self, name: str) -> None:
        self._renewed = epoch_of(name)  # nothing of it may be written under the old one's name: begin again
        self._wake.set()

    def _hear_beat(self, heard: Heard) -> None:
        pulse = self._pulses.read(heard.subject, heard.data) if heard.data else None
        if pulse is None or not pulse.leases:
            return
        if pulse.executor not in self._beats and len(self._beats) >= BEATS:
            self._pulses.doorkeeper.turn_away("excess", heard.subject, f"{BEATS} executors beat at once")
            return
        self._beats[pulse.executor] = (pulse.leases, heard.stored_at)  # the server's time, not the executor's
        self._wake.set()
