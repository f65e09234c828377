"""The chronicler: repeats what a process says, no faster than people can use it.

Progress is throttled and the last word wins; output is gathered for a tenth of a second.  Neither is
acknowledged: what matters comes in the final report, and a lost line is marked by its count.
"""

import asyncio
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog

from lastword.bus import Bus
from lastword.bus.connection import TRANSIENT
from lastword.contracts import subjects
from lastword.contracts.events import Progress, Usage
from lastword.contracts.messages import Held, Logged, LogLine, ProgressMade

__all__ = ["Chronicler"]

log = structlog.get_logger(__name__)

GATHER_S: Final = 0.1
MAX_BYTES: Final = 262_144  # of one message of lines; what is over is dropped and counted


class Chronicler:
    """Publishes progress and output of one lease."""

    def __init__(self, bus: Bus, held: Held, *, interval_s: float) -> None:
        self._bus = bus
        self._held = held
        self._interval_s = interval_s
        self._revision = 0
        self._progress = Progress()
        self._usage: Usage | None = None
        self._waiting_for: str | None = None
        self._lines: list[LogLine] = []
        self._size = 0
        self._dropped = 0
        self._progress_due = False
        self._task: asyncio.Task[None] | None = None

    def progressed(self, progress: Progress, usage: Usage | None) -> None:
        """Take note that the work got further."""
        self._progress, self._usage = progress, usage
        self._progress_due = True
        self._wake()

    def waits_for(self, what: str | None) -> None:
        """Take note that the work waits for a person, or (None) no longer does."""
        self._waiting_for = what
        self._progress_due = True
        self._wake()

    def wrote(self, lines: tuple[LogLine, ...], dropped: int) -> None:
        """Take note of lines; `dropped` were left out just before them."""
        self._dropped += dropped
        for line in lines:
            if self._size > MAX_BYTES:
                self._dropped += 1
            else:
                self._lines.append(line)
                self._size += len(line.text) + 80
        self._wake()

    async def flush(self) -> None:
        """Publish what is left, now."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._publish()

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._publish_in_steps(), name=f"chronicle {self._held.id}")

    async def _publish_in_steps(self) -> None:
        """Publish at once, then at most every interval while there is more."""
        while self._progress_due or self._lines or self._dropped:
            await self._publish()
            await asyncio.sleep(max(self._interval_s, GATHER_S))

    async def _publish(self) -> None:
        now = datetime.now(UTC)
        try:
            if self._progress_due:
                self._progress_due = False
                self._revision += 1
                made = ProgressMade(
                    id=self._held.id,
                    at=now,
                    lease=self._held.lease,
                    revision=self._revision,
                    progress=self._progress,
                    usage=self._usage,
                    waiting_for=self._waiting_for,
                )
                await self._bus.client.publish(subjects.progress(self._held.id), msgspec.json.encode(made))
            if self._lines or self._dropped:
                lines, self._lines, self._size = tuple(self._lines), [], 0
                dropped, self._dropped = self._dropped, 0
                logged = Logged(id=self._held.id, lines=lines, dropped=dropped)
                await self._bus.client.publish(subjects.logline(self._held.id), msgspec.json.encode(logged))
        except TRANSIENT as error:
            log.debug("chronicle.lost", workflow=self._held.id, error=type(error).__name__)
