"""The mailbox: what an actor takes its messages from.

A `Protocol` with two implementations, JetStream's here and one in memory (`memory`), held to one suite of
tests.  Delivery is at least once: a letter that is neither acknowledged, retried nor dropped comes again.

A letter may also come again because it had to wait: what its reader has in hand, or was settled lately, is
recognised, or an overloaded reader would be given the same letters faster than it can handle them.

How soon it comes again when its reader dies is `ACK_WAIT_S`.  That is short, so that the truth does not wait
for a dead supervisor; a living reader that needs longer (an election, a queue before it) keeps the letter by
saying every `HOLD_S` that work on it goes on.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final, Generic, Protocol, TypeVar

from lastword.bus.inspector import Doorkeeper, Inspector
from lastword.bus.pull import ACK_WAIT_S, Delivered, PullConsumer

__all__ = ["JetStreamMailbox", "Letter", "Mailbox"]

SETTLED: Final = 4_096  # letters that are recognised after they were settled
HOLD_S: Final = 0.4 * ACK_WAIT_S  # seconds between two words; one may be lost

M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)


class Letter(Protocol[M_co]):
    """A message, and what becomes of it."""

    @property
    def message(self) -> M_co:
        """What it says."""
        ...

    @property
    def position(self) -> int:
        """Its place in the mailbox: earlier letters have lower ones."""
        ...

    @property
    def subject(self) -> str:
        """Where it was put."""
        ...

    @property
    def size(self) -> int:
        """How many bytes it had."""
        ...

    @property
    def tries(self) -> int:
        """How often it was delivered, this time included."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """What came with it: the trace that it belongs to."""
        ...

    async def ack(self) -> None:
        """Say that it is done."""

    async def retry(self, delay_s: float = 0.0) -> None:
        """Ask for it again, not before `delay_s`."""

    async def drop(self, why: str) -> None:
        """Say that it must not come again."""


class Mailbox(Protocol[M_co]):
    """Letters, in the order in which they were put in."""

    def __aiter__(self) -> AsyncGenerator[Letter[M_co], None]:  # noqa: PYI058  actors close it
        """Yield letters until the mailbox is closed."""
        ...


class _Known:
    """The letters of one reader that it would be given again for nothing."""

    def __init__(self) -> None:
        self.held: dict[tuple[int, int], _JetStreamLetter[Any]] = {}
        self._settled: OrderedDict[tuple[int, int], None] = OrderedDict()

    async def recognises(self, delivered: Delivered) -> bool:
        """Tell whether the letter is in hand or was settled; say so once more to the server."""
        mark = (delivered.position, delivered.stored_ns)
        if mark in self.held:
            await delivered.keep_waiting()
            return True
        if mark in self._settled:
            await delivered.ack()
            return True
        return False

    def settle(self, mark: tuple[int, int]) -> None:
        """Remember a letter that must not come again."""
        self._settled[mark] = None
        if len(self._settled) > SETTLED:
            self._settled.popitem(last=False)


class _JetStreamLetter(Generic[M]):
    """A delivered message, decoded."""

    def __init__(self, message: M, delivered: Delivered, known: _Known, doorkeeper: Doorkeeper) -> None:
        self.message = message
        self.position = delivered.position
        self.subject = delivered.subject
        self.tries = delivered.tries
        self.size = len(delivered.data)
        self._doorkeeper = doorkeeper
        self.headers: Mapping[str, str] = delivered.message.headers or {}
        self._delivered = delivered
        self._mark = (delivered.position, delivered.stored_ns)
        self._known = known
        self._saying: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(HOLD_S, self._hold)
        known.held[self._mark] = self

    async def ack(self) -> None:
        """See `Letter`."""
        self.let_go()
        self._known.settle(self._mark)
        await self._delivered.ack()

    async def retry(self, delay_s: float = 0.0) -> None:
        """See `Letter`."""
        self.let_go()
        await self._delivered.retry(delay_s)

    def let_go(self) -> None:
        """Say no more about it: it is settled, or its reader has gone."""
        self._timer.cancel()
        self._known.held.pop(self._mark, None)

    def _hold(self) -> None:
        loop = asyncio.get_running_loop()
        self._saying = loop.create_task(self._delivered.keep_waiting(), name=f"hold {self.subject}")
        self._timer = loop.call_later(HOLD_S, self._hold)

    async def drop(self, why: str) -> None:
        """See `Letter`."""
        self.let_go()
        self._known.settle(self._mark)
        self._doorkeeper.turn_away("dropped", self.subject, why)
        await self._delivered.drop()


class JetStreamMailbox(Generic[M]):
    """A durable consumer's messages as letters; what is no such message is turned away, for good."""

    def __init__(self, consumer: PullConsumer, inspector: Inspector[M]) -> None:
        self._consumer = consumer
        self._inspector = inspector

    async def __aiter__(self) -> AsyncGenerator[Letter[M], None]:
        """Yield letters for ever."""
        known = _Known()
        try:
            async with aclosing(aiter(self._consumer)) as deliveries:
                async for delivered in deliveries:
                    if delivered.tries > 1 and await known.recognises(delivered):
                        continue
                    message = self._inspector.read(delivered.subject, delivered.data)
                    if message is None:
                        await delivered.drop()
                    else:
                        yield _JetStreamLetter(message, delivered, known, self._inspector.doorkeeper)
        finally:
            for letter in list(known.held.values()):
                letter.let_go()
