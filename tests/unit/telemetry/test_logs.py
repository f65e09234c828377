"""The set-up sends everything one way."""

import io
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import structlog

from lastword.settings import LogSettings
from lastword.telemetry.logs import configure_logs

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """Give structlog and `logging` back as they were."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


class Captured:
    """Logs of a role, in memory."""

    def __init__(self, settings: LogSettings) -> None:
        self._stream = io.BytesIO()
        self._close = configure_logs(settings, "executor", stream=self._stream, now=lambda: NOW)

    def text(self) -> str:
        """Return all that was logged; nothing can be logged afterwards."""
        self._close()
        return self._stream.getvalue().decode()

    def lines(self) -> list[dict[str, Any]]:
        """Return all lines of JSON that were logged."""
        return [msgspec.json.decode(line) for line in self.text().splitlines()]


def test_where_no_terminal_reads_logs_are_json() -> None:
    """Time, level, role and what the caller gave."""
    captured = Captured(LogSettings())
    structlog.get_logger().info("workflow.moved", workflow="w-1", version=2)
    expected = {
        "at": "2026-01-02T03:04:05.678900Z",
        "level": "info",
        "role": "executor",
        "event": "workflow.moved",
        "workflow": "w-1",
        "version": 2,
    }
    assert [expected] == captured.lines()


def test_text_can_be_asked_for() -> None:
    """For those who read a file; a file gets no colours."""
    captured = Captured(LogSettings(format="text"))
    structlog.get_logger().warning("pulse.missed", missed=3)
    text = captured.text()
    assert "▲ executor     pulse.missed               missed=3\n" in text
    assert "\x1b" not in text


def test_lines_below_the_level_are_not_shown() -> None:
    """The level is the least important that is."""
    captured = Captured(LogSettings(level="warning"))
    log = structlog.get_logger()
    log.info("too.low")
    log.warning("high.enough")
    assert ["high.enough"] == [line["event"] for line in captured.lines()]


def test_bound_keys_travel_along() -> None:
    """`actor` and `workflow` are bound once per letter."""
    captured = Captured(LogSettings())
    with structlog.contextvars.bound_contextvars(actor="executor-1", workflow="w-1"):
        structlog.get_logger().info("job.taken")
    (line,) = captured.lines()
    assert ("executor-1", "w-1") == (line["actor"], line["workflow"])


def test_without_a_thread_lines_are_out_at_once() -> None:
    """Nothing needs to be closed first."""
    stream = io.BytesIO()
    configure_logs(LogSettings(), "keeper", threaded=False, stream=stream, now=lambda: NOW)
    structlog.get_logger().info("role.started")
    assert b"role.started" in stream.getvalue()


def test_an_exception_is_logged_with_its_traceback() -> None:
    """As an error, on the same line of JSON."""
    captured = Captured(LogSettings())
    try:
        int("no such thing")
    except ValueError:
        structlog.get_logger().exception("job.crashed")
    (line,) = captured.lines()
    assert "error" == line["level"]
    assert line["exception"].endswith("ValueError: invalid literal for int() with base 10: 'no such thing'")


def test_what_libraries_log_comes_out_the_same_way() -> None:
    """From `warning` upwards, with its name; chatter stays away."""
    captured = Captured(LogSettings())
    library = logging.getLogger("uvicorn.error")
    library.info("chatter")
    library.warning("a %s\nforged line", "warning")
    library.error("broken %d", "format")
    lines = captured.lines()
    assert [("warning", "a warning\nforged line"), ("error", "broken %d")] == [
        (line["level"], line["message"]) for line in lines
    ]
    assert {"uvicorn.error"} == {line["library"] for line in lines}


def test_secrets_do_not_pass() -> None:
    """Not by name, and not inside a library's message."""
    captured = Captured(LogSettings())
    structlog.get_logger().info("bus.connected", password="hunter2")
    logging.getLogger("nats").error("cannot reach nats://a:hunter2@h")
    assert "hunter2" not in captured.text()
