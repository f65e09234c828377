"""The logs: structlog set up once per process, readable on a terminal, JSON elsewhere, on standard output.

Every module says `log = structlog.get_logger()` and calls `log.info("workflow.moved", workflow=…)`: a dotted
past-tense name and keys.  What other libraries say through `logging` (uvicorn, Alembic, nats) comes out the
same way, from `warning` upwards, under the event `library.logged`.  Secrets never pass (`secrets`), values
cannot forge lines (`render`), and a reader that stops reading does not stop us (`sink`).
"""

import atexit
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, Any, Final, Protocol

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from lastword.telemetry.render import as_json, as_text
from lastword.telemetry.sink import DirectSink, LineSink

__all__ = ["LogOptions", "configure_logs"]

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class LogOptions(Protocol):
    """The part of the settings that logs go by (`LASTWORD_LOG__*`)."""

    @property
    def level(self) -> str:
        """The least important level that is shown."""
        ...

    @property
    def format(self) -> str:
        """`text`, `json`, or `auto`: text on a terminal, JSON elsewhere."""
        ...


def configure_logs(
    settings: LogOptions,
    role: str,
    *,
    threaded: bool = True,
    stream: IO[bytes] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Callable[[], None]:
    """Send all logs of this process to `stream` (standard output), as from `role` where no `actor` is bound.

    Call it before the first line, and again in a process that was forked.  A process that forks others, and
    so must have no thread, says `threaded=False`.  Returns what writes the last lines out; it also runs at
    exit.
    """
    terminal = stream is None and sys.stdout.isatty()
    text = settings.format == "text" or (settings.format == "auto" and terminal)
    colours = text and terminal and not os.environ.get("NO_COLOR")

    def render(event: EventDict) -> bytes:
        if text:
            line = as_text(event, now=now().astimezone(), colours=colours)
            return line.encode("utf-8", "backslashreplace")
        return as_json(event)

    def stamp(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event.setdefault("role", role)
        event["level"] = "error" if method in {"exception", "critical"} else method
        event["at"] = now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return event

    def finish(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
        return render(event)

    def note(dropped: int) -> bytes:
        event = {"event": "logs.dropped", "lines": dropped}
        return render(stamp(None, "warning", event))

    out = stream if stream is not None else sys.stdout.buffer
    sink = LineSink(out, note) if threaded else DirectSink(out)
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        stamp,
        structlog.processors.format_exc_info,
        finish,
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
        logger_factory=lambda *_args: _Printer(sink),
        cache_logger_on_first_use=True,
    )
    _adopt_logging()
    atexit.register(sink.close)
    return sink.close


class _Printer:
    """The end of structlog's chain: one method under the name of each level."""

    __slots__ = ("debug", "error", "info", "warning")

    def __init__(self, sink: DirectSink | LineSink) -> None:
        self.debug = self.info = self.warning = self.error = sink.write

    critical = exception = fatal = msg = property(lambda self: self.error)


class _Bridge(logging.Handler):
    """Hands what libraries log to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say `record` as the event `library.logged`."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # a library's format does not fit its arguments
            message = str(record.msg)
        keys: dict[str, Any] = {"library": record.name, "message": message}
        if record.exc_info:
            keys["exc_info"] = record.exc_info
        log = structlog.get_logger()
        (log.error if record.levelno >= logging.ERROR else log.warning)("library.logged", **keys)


def _adopt_logging() -> None:
    root = logging.getLogger()
    root.handlers = [_Bridge()]
    root.setLevel(logging.WARNING)
