"""The heart: one beat per executor and interval, listing the leases that it vouches for.

Cost grows with hosts, not with workflows.  Each beat expires on the server after the heartbeat timeout, and
its expiry is announced by a marker, so that nobody needs to look at a clock to notice silence.
"""

import asyncio
import math
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import structlog

from lastword import __version__
from lastword.actors.ports import Post
from lastword.bus import Unavailable
from lastword.contracts import subjects
from lastword.contracts.messages import Held, Pulse

__all__ = ["Heart"]

log = structlog.get_logger(__name__)


class Heart:
    """Beats for one executor."""

    def __init__(
        self,
        post: Post,
        executor: str,
        *,
        interval_s: float,
        timeout_s: float,
        slots: int,
        vouched_for: Callable[[], tuple[Held, ...]],
    ) -> None:
        self._post = post
        self._executor = executor
        self._interval_s = interval_s
        self._ttl_s = math.ceil(timeout_s)  # the server takes whole seconds
        self._slots = slots
        self._vouched_for = vouched_for
        self._started_at = datetime.now(UTC)
        self._count = 0
        self._soon = asyncio.Event()
        self.state = "serving"
        self.definitions: tuple[str, ...] = ()
        """What the executor serves; known once each definition has been loaded."""
        self.last_beat_s: float | None = None
        """Loop time of the last beat that the server acknowledged."""

    def beat_soon(self) -> None:
        """Beat before the interval is over, because there is news: a lease taken or given back."""
        self._soon.set()

    async def run(self) -> None:
        """Beat until cancelled: each interval, and within a quarter of it after news."""
        while True:
            await self.beat()
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._soon.wait()
                    await asyncio.sleep(min(0.25, self._interval_s / 4))
            except TimeoutError:
                pass
            self._soon.clear()

    async def beat(self) -> bool:
        """Beat once; return whether the server has it."""
        self._count += 1
        pulse = Pulse(
            executor=self._executor,
            at=datetime.now(UTC),
            state=self.state,
            beat=self._count,
            leases=self._vouched_for(),
            slots=self._slots,
            definitions=self.definitions,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=self._started_at,
            version=__version__,
        )
        try:
            await self._post.store(
                subjects.pulse(self._executor), msgspec.json.encode(pulse), ttl_s=self._ttl_s
            )
        except Unavailable as error:
            log.debug("pulse.lost", executor=self._executor, why=str(error))
            return False
        self.last_beat_s = asyncio.get_running_loop().time()
        return True

    async def say_goodbye(self) -> None:
        """Beat a last time, as `gone`: nobody needs to wonder."""
        self.state = "gone"
        await self.beat()
