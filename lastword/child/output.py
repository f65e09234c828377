"""What a process has said and nobody has taken yet: bounded, whatever it does.

Progress and what is waited for are single places, where the latest replaces the one before.  Lines queue up
to a bound; beyond it the oldest go, and are counted, since someone who follows a flood wants its newest end.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

from lastword.child.protocol import Lines, Message, Progressed, Started, Waiting
from lastword.contracts.messages import LogLine

__all__ = ["LineSplitter", "Outbox"]

MAX_LINES: Final = 2048
"""Lines that wait to be taken."""
MAX_TEXT: Final = 512 * 1024
"""Characters of lines that wait to be taken."""
BATCH_LINES: Final = 512
"""Lines in one message."""
BATCH_TEXT: Final = 128 * 1024
"""Characters in one message; with JSON around them still far below the megabyte that NATS takes."""
LINE_BYTES: Final = 8192
"""Longest line; a longer one is cut into several. No more characters than the contract's `LogLine` takes."""
TAIL: Final = 20
"""Lines kept for a process that ends without a word."""


class Outbox:
    """Holds messages between a process that writes and an executor that reads when it can."""

    def __init__(self) -> None:
        self._started: Started | None = None
        self._progressed: Progressed | None = None
        self._waiting: Waiting | None = None
        self._lines: deque[LogLine] = deque()
        self._text = 0
        self._dropped = 0
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._closed = False
        self._filled = asyncio.Event()

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The last lines that the process printed."""
        return tuple(self._tail)

    def put(self, message: Started | Progressed | Waiting) -> None:
        """Take a message in; it replaces an older one of its kind."""
        match message:
            case Started():
                self._started = message
            case Progressed():
                self._progressed = message
            case Waiting():
                self._waiting = message
        self._filled.set()

    def put_line(self, stream: str, text: str, at: datetime) -> None:
        """Take a line in; the oldest ones go where there are too many."""
        self._lines.append(LogLine(at=at, stream=stream, text=text))
        self._text += len(text)
        if stream != "lastword":
            self._tail.append(text)
        while len(self._lines) > MAX_LINES or self._text > MAX_TEXT:
            self._text -= len(self._lines.popleft().text)
            self._dropped += 1
        self._filled.set()

    def drop_lines(self, count: int) -> None:
        """Count lines that came too fast to be looked at, and drop those before them."""
        self._dropped += count + len(self._lines)
        self._lines.clear()
        self._text = 0
        self._filled.set()

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._filled.set()

    async def messages(self) -> AsyncIterator[Message]:
        """Give out what there is and what comes, until it is closed and empty."""
        while True:
            while (message := self._take()) is not None:
                yield message
            if self._closed:
                return
            self._filled.clear()
            await self._filled.wait()

    def _take(self) -> Message | None:
        started, self._started = self._started, None
        if started is not None:
            return started
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            return waiting
        progressed, self._progressed = self._progressed, None
        if progressed is not None:
            return progressed
        return self._take_lines()

    def _take_lines(self) -> Lines | None:
        if not self._lines and not self._dropped:
            return None
        taken: list[LogLine] = []
        size = 0
        while self._lines and len(taken) < BATCH_LINES and size < BATCH_TEXT:
            line = self._lines.popleft()
            size += len(line.text)
            taken.append(line)
        self._text -= size
        dropped, self._dropped = self._dropped, 0
        return Lines(lines=tuple(taken), dropped=dropped)


class LineSplitter:
    """Cuts one stream's bytes into lines for the outbox."""

    def __init__(self, stream: str, outbox: Outbox) -> None:
        self._stream = stream
        self._outbox = outbox
        self._partial = b""

    def feed(self, data: bytes) -> None:
        """Take bytes as they come. A flood's older lines are counted without being looked at."""
        data = self._partial + data
        if len(data) > LINE_BYTES and (surplus := data.count(b"\n") - MAX_LINES) > 0:
            self._outbox.drop_lines(surplus)
            data = b"\n".join(data.rsplit(b"\n", MAX_LINES + 1)[1:])
        *lines, self._partial = data.split(b"\n")
        at = datetime.now(UTC)
        for line in lines:
            self._put(line, at)
        while len(self._partial) > LINE_BYTES:
            cut = _boundary(self._partial, LINE_BYTES)
            self._put(self._partial[:cut], at)
            self._partial = self._partial[cut:]

    def finish(self) -> None:
        """Take what the last line has, if no line's end came."""
        if self._partial:
            self._put(self._partial, datetime.now(UTC))
            self._partial = b""

    def _put(self, line: bytes, at: datetime) -> None:
        line = line.removesuffix(b"\r").rpartition(b"\r")[
            2
        ]  # a progress bar overwrites itself: keep the last
        while len(line) > LINE_BYTES:
            cut = _boundary(line, LINE_BYTES)
            self._outbox.put_line(self._stream, line[:cut].decode("utf-8", "replace"), at)
            line = line[cut:]
        self._outbox.put_line(self._stream, line.decode("utf-8", "replace"), at)


def _boundary(data: bytes, at: int) -> int:
    """Return the last place up to `at` where no character is cut in two."""
    cut = at
    while cut > at - 4 and data[cut] & 0xC0 == 0x80:
        cut -= 1
    return cut if cut > at - 4 else at
