"""An event loop whose clock jumps: nothing waits for real, and the order of events is that of their times.

When nothing is ready, the clock is set to when the next timer is due.  When there is no timer either, nothing
can ever happen again: the loop says so instead of hanging.  Not for sockets, processes or threads, which know
no time but the real one.
"""

import asyncio
import selectors
from collections.abc import Callable

__all__ = ["Deadlock", "VirtualTimeLoop"]


class Deadlock(BaseException):
    """Everyone waits for something that nobody is left to do."""

    def __init__(self) -> None:
        super().__init__("nothing is ready, and no timer is set: the test would hang")


class _Selector(selectors.SelectSelector):
    """Jumps over the time that a real selector would wait."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now; otherwise let the time pass."""
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise Deadlock
            self._jump(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop that begins at second 0."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_Selector(self._pass_time))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now_s

    def _pass_time(self, seconds: float) -> None:
        self._now_s += max(0.0, seconds)
