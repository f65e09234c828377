"""What an edge has seen and no record keeps: stale heartbeats, who worked, how late the truth was told.

One small entry a minute, for a week: about 10,000 of them, some 3 MB at most.  Each edge keeps its own and
loses it when it stops; whoever needs it longer scrapes `/metrics`.  Lags are counted in buckets that grow by
a quarter, so that minutes can be added up: a percentile is at most a quarter too high, of a week as of a
minute.
"""

import math
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from lastword.contracts.views import Lag, Vitals

__all__ = ["MINUTE_S", "Trail"]

MINUTE_S: Final = 60
KEPT: Final = 7 * 24 * 60  # minutes
LEAST_S: Final = 0.000_5  # a lag below this is counted as this
GROWTH: Final = 1.25


class _Minute:
    """What was seen in one minute."""

    __slots__ = ("at", "executors", "lags", "load", "slots", "stale", "worst_s")

    def __init__(self, at: int) -> None:
        self.at = at
        self.stale = 0
        self.executors: int | None = None
        self.slots = 0
        self.load = 0
        self.lags: Counter[int] = Counter()
        self.worst_s = 0.0


class Trail:
    """Keeps the last week, minute by minute."""

    def __init__(self, wall: Callable[[], datetime], kept: int = KEPT) -> None:
        """`wall` dates the minutes; a clock that is set back adds to the last one."""
        self._wall = wall
        self._minutes: deque[_Minute] = deque(maxlen=kept)
        self.since = wall()
        """When the trail begins."""

    def sample(self, *, stale: int, executors: int, slots: int, load: int) -> None:
        """Note how things stand now."""
        minute = self._now()
        minute.stale = max(minute.stale, stale)
        minute.executors = executors if minute.executors is None else min(minute.executors, executors)
        minute.slots = slots
        minute.load = max(minute.load, load)

    def told(self, lag_s: float) -> None:
        """Note how late a terminal status was told; a negative lag, from two clocks, counts as none."""
        minute = self._now()
        minute.lags[_bucket(lag_s)] += 1
        minute.worst_s = max(minute.worst_s, lag_s)

    def vitals(self, starts: Iterable[int], step_s: int) -> list[Vitals | None]:
        """Return what was seen in the `step_s` seconds from each of `starts` (of the epoch, ascending)."""
        minutes = list(self._minutes)
        times = [minute.at for minute in minutes]
        return [
            _joined(minutes[bisect_left(times, start) : bisect_left(times, start + step_s)])
            for start in starts
        ]

    def lag(self, since: int) -> Lag | None:
        """Return how late the truth was told since a second of the epoch."""
        return _lag([minute for minute in self._minutes if minute.at >= since])

    def _now(self) -> _Minute:
        at = int(self._wall().timestamp()) // MINUTE_S * MINUTE_S
        if not self._minutes or at > self._minutes[-1].at:
            self._minutes.append(_Minute(at))
        return self._minutes[-1]


def _joined(minutes: list[_Minute]) -> Vitals | None:
    sampled = [minute for minute in minutes if minute.executors is not None]
    if not sampled:
        return None
    return Vitals(
        stale=max(minute.stale for minute in sampled),
        executors=min(minute.executors or 0 for minute in sampled),
        slots=sampled[-1].slots,
        load=max(minute.load for minute in sampled),
        lag=_lag(minutes),
    )


def _lag(minutes: list[_Minute]) -> Lag | None:
    counts: Counter[int] = Counter()
    for minute in minutes:
        counts.update(minute.lags)
    total = counts.total()
    if not total:
        return None
    worst_s = max(minute.worst_s for minute in minutes)

    def percentile(share: float) -> float:
        left = math.ceil(share * total)
        for bucket in sorted(counts):
            left -= counts[bucket]
            if left <= 0:
                return round(min(LEAST_S * GROWTH**bucket, worst_s) * 1_000, 1)
        return round(worst_s * 1_000, 1)

    return Lag(
        count=total, p50_ms=percentile(0.5), p99_ms=percentile(0.99), worst_ms=round(worst_s * 1_000, 1)
    )


def _bucket(lag_s: float) -> int:
    """Return the first bucket whose upper bound holds the lag."""
    return max(0, math.ceil(math.log(max(lag_s, LEAST_S) / LEAST_S, GROWTH)))
