"""Following one workflow to its end, whatever happens to the link.

The edge's event stream is the first choice; conditional polling is the second, for edges that have streams
turned off and for proxies that swallow them.  Three rules hold on both:

* What is shown never goes backwards: a reading below the position shown before is dropped.
* A lost link is not an end: it is told with the time since which nothing new is known, and taken up again by
  position, until the workflow has ended or `patience_s` is over.
* The terminal status is the last thing told, once.

The known flaw: where a proxy swallows streams, each outage costs five seconds more, for the stream is tried
again after each.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime
from typing import Final, NoReturn

import msgspec
from msgspec import Struct

from lastword.cli.client import EdgeClient, Reading
from lastword.cli.errors import CommandFailed, Refused, Unreachable
from lastword.cli.sse import EventParser, ServerEvent, TooLarge
from lastword.contracts.views import Workflow

__all__ = ["LinkLost", "Regained", "Seen", "Sighting", "Watch"]

HELLO_S: Final = 5.0  # an edge greets within milliseconds; a proxy that collects a stream never does
SILENCE: Final = 2.5  # pings that may be missing before a link counts as lost
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 5.0
STEADY_S: Final = 1.0  # a stream that lived this long is taken up again at once
PING_S: Final = 15.0  # until the edge says otherwise
POLL_S: Final = 2.0  # likewise
ANSWER_S: Final = 10.0  # for a read, which needs no election


class Seen(Struct, frozen=True):
    """The workflow stands differently than was shown before."""

    workflow: Workflow
    previous: Workflow | None
    raw: bytes
    """The JSON that said so, as the edge wrote it."""


class LinkLost(Struct, frozen=True):
    """Nothing new is known; what was shown was true at `since`."""

    reason: str
    since: datetime


class Regained(Struct, frozen=True):
    """The link is back; what is shown is true again."""


Sighting = Seen | LinkLost | Regained


class _Found(Struct, frozen=True):
    """What a link brought: a workflow and its JSON; nothing, if only that the link lives."""

    workflow: Workflow | None = None
    raw: bytes = b""


class _Frame(Struct):
    """What we need of any frame, of a type that we know or not."""

    type: str
    epoch: str | None = None
    ping_s: float | None = None
    workflow: msgspec.Raw = msgspec.Raw()


class _Cut(Exception):
    """The link broke."""

    def __init__(self, reason: str, *, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class _NoStream(Exception):
    """No event stream comes: the edge offers none (`for_good`), or something between keeps it to itself."""

    def __init__(self, *, for_good: bool) -> None:
        super().__init__()
        self.for_good = for_good


class Watch:
    """Follows one workflow. Iterate over `sightings` once."""

    def __init__(
        self,
        client: EdgeClient,
        workflow_id: str,
        *,
        patience_s: float | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`patience_s` is how long a lost link is waited for; None waits for ever."""
        self._client = client
        self._id = workflow_id
        self._patience_s = patience_s
        self._pause = pause
        self._now = now
        self._shown: Workflow | None = None
        self._last_event_id: str | None = None
        self._epoch: str | None = None
        self._ping_s = PING_S
        self._poll_s = POLL_S
        self._offered = True  # whether the edge has event streams at all
        self._mute = False  # whether the last one that was opened brought nothing
        self._pauses = _Pauses()
        self._lost_at: float | None = None
        self._told_at = now()

    async def sightings(self, first: Reading[Workflow] | None = None) -> AsyncGenerator[Sighting, None]:
        """Yield what is new until the workflow has ended.

        `first` is what the caller knows already.  Raises `Unreachable` where the very first reading fails
        or patience ends, and `Refused` where the edge no longer knows the workflow or us.
        """
        reading = first or await self._client.workflow(self._id)
        for seen in self._accept(reading.value, reading.raw):
            yield seen
        if not self._has_ended:
            await self._ask_for_config()
        while not self._has_ended:
            async with aclosing(self._one_link()) as sightings:
                async for sighting in sightings:
                    yield sighting

    async def _one_link(self) -> AsyncGenerator[Sighting, None]:
        """Yield what one link brings until it breaks or the workflow ends, then wait for the next try."""
        clock = asyncio.get_running_loop().time
        opened_at = clock()
        link = self._streamed() if self._offered and not self._mute else self._polled()
        try:
            async with aclosing(link):
                async for found in link:
                    for sighting in self._take(found):
                        yield sighting
                    if self._has_ended:
                        return
        except _NoStream as absence:
            self._mute, self._offered = True, self._offered and not absence.for_good
        except _Cut as cut:
            self._mute = False
            if self._lost_at is None and clock() - opened_at >= STEADY_S:
                return  # streams end by age, and edges are replaced: no news for anyone
            if self._lost_at is None:
                self._lost_at = clock()
                yield LinkLost(str(cut), self._told_at)
            if self._patience_s is not None and clock() - self._lost_at >= self._patience_s:
                address = self._client.address
                raise Unreachable(address.shown, address.source, str(cut)) from cut
            await self._pause(cut.after_s if cut.after_s is not None else self._pauses.next())

    @property
    def _has_ended(self) -> bool:
        return self._shown is not None and self._shown.is_terminal

    def _take(self, found: _Found) -> list[Sighting]:
        """Return what is new about the link, and about the workflow."""
        sightings: list[Sighting] = [] if self._lost_at is None else [Regained()]
        self._lost_at = None
        self._pauses.forget()
        self._told_at = self._now()
        if found.workflow is not None:
            sightings += self._accept(found.workflow, found.raw)
        return sightings

    def _accept(self, workflow: Workflow, raw: bytes) -> list[Seen]:
        """Return the sighting, unless it shows nothing new or what is older than was shown."""
        shown = self._shown
        if shown is not None:
            if workflow.position < shown.position:
                return []
            if workflow.position == shown.position:
                workflow = _furthest(shown, workflow)
                if _but_for_the_beat(workflow) == _but_for_the_beat(shown):
                    return []
        self._shown = workflow
        return [Seen(workflow, shown, raw)]

    async def _ask_for_config(self) -> None:
        try:
            config = await self._client.config()
        except CommandFailed:  # an older edge, or one that is just going: the defaults serve
            return
        self._offered, self._epoch = config.sse, config.epoch
        self._ping_s, self._poll_s = config.ping_s, config.poll_s

    async def _streamed(self) -> AsyncGenerator[_Found, None]:
        """Yield what the event stream brings; raise `_Cut` at its end, however it comes."""
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(HELLO_S):
                    opening = self._client.events(self._id, self._last_event_id)
                    answer = await stack.enter_async_context(opening)
                if answer.status_code == 204:  # it has ended, and this client was told so
                    reading = await self._client.workflow(self._id)
                    yield _Found(reading.value, reading.raw)
                elif answer.headers.get("content-type", "").startswith("text/event-stream"):
                    events = await stack.enter_async_context(aclosing(_events(answer.aiter_bytes())))
                    frames = await stack.enter_async_context(aclosing(self._frames(events)))
                    async for found in frames:
                        yield found
                else:
                    raise _NoStream(for_good=True)
        except TimeoutError as error:
            raise _NoStream(for_good=False) from error
        except TooLarge as error:
            raise _Cut(str(error)) from error
        except Unreachable as error:
            raise _Cut(error.reason) from error
        except Refused as error:
            self._judge(error)
        raise _Cut("the stream ended")

    async def _frames(self, events: AsyncGenerator[ServerEvent, None]) -> AsyncGenerator[_Found, None]:
        greeted = False
        while True:
            try:
                async with asyncio.timeout(SILENCE * self._ping_s if greeted else HELLO_S):
                    event = await anext(events, None)
            except TimeoutError as error:
                if greeted:
                    raise _Cut(f"nothing heard for {SILENCE * self._ping_s:g} s") from error
                raise _NoStream(for_good=False) from error
            if event is None:
                return
            try:
                frame = msgspec.json.decode(event.data, type=_Frame)
                raw = bytes(frame.workflow)
                workflow = msgspec.json.decode(raw, type=Workflow) if raw else None
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise _Cut(f"a frame that cannot be read ({error})") from error
            if frame.type == "hello":
                greeted = True
                self._ping_s = frame.ping_s or self._ping_s
                self._meet(frame.epoch)
            self._last_event_id = event.last_id or self._last_event_id
            yield _Found(workflow, raw)

    def _meet(self, epoch: str | None) -> None:
        """Forget the position that another log gave: it means nothing in the one that `epoch` names."""
        if epoch is None:
            return
        if self._epoch not in {None, epoch} and self._shown is not None:
            self._shown = msgspec.structs.replace(self._shown, position=0)
        self._epoch = epoch

    async def _polled(self) -> AsyncGenerator[_Found, None]:
        """Yield what conditional polling brings, every few seconds; raise `_Cut` where nobody answers."""
        etag: str | None = None
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    reading = await self._client.workflow_unless(etag, self._id)
                    if reading is not None and self._shown and reading.value.position < self._shown.position:
                        self._meet((await self._client.config()).epoch)  # an edge behind, or a new log?
            except TimeoutError as error:
                raise _Cut(f"no answer within {ANSWER_S:g} s") from error
            except Unreachable as error:
                raise _Cut(error.reason) from error
            except Refused as error:
                self._judge(error)
            if reading is None:
                yield _Found()
            else:
                etag = reading.etag
                yield _Found(reading.value, reading.raw)
            await self._pause(self._poll_s)

    def _judge(self, refusal: Refused) -> NoReturn:
        """Raise what a refusal means for the watch: itself where it ends it, else a cut or no stream."""
        problem = refusal.problem
        if problem.status in {408, 429} or problem.status >= 500:
            after_s = None if problem.retry_after_s is None else min(problem.retry_after_s, 30.0)
            raise _Cut(problem.detail or problem.title, after_s=after_s) from refusal
        if problem.status in {401, 403} or problem.code == "unknown_workflow":
            raise refusal
        raise _NoStream(for_good=True) from refusal


class _Pauses:
    """Ever longer pauses, none twice the same, so that a crowd does not come back as one."""

    def __init__(self) -> None:
        self._next_s = FIRST_PAUSE_S

    def next(self) -> float:
        """Return the next pause, in seconds."""
        pause_s = self._next_s * random.uniform(0.5, 1.0)  # noqa: S311  no secret depends on it
        self._next_s = min(self._next_s * 2, LONGEST_PAUSE_S)
        return pause_s

    def forget(self) -> None:
        """Begin again with the shortest."""
        self._next_s = FIRST_PAUSE_S


async def _events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[ServerEvent, None]:
    parser = EventParser()
    async for chunk in chunks:
        for event in parser.feed(chunk):
            yield event


def _furthest(shown: Workflow, new: Workflow) -> Workflow:
    """Return `new`, with the progress of `shown` where another edge has not heard of that much yet."""
    old = shown.progress
    if old is None or new.is_terminal:
        return new
    if new.progress is None or (new.progress.done, len(new.progress.tasks)) < (old.done, len(old.tasks)):
        return msgspec.structs.replace(new, progress=old)
    return new


def _but_for_the_beat(workflow: Workflow) -> Workflow:
    """Return `workflow` without the time of its last beat: each reading has a later one, which is no news."""
    return msgspec.structs.replace(workflow, last_heartbeat_at=None)
