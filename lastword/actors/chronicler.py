"""The chronicler: repeats what a process says, no faster than people can use it.

Progress is throttled and the last word wins; output is gathered for a tenth of a second.  Neither is
acknowledged: what matters comes in the final report, and a lost line is marked by its count.
"""

import asyncio
from collections import deque
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from lastword.actors.ports import Post
from lastword.bus import TooLarge, Unavailable
from lastword.contracts import subjects
from lastword.contracts.events import Progress, Usage
from lastword.contracts.messages import Held, Logged, LogLine, ProgressMade

__all__ = ["Chronicler"]

log = structlog.get_logger(__name__)

GATHER_S: Final = 0.1
MAX_BYTES: Final = 262_144  # of JSON waiting to be published; what is over is dropped and counted


class _Stretch(Struct, kw_only=True):
    """Lines without a gap between them, and how many were left out before the first."""

    dropped: int = 0
    lines: list[LogLine] = []
    size: int = 0
    """Bytes of the lines, as JSON."""


class Chronicler:
    """Publishes progress and output of one lease."""

    def __init__(self, post: Post, held: Held, *, interval_s: float) -> None:
        self._post = post
        self._held = held
        self._interval_s = interval_s
        self._revision = 0
        self._progress = Progress()
        self._usage: Usage | None = None
        self._waiting_for: str | None = None
        self._progress_due = False
        self._stretches: deque[_Stretch] = deque()
        self._size = 0
        self._hurry = asyncio.Event()
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
        self._drop(dropped)
        for line in lines:
            size = len(msgspec.json.encode(line))
            if self._size + size > MAX_BYTES:
                self._drop(1)
            else:
                if not self._stretches:
                    self._stretches.append(_Stretch())
                self._stretches[-1].lines.append(line)
                self._stretches[-1].size += size
                self._size += size
        if self._stretches:
            self._wake()

    async def flush(self) -> None:
        """Publish what is left, now."""
        self._hurry.set()
        self._wake()
        if self._task is not None:
            await self._task
        self._hurry.clear()

    def _drop(self, count: int) -> None:
        """Mark a gap after what waits."""
        if count:
            if not self._stretches or self._stretches[-1].lines:
                self._stretches.append(_Stretch())
            self._stretches[-1].dropped += count

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._publish_in_steps(), name=f"chronicle {self._held.id}")

    async def _publish_in_steps(self) -> None:
        """Publish at once, then at most every interval while there is more; when hurried, without a pause."""
        while self._progress_due or self._stretches:
            if self._progress_due:
                await self._publish_progress()
            if self._stretches:
                await self._publish_stretch()
            try:
                async with asyncio.timeout(max(self._interval_s, GATHER_S)):
                    await self._hurry.wait()
            except TimeoutError:
                pass

    async def _publish_progress(self) -> None:
        self._progress_due = False
        self._revision += 1
        made = ProgressMade(
            id=self._held.id,
            at=datetime.now(UTC),
            lease=self._held.lease,
            revision=self._revision,
            progress=self._progress,
            usage=self._usage,
            waiting_for=self._waiting_for,
        )
        await self._tell(subjects.progress(self._held.id), msgspec.json.encode(made))

    async def _publish_stretch(self) -> None:
        stretch = self._stretches.popleft()
        self._size -= stretch.size
        logged = Logged(id=self._held.id, lines=tuple(stretch.lines), dropped=stretch.dropped)
        await self._tell(subjects.logline(self._held.id), msgspec.json.encode(logged))

    async def _tell(self, subject: str, payload: bytes) -> None:
        try:
            await self._post.tell(subject, payload)
        except (Unavailable, TooLarge) as error:
            log.debug("chronicle.lost", workflow=self._held.id, subject=subject, why=str(error))
