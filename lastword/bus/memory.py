"""A mailbox in memory: the test double, held to the suite that JetStream's passes."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Generic, TypeVar

from lastword.bus.mailbox import Letter

__all__ = ["MemoryMailbox"]

M = TypeVar("M")


class _MemoryLetter(Generic[M]):
    def __init__(
        self, box: "MemoryMailbox[M]", message: M, position: int, subject: str, headers: Mapping[str, str]
    ) -> None:
        self.message = message
        self.headers = headers
        self.position = position
        self.subject = subject
        self.size = len(repr(message))  # as good as any here
        self.tries = 1
        self._box = box

    async def ack(self) -> None:
        """See `Letter`."""
        self._box.settle(self.position)

    async def retry(self, delay_s: float = 0.0) -> None:
        """See `Letter`."""
        self._box.hand_back(self.position)
        asyncio.get_running_loop().call_later(delay_s, self._box.put_back, self)

    async def drop(self, why: str) -> None:
        """See `Letter`."""
        self._box.dropped.append((self.message, why))
        self._box.settle(self.position)


class MemoryMailbox(Generic[M]):
    """Letters in a list."""

    def __init__(self) -> None:
        self._ready: asyncio.Queue[_MemoryLetter[M] | None] = asyncio.Queue()
        self._open: set[int] = set()
        self._taken: dict[int, _MemoryLetter[M]] = {}
        self._count = 0
        self.dropped: list[tuple[M, str]] = []
        """What was dropped, and why."""

    def put(self, message: M, subject: str = "memory", headers: Mapping[str, str] | None = None) -> int:
        """Put a message in; return its position."""
        self._count += 1
        self._open.add(self._count)
        self._ready.put_nowait(_MemoryLetter(self, message, self._count, subject, headers or {}))
        return self._count

    def close(self) -> None:
        """End the iteration after the letters that are ready."""
        self._ready.put_nowait(None)

    @property
    def unsettled(self) -> int:
        """How many letters are neither acknowledged nor dropped."""
        return len(self._open)

    def settle(self, position: int) -> None:
        """Forget a letter that is done."""
        self._open.discard(position)
        self._taken.pop(position, None)

    def hand_back(self, position: int) -> None:
        """Forget that a letter is in a reader's hands."""
        self._taken.pop(position, None)

    def put_back(self, letter: _MemoryLetter[M]) -> None:
        """Deliver a letter once more."""
        if letter.position in self._open:
            letter.tries += 1
            self._ready.put_nowait(letter)

    async def __aiter__(self) -> AsyncGenerator[Letter[M], None]:
        """Yield letters until `close`, those that an earlier reader took and did not settle included."""
        for position in sorted(self._taken):
            self.put_back(self._taken.pop(position))
        while (letter := await self._ready.get()) is not None:
            self._taken[letter.position] = letter
            yield letter
