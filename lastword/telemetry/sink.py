"""Where log lines go: standard output, by a thread of its own, so that nobody waits for a terminal.

A terminal that is held (Ctrl-S), a pager or a collector that stops reading blocks whoever writes to it.
Were that the event loop, an executor would stop beating and an auditor would call healthy work lost: a
paused terminal must not fail a workflow.  So lines pass through a bounded queue; while it is full, lines are
dropped and counted, and the count is told once there is room.

The known flaw: lines that are still queued when a process is killed with -9 are lost.  At a normal end
`close` waits a second for them.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Final

__all__ = ["DirectSink", "LineSink"]

CAPACITY: Final = 10_000  # lines; at some 200 bytes, 2 MB
FLUSH_S: Final = 1.0  # how long the end of the process waits for a reader


class DirectSink:
    """Writes lines at once, in the caller's thread: for a process that forks, as no thread survives that."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, line: bytes) -> None:
        """Write one line, its end included."""
        _write(self._stream, line)

    def close(self) -> None:
        """Do nothing: nothing waits."""


class LineSink:
    """Writes lines to a binary stream, in order, without making the caller wait.

    `note` turns the number of lines that were dropped into the line that says so.
    """

    def __init__(self, stream: IO[bytes], note: Callable[[int], bytes], capacity: int = CAPACITY) -> None:
        self._stream = stream
        self._note = note
        self._capacity = capacity
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._closing = False
        self._wanted = threading.Condition()
        self._thread = threading.Thread(target=self._drain, name="log-sink", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Queue one line, its end included; drop it where the queue is full."""
        with self._wanted:
            if len(self._lines) >= self._capacity:
                self._dropped += 1
                return
            self._lines.append(line)
            if len(self._lines) == 1:  # the thread sleeps only on an empty queue
                self._wanted.notify()

    def close(self, timeout_s: float = FLUSH_S) -> None:
        """Write what is queued, for at most `timeout_s`; a second call does nothing."""
        with self._wanted:
            self._closing = True
            self._wanted.notify()
        self._thread.join(timeout_s)

    def _drain(self) -> None:
        while True:
            with self._wanted:
                while not self._lines and not self._closing:
                    self._wanted.wait()
                if not self._lines:
                    return
                lines = list(self._lines)
                self._lines.clear()
                if self._dropped:
                    lines.append(self._note(self._dropped))
                    self._dropped = 0
            _write(self._stream, b"".join(lines))


def _write(stream: IO[bytes], data: bytes) -> None:
    # The reader has gone, the disk is full, the stream is closed: no reason to stop the work.
    with suppress(OSError, ValueError):
        stream.write(data)
        stream.flush()
