"""How many live streams there may be, in all and for one address, and how fast things may be done."""

import time
from collections.abc import Callable
from typing import Final

from lastword.http.problems import refuse

__all__ = ["RETRY_S", "Buckets", "Turnstile"]

RETRY_S: Final = 5  # seconds after which a refused client may try again


class Turnstile:
    """Counts streams in and out."""

    def __init__(self, total: int, per_address: int) -> None:
        self.total: Final = total
        """Streams that may be open."""
        self._per_address = per_address
        self._counts: dict[str, int] = {}
        self.open = 0
        """Streams open now."""

    def check(self, address: str) -> None:
        """Raise the refusal `too_many_streams` where there is no place."""
        mine = self._counts.get(address, 0)
        if self.open >= self.total:
            raise refuse("too_many_streams", f"This server has {self.total} open.", retry_after_s=RETRY_S)
        if mine >= self._per_address:
            raise refuse(
                "too_many_streams",
                f"{address} has {mine} open. One stream can carry many workflows: see /events/workflows.",
                retry_after_s=RETRY_S,
            )

    def admit(self, address: str) -> "Place":
        """Return a place to be held by `with`; raises the refusal `too_many_streams` where there is none."""
        self.check(address)
        return Place(self, address)

    def enter(self, address: str) -> None:
        """Count a stream in."""
        self._counts[address] = self._counts.get(address, 0) + 1
        self.open += 1

    def leave(self, address: str) -> None:
        """Count a stream out."""
        self.open -= 1
        left = self._counts[address] - 1
        if left:
            self._counts[address] = left
        else:
            del self._counts[address]


class Place:
    """Held while a stream is open. A class, since a generator's frame for each of them is half a kilobyte."""

    __slots__ = ("_address", "_turnstile")

    def __init__(self, turnstile: Turnstile, address: str) -> None:
        self._turnstile = turnstile
        self._address = address

    def __enter__(self) -> None:
        self._turnstile.enter(self._address)

    def __exit__(self, *_: object) -> None:
        self._turnstile.leave(self._address)


class Buckets:
    """Token buckets by key: `burst` at once, then `rate_per_s`.  Keys left alone longest are forgotten."""

    def __init__(
        self,
        rate_per_s: float,
        burst: float,
        *,
        now: Callable[[], float] = time.monotonic,
        most: int = 10_000,
    ) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._now = now
        self._most = most
        self._levels: dict[str, tuple[float, float]] = {}

    def wait_s(self, key: str) -> float:
        """Return how long until something may be taken; 0 where it may be now."""
        return max(0.0, (1.0 - self._level(key)) / self._rate_per_s)

    def take(self, key: str) -> float:
        """Take one where there is one; return how long to wait where there is not, else 0."""
        level = self._level(key)
        if level < 1.0:
            return (1.0 - level) / self._rate_per_s
        self._levels.pop(key, None)  # to the end of the order
        if len(self._levels) >= self._most:
            del self._levels[next(iter(self._levels))]
        self._levels[key] = (level - 1.0, self._now())
        return 0.0

    def _level(self, key: str) -> float:
        level, at = self._levels.get(key, (self._burst, 0.0))
        return min(self._burst, level + (self._now() - at) * self._rate_per_s)
