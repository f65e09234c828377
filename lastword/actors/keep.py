"""Keeping a task alive: one-for-one restarts with a limit, as OTP's supervisors do it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, cast

import structlog

from lastword.actors.exceptions import Escalated
from lastword.bus import Unavailable

__all__ = ["keep"]

log = structlog.get_logger(__name__)

WAIT_S: Final = 0.3  # between two looks for what is only unavailable
FIRST_DELAY_S: Final = 0.1  # after a failure, doubling
LAST_DELAY_S: Final = 2.0  # to this


async def keep(
    name: str, start: Callable[[], Awaitable[None]], *, restarts: int = 5, within_s: float = 60.0
) -> None:
    """Await `start()`, and again whenever it fails, until it returns.

    What is only unavailable is waited for, without a limit.  More than `restarts` other failures within
    `within_s` raise `Escalated`: the group falls, and whoever runs the process restarts it.  Between two
    tries it waits 0.1 s, doubling to 2 s.
    """
    failures: deque[float] = deque()
    loop = asyncio.get_running_loop()
    while True:
        try:
            await start()
        except Exception as error:
            if _is_unavailable(error):
                # Nothing of ours has failed: the server, a stream or its leader is not there yet, or again.
                log.info("task.waiting", task=name, error=str(error))
                await asyncio.sleep(WAIT_S)
                continue
            now = loop.time()
            failures.append(now)
            while failures and now - failures[0] > within_s:
                failures.popleft()
            log.exception("task.failed", task=name, failures=len(failures))
            if len(failures) > restarts:
                raise Escalated(name, restarts, within_s) from error
            await asyncio.sleep(min(FIRST_DELAY_S * 2 ** (len(failures) - 1), LAST_DELAY_S))
        else:
            return


def _is_unavailable(error: Exception) -> bool:
    if isinstance(error, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", error)
        return all(_is_unavailable(one) for one in group.exceptions)
    return isinstance(error, Unavailable)
