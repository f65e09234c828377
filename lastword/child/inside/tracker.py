"""How far the work got: what CrewAI's events and `lastword.progress` add up to."""

import threading
import time
from typing import Any

from lastword.child.inside.voice import Voice

__all__ = ["Tracker", "instant"]

MAX_TASKS = 256
MAX_LABEL = 200  # characters
MAX_WARNINGS = 64
MAX_WARNING = 500  # characters


def instant(at: float) -> str:
    """Return seconds since the epoch as RFC 3339 in UTC, with microseconds."""
    whole, fraction = divmod(round(at * 1_000_000), 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{fraction:06d}Z"


def shorten(text: str, limit: int = MAX_LABEL) -> str:
    """Return the first line of `text`, or its first words, within `limit` characters."""
    line = " ".join(text.strip().partition("\n")[0].split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


class Tracker:
    """Keeps progress, usage, warnings and what is waited for, and tells the executor of each change.

    Tasks are known by a key of the caller's, so that one finished out of order is still the right one.
    A crew's tasks are counted by CrewAI's events; a call of `lastword.progress` inside a crew therefore
    only words what is being done, while in a function or a flow it also sets the counts.
    """

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._lock = threading.RLock()
        self._done = 0
        self._total: int | None = None
        self._label: str | None = None
        self._task: str | None = None  # the label of the one begun last
        self._tasks: dict[str, dict[str, Any]] = {}
        self._usage: dict[str, int] | None = None
        self._counts_tasks = False
        self._is_told = False
        self._warnings: list[str] = []
        self._waiting_for: str | None = None

    def report(self, done: float, total: float | None, label: str | None) -> None:
        """Take what the work itself says: the function behind `lastword.progress`."""
        done_count = max(0, int(done))
        total_count = None if total is None else max(0, int(total))
        with self._lock:
            if self._counts_tasks:
                counted = f"{done_count} of {total_count}" if total_count is not None else str(done_count)
                self._label = shorten(f"{self._task}: {label or ''} ({counted})".replace(":  (", " ("))
            else:
                self._is_told = True
                self._done, self._total = done_count, total_count
                if label is not None:
                    self._label = shorten(label)
        self._tell()

    def expect_tasks(self, count: int) -> None:
        """Note that a crew with so many tasks has begun; several crews add up."""
        with self._lock:
            if not self._counts_tasks:
                self._counts_tasks, self._done, self._total = True, 0, 0
            self._total = (self._total or 0) + count
        self._tell()

    def begin_task(self, key: str, label: str) -> None:
        """Note that a task or a flow's method has begun."""
        with self._lock:
            self._task = self._label = shorten(label)
            if key not in self._tasks and len(self._tasks) < MAX_TASKS:
                self._tasks[key] = {"label": self._label, "started_at": instant(time.time())}
        self._tell()

    def settle(self) -> None:
        """Forget what a tool said of its own progress: it has ended, and its task goes on."""
        with self._lock:
            if not self._counts_tasks or self._label == self._task:
                return
            self._label = self._task
        self._tell()

    def finish_task(self, key: str, *, is_step: bool = False) -> None:
        """Note that it has ended. A flow's steps do not count where a crew's tasks or the work itself do."""
        with self._lock:
            if not (is_step and (self._counts_tasks or self._is_told)):
                self._done += 1
            task = self._tasks.get(key)
            if task is not None:
                task["finished_at"] = instant(time.time())
        self._tell()

    def add_usage(self, prompt: int, completion: int, total: int) -> None:
        """Add what one call of a language model used."""
        with self._lock:
            usage = self._usage or dict.fromkeys(
                ("prompt_tokens", "completion_tokens", "total_tokens", "calls"), 0
            )
            usage["prompt_tokens"] += max(0, prompt)
            usage["completion_tokens"] += max(0, completion)
            usage["total_tokens"] += max(0, total or prompt + completion)
            usage["calls"] += 1
            self._usage = usage
        self._tell()

    def warn(self, text: str) -> None:
        """Keep something that a reader of a success should know; the same text once."""
        warning = shorten(text, MAX_WARNING)
        with self._lock:
            if warning in self._warnings or len(self._warnings) >= MAX_WARNINGS:
                return
            self._warnings.append(warning)
        self._voice.say(f"warning: {warning}")

    def wait_for(self, what: str | None) -> None:
        """Tell that the work waits for a person, or (None) no longer does."""
        with self._lock:
            if what == self._waiting_for:
                return
            self._waiting_for = what
        self._voice.tell({"says": "waiting", "waiting_for": what and shorten(what, 2000)})

    def ending(self) -> dict[str, Any]:
        """Return what goes into the last word."""
        with self._lock:
            message: dict[str, Any] = {"warnings": list(self._warnings)}
            if self._usage is not None:
                message["usage"] = dict(self._usage)
            if self._tasks or self._done or self._total is not None or self._label is not None:
                message["progress"] = self._progress()
            return message

    def _tell(self) -> None:
        self._voice.tell_latest(self._line)

    def _line(self) -> dict[str, Any]:
        with self._lock:
            line: dict[str, Any] = {"says": "progressed", "progress": self._progress()}
            if self._usage is not None:
                line["usage"] = dict(self._usage)
            return line

    def _progress(self) -> dict[str, Any]:
        return {
            "done": self._done,
            "total": self._total,
            "label": self._label,
            "tasks": [dict(task) for task in self._tasks.values()],
        }
