"""How a process speaks to its executor: lines of JSON on a private pipe.

Everything that is said goes through one lock, so lines never mix, and after the last word nothing follows.
Progress is throttled here, where it arises: a loop that reports each of a million rounds costs the
executor nothing.  What was held back is said by a timer, so the latest is always said in the end.
"""

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["Voice", "encode"]

MAX_SAID = 8192  # characters of one line for the log
Line = dict[str, Any]


def encode(message: object) -> bytes:
    """Return `message` as one line of JSON; raise TypeError or ValueError where it is none.

    NaN and infinities are no JSON.  Lone surrogates, which no UTF-8 can hold, become question marks.
    """
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


class Voice:
    """The one writer of a process's private pipe. Safe to use from any thread."""

    def __init__(self, fd: int, interval_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._fd = fd
        self._interval_s = interval_s
        self._clock = clock
        self._lock = threading.RLock()  # re-entered where a signal handler of the work speaks
        self._next_at = 0.0
        self._held: Callable[[], Line] | None = None
        self._timed = False
        self._finished = False
        os.register_at_fork(after_in_child=self._fall_silent)

    def say(self, text: str) -> None:
        """Add a line to the workflow's log."""
        self.tell({"says": "said", "at": time.time(), "text": text[:MAX_SAID]})

    def tell(self, message: Line) -> None:
        """Send a message at once."""
        with self._lock:
            self._write(encode(message))

    def tell_latest(self, make: Callable[[], Line]) -> None:
        """Send what `make` returns, now or once the interval has passed; a later call takes its place."""
        with self._lock:
            now = self._clock()
            if now >= self._next_at and self._held is None:
                self._next_at = now + self._interval_s
                self._write(encode(make()))
                return
            self._held = make
            if not self._timed:
                self._timed = True
                timer = threading.Timer(max(0.0, self._next_at - now), self._tell_held)
                timer.daemon = True
                timer.start()

    def finish(self, line: bytes) -> None:
        """Say the last word, after what was held back; nothing is written after it."""
        with self._lock:
            self._flush()
            self._write(line)
            self._finished = True

    def _tell_held(self) -> None:
        with self._lock:
            self._timed = False
            self._next_at = self._clock() + self._interval_s
            self._flush()

    def _flush(self) -> None:
        make, self._held = self._held, None
        if make is not None:
            self._write(encode(make()))

    def _write(self, line: bytes) -> None:
        if self._finished:
            return
        view = memoryview(line)
        while view:
            try:
                view = view[os.write(self._fd, view) :]
            except OSError:  # the executor is gone, and the fork server is about to end this process
                return

    def _fall_silent(self) -> None:
        """In a fork of the work (a pool of its own, say): two writers would tear each other's lines."""
        self._lock = threading.RLock()
        self._finished = True
