"""How many live streams there may be, in all and for one address."""

from collections.abc import Generator
from contextlib import contextmanager

from lastword.http.problems import refuse

__all__ = ["Turnstile"]

RETRY_S = 5  # seconds after which a refused client may try again


class Turnstile:
    """Counts streams in and out."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._counts: dict[str, int] = {}
        self.open = 0
        """Streams open now."""

    def check(self, address: str) -> None:
        """Raise the refusal `too_many_streams` where there is no place."""
        mine = self._counts.get(address, 0)
        if self.open >= self._total:
            raise refuse("too_many_streams", f"This server has {self._total} open.", retry_after_s=RETRY_S)
        if mine >= self._per_address:
            raise refuse(
                "too_many_streams",
                f"{address} has {mine} open. One stream can carry many workflows: see /events/workflows.",
                retry_after_s=RETRY_S,
            )

    @contextmanager
    def admit(self, address: str) -> Generator[None, None, None]:
        """Hold a place; raise the refusal `too_many_streams` where there is none."""
        self.check(address)
        self._counts[address] = self._counts.get(address, 0) + 1
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
            left = self._counts[address] - 1
            if left:
                self._counts[address] = left
            else:
                del self._counts[address]
