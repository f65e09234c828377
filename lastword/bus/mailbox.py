"""The mailbox: what an actor takes its messages from.

A `Protocol` with two implementations, JetStream's here and one in memory (`memory`), held to one suite of
tests.  Delivery is at least once: a letter that is neither acknowledged, retried nor dropped comes again.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Generic, Protocol, TypeVar

import msgspec
import structlog

from lastword.bus.pull import Delivered, PullConsumer

__all__ = ["JetStreamMailbox", "Letter", "Mailbox"]

log = structlog.get_logger(__name__)

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

    def __init__(self, message: M, delivered: Delivered) -> None:
        self.message = message
        self.position = delivered.position
        self.subject = delivered.subject
        self._delivered = delivered

    async def ack(self) -> None:
        """See `Letter`."""
        await self._delivered.ack()

    async def retry(self, delay_s: float = 0.0) -> None:
        """See `Letter`."""
        await self._delivered.retry(delay_s)

    async def drop(self, why: str) -> None:
        """See `Letter`."""
        log.warning("letter.dropped", subject=self.subject, position=self.position, why=why)
        await self._delivered.drop()


class JetStreamMailbox(Generic[M]):
    """A durable consumer's messages as letters; what cannot be decoded is dropped with its reason."""

    def __init__(self, consumer: PullConsumer, decoder: "msgspec.json.Decoder[M]") -> None:
        self._consumer = consumer
        self._decoder = decoder

    async def __aiter__(self) -> AsyncGenerator[Letter[M], None]:
        """Yield letters for ever."""
        async with aclosing(aiter(self._consumer)) as deliveries:
            async for delivered in deliveries:
                try:
                    message = self._decoder.decode(delivered.data)
                except msgspec.DecodeError as error:
                    log.warning(
                        "letter.unreadable",
                        subject=delivered.subject,
                        position=delivered.position,
                        why=str(error),
                    )
                    await delivered.drop()
                else:
                    yield _JetStreamLetter(message, delivered)
