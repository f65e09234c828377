"""The mailbox: what an actor takes its messages from.

A `Protocol` with two implementations, JetStream's here and one in memory (`memory`), held to one suite of
tests.  Delivery is at least once: a letter that is neither acknowledged, retried nor dropped comes again.

How soon it comes again when its reader dies is `ACK_WAIT_S`.  That is short, so that the truth does not wait
for a dead supervisor; a living reader that needs longer (an election, a queue before it) keeps the letter by
saying every `HOLD_S` that work on it goes on.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final, Generic, Protocol, TypeVar

import msgspec
import structlog

from lastword.bus._decode import decode
from lastword.bus.pull import ACK_WAIT_S, Delivered, PullConsumer

__all__ = ["JetStreamMailbox", "Letter", "Mailbox"]

log = structlog.get_logger(__name__)

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


class _JetStreamLetter(Generic[M]):
    """A delivered message, decoded."""

    def __init__(self, message: M, delivered: Delivered, held: "set[_JetStreamLetter[M]]") -> None:
        self.message = message
        self.position = delivered.position
        self.subject = delivered.subject
        self.headers: Mapping[str, str] = delivered.message.headers or {}
        self._delivered = delivered
        self._held = held
        self._saying: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(HOLD_S, self._hold)
        held.add(self)

    async def ack(self) -> None:
        """See `Letter`."""
        self.let_go()
        await self._delivered.ack()

    async def retry(self, delay_s: float = 0.0) -> None:
        """See `Letter`."""
        self.let_go()
        await self._delivered.retry(delay_s)

    def let_go(self) -> None:
        """Say no more about it: it is settled, or its reader has gone."""
        self._timer.cancel()
        self._held.discard(self)

    def _hold(self) -> None:
        loop = asyncio.get_running_loop()
        self._saying = loop.create_task(self._delivered.keep_waiting(), name=f"hold {self.subject}")
        self._timer = loop.call_later(HOLD_S, self._hold)

    async def drop(self, why: str) -> None:
        """See `Letter`."""
        self.let_go()
        log.warning("letter.dropped", subject=self.subject, position=self.position, why=why)
        await self._delivered.drop()


class JetStreamMailbox(Generic[M]):
    """A durable consumer's messages as letters; what cannot be decoded is dropped with its reason."""

    def __init__(self, consumer: PullConsumer, decoder: "msgspec.json.Decoder[M]") -> None:
        self._consumer = consumer
        self._decoder = decoder

    async def __aiter__(self) -> AsyncGenerator[Letter[M], None]:
        """Yield letters for ever."""
        held: set[_JetStreamLetter[M]] = set()
        try:
            async with aclosing(aiter(self._consumer)) as deliveries:
                async for delivered in deliveries:
                    message = await self._read(delivered)
                    if message is not None:
                        yield _JetStreamLetter(message, delivered, held)
        finally:
            for letter in list(held):
                letter.let_go()

    async def _read(self, delivered: Delivered) -> M | None:
        try:
            return decode(self._decoder, delivered.data)
        except msgspec.DecodeError as error:
            log.warning(
                "letter.unreadable", subject=delivered.subject, position=delivered.position, why=str(error)
            )
            await delivered.drop()
            return None
