"""The reader's end of a workflow's output: what came since it last looked, bounded."""

import asyncio
from collections import deque
from typing import Final

from lastword.contracts.messages import Logged

__all__ = ["LogTail"]

LOG_TAIL: Final = 64  # messages of output kept for a reader that is behind; beyond it, it reads the stream


class LogTail:
    """One reader of a workflow's output."""

    __slots__ = ("messages", "missed", "wake")

    def __init__(self) -> None:
        self.messages: deque[tuple[int, Logged]] = deque()
        self.missed = False
        """Whether something was dropped here and must be read from the stream."""
        self.wake = asyncio.Event()

    def add(self, position: int, logged: Logged) -> None:
        """Keep a message; drop all where the reader is too far behind."""
        if len(self.messages) >= LOG_TAIL:
            self.messages.clear()
            self.missed = True
        self.messages.append((position, logged))
        self.wake.set()
