"""The life of an actor: owns its state, takes letters, crashes rather than guesses.

Letters that concern the same thing (`key`) are handled one after the other, in their order; letters that
concern different things may be in hand at the same time, up to `at_once`.  With one key for all an actor is
strictly serial.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Hashable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import ClassVar, Generic, TypeVar

from structlog.contextvars import bind_contextvars

from lastword.actors.exceptions import Postponed, Refused
from lastword.bus import Letter, Mailbox

__all__ = ["Actor"]

M = TypeVar("M")


class Actor(ABC, Generic[M]):
    """Handles the letters of one mailbox."""

    name: ClassVar[str]
    at_once: int = 1
    """How many letters may be in hand."""

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
        places = asyncio.Semaphore(self.at_once)
        last: dict[Hashable, asyncio.Task[None]] = {}
        async with self.open(), aclosing(aiter(mailbox)) as letters, asyncio.TaskGroup() as tasks:
            async for letter in letters:
                await places.acquire()
                key = self.key(letter.message)
                task = tasks.create_task(
                    self._attend(letter, last.get(key)), name=f"{self.name} {letter.subject}"
                )
                last[key] = task
                task.add_done_callback(partial(_leave, last, places, key))

    async def _attend(self, letter: Letter[M], earlier: "asyncio.Task[None] | None") -> None:
        if earlier is not None:
            await asyncio.wait({earlier})
        bind_contextvars(
            actor=self.name, subject=letter.subject
        )  # this task's own, which ends with the letter
        try:
            await self.handle(letter)
        except Refused as why:
            await letter.drop(str(why))
        except Postponed as why:
            await letter.retry(why.delay_s)
        except Exception:
            await letter.retry(1.0)
            raise
        else:
            await letter.ack()


def _leave(
    last: "dict[Hashable, asyncio.Task[None]]",
    places: asyncio.Semaphore,
    key: Hashable,
    done: "asyncio.Task[None]",
) -> None:
    places.release()
    if last.get(key) is done:
        del last[key]
