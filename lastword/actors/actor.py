"""The life of an actor: owns its state, takes letters, crashes rather than guesses.

A letter with which it crashes again and again is poison: were it delivered for ever, it would bring down
each process that reads it.  It is dropped at the last of `TRIES`.

Letters that concern the same thing (`key`) are handled one after the other, in their order; letters that
concern different things may be in hand at the same time, up to `at_once`.  With one key for all an actor is
strictly serial.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Hashable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import ClassVar, Final, Generic, TypeVar

import structlog
from structlog.contextvars import bind_contextvars

from lastword.actors.exceptions import Postponed, Refused
from lastword.bus import Letter, Mailbox

__all__ = ["Actor"]

log = structlog.get_logger(__name__)

M = TypeVar("M")

TRIES: Final = 5  # as many as `keep` lets an actor crash; the server counts them, whoever reads


class Actor(ABC, Generic[M]):
    """Handles the letters of one mailbox."""

    name: ClassVar[str]
    at_once: int = 1
    """How many letters may be in hand."""
    bytes_at_once: int = 8 * 1_048_576
    """How many bytes they may have together; one alone may have more."""

    @abstractmethod
    async def handle(self, letter: Letter[M]) -> None:
        """Return to ack, raise `Refused` to drop or `Postponed` to retry; any other error is a crash."""

    def key(self, message: M) -> Hashable:
        """Return what the message concerns; letters of one key keep their order."""
        del message
        return None

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None, None]:
        """Hold what messages need, from before the first until after the last."""
        yield

    async def run(self, mailbox: Mailbox[M]) -> None:
        """Handle letters until the mailbox is closed; raise what a letter crashed with."""
        places = _Places(self.at_once, self.bytes_at_once)
        last: dict[Hashable, asyncio.Task[None]] = {}
        async with self.open(), aclosing(aiter(mailbox)) as letters, asyncio.TaskGroup() as tasks:
            async for letter in letters:
                await places.take(letter.size)
                key = self.key(letter.message)
                task = tasks.create_task(
                    self._attend(letter, last.get(key)), name=f"{self.name} {letter.subject}"
                )
                last[key] = task
                task.add_done_callback(partial(_leave, last, places, letter.size, key))

    async def _attend(self, letter: Letter[M], earlier: "asyncio.Task[None] | None") -> None:
        if earlier is not None:
            await asyncio.wait({earlier})
        bind_contextvars(actor=self.name, subject=letter.subject)  # of this task, which ends with the letter
        try:
            await self.handle(letter)
        except Refused as why:
            await letter.drop(str(why))
        except Postponed as why:
            await letter.retry(why.delay_s)
        except Exception as error:
            if letter.tries >= TRIES:
                log.exception("letter.poisonous", tries=letter.tries)
                await letter.drop(f"it crashed its reader {letter.tries} times: {error!r}")
                return
            await letter.retry(1.0)
            raise
        else:
            await letter.ack()


class _Places:
    """How much more may be taken in hand."""

    def __init__(self, number: int, size: int) -> None:
        self._number = number
        self._size = size
        self._taken = 0
        self._taken_size = 0
        self._freed = asyncio.Event()

    async def take(self, size: int) -> None:
        """Take a place as soon as there is one."""
        while self._taken >= self._number or (self._taken and self._taken_size + size > self._size):
            self._freed.clear()
            await self._freed.wait()
        self._taken += 1
        self._taken_size += size

    def give_back(self, size: int) -> None:
        """Leave a place."""
        self._taken -= 1
        self._taken_size -= size
        self._freed.set()


def _leave(
    last: "dict[Hashable, asyncio.Task[None]]",
    places: _Places,
    size: int,
    key: Hashable,
    done: "asyncio.Task[None]",
) -> None:
    places.give_back(size)
    if last.get(key) is done:
        del last[key]
