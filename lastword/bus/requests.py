"""Asking over one connection: all answers come to one inbox, and each goes to whoever waits for it.

The client library can ask too.  Its way costs two random tokens, a `wait_for` (which forgets cancellations on
Python 3.11, see `_cancel`) and an answer parsed twice for each request, and a supervisor makes two for each
report: the processor time of a status fell by a sixth when this took its place.
"""

import asyncio
from itertools import count
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import NoRespondersError, TimeoutError  # noqa: A004  the client's, which `TRANSIENT` names

__all__ = ["Requests"]

NO_RESPONDERS: Final = "503"
LATE_S: Final = 0.1


class Requests:
    """Requests in flight on one connection."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._numbers = count(1)
        self._waiting: dict[str, asyncio.Future[Msg]] = {}
        self._inbox = ""

    async def open(self) -> None:
        """Listen for answers; the client listens again by itself after a reconnect."""
        inbox = f"{self._client.new_inbox()}."
        await self._client.subscribe(f"{inbox}*", cb=self._hear)
        self._inbox = inbox

    async def ask(
        self, subject: str, payload: bytes, *, timeout_s: float, headers: dict[str, str] | None = None
    ) -> Msg:
        """Return the answer; raise the client's `TimeoutError` or `NoRespondersError`."""
        token = str(next(self._numbers))
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Msg] = loop.create_future()
        self._waiting[token] = answer
        timer = loop.call_later(timeout_s, _expire, loop, answer, loop.time() + timeout_s)
        try:
            await self._client.publish(subject, payload, reply=self._inbox + token, headers=headers)
            message = await answer
        finally:
            timer.cancel()
            del self._waiting[token]
        if message.headers and not message.data and message.headers.get("Status") == NO_RESPONDERS:
            raise NoRespondersError
        return message

    def give_up(self) -> None:
        """Wait for no answer any more: the connection that they would come over has ended."""
        for answer in self._waiting.values():
            _give_up(answer)

    async def _hear(self, message: Msg) -> None:
        waiting = self._waiting.get(message.subject.rpartition(".")[2])
        if waiting is not None and not waiting.done():  # else nobody waits any more
            waiting.set_result(message)


def _expire(loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[Msg]", due_s: float) -> None:
    """Give up, unless the loop looks at the clock long after it was due: then it has not listened either.

    Timers come before what was received.  An edge at which ten thousand clients arrive at once would call
    commands unanswered whose answers lie before it.
    """
    late_s = loop.time() - due_s
    if late_s > LATE_S:
        loop.call_later(late_s, _give_up, answer)
    else:
        _give_up(answer)


def _give_up(answer: "asyncio.Future[Msg]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
