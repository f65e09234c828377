"""How things are said."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from lastword.cli.words import clock, duration, error_facts, inputs_of, sign_of, span_s, value_text
from lastword.contracts.events import Error
from lastword.contracts.messages import Definition
from lastword.contracts.statuses import ErrorCode, Status
from tests.samples import START, second
from tests.unit.cli.fake_edge import workflow


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 ms"),
        (0.0123, "12 ms"),
        (4.25, "4.2 s"),
        (250, "4 m 10 s"),
        (7_500, "2 h 5 m"),
        (273_600, "3 d 4 h"),
    ],
)
def test_a_span_is_said_in_two_units_at_most(seconds: float, words: str) -> None:
    """Numbers carry units."""
    assert words == duration(seconds)


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_its_own_sign(status: Status) -> None:
    """Label and mark tell it without colour."""
    sign = sign_of(msgspec.structs.replace(workflow(status), warnings=()))
    assert str(status) == sign.label
    assert 1 == len(sign.mark)


def test_doubt_outranks_waiting_and_warnings_are_counted() -> None:
    """As in the browser app."""
    waiting = workflow(Status.RUNNING, done=1, waiting_for="approval")
    assert "waiting for a person" == sign_of(waiting).label
    stale = workflow(Status.RUNNING, done=1, waiting_for="approval", heartbeat="stale")
    assert "running, in doubt" == sign_of(stale).label
    assert "success, 1 warning" == sign_of(workflow(Status.SUCCESS)).label
    assert "success, 2 warnings" == sign_of(workflow(Status.SUCCESS, warnings=("a", "b"))).label


def test_a_clock_stops_at_the_last_beat_while_in_doubt_and_at_the_end() -> None:
    """Nothing is known after that."""
    running = workflow(Status.RUNNING)
    assert running.started_at is not None
    began = running.started_at
    assert 60.0 == span_s(running, began + timedelta(seconds=60))
    stale = workflow(Status.RUNNING, heartbeat="stale", last_heartbeat_at=began + timedelta(seconds=6))
    assert 6.0 == span_s(stale, began + timedelta(seconds=60))
    ended = workflow(Status.SUCCESS, started_at=began, finished_at=began + timedelta(seconds=9))
    assert 9.0 == span_s(ended, began + timedelta(days=1))
    assert span_s(workflow(Status.PENDING), second(60)) is None


def test_two_clocks_never_make_a_negative_span() -> None:
    """The host that started it may be ahead of ours."""
    assert 0.0 == span_s(workflow(Status.RUNNING), START - timedelta(hours=1))


def test_a_moment_far_away_carries_its_date() -> None:
    """And one that is near does not."""
    assert 8 == len(clock(START, START))
    assert f"{START.astimezone():%Y-%m-%d}" in clock(START, START + timedelta(days=2))
    assert "never" == clock(None, START)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, ""),
        ({"properties": {"topic": {"type": "string"}}, "required": ["topic"]}, "topic: string"),
        ({"properties": {"n": {"type": "integer", "default": 3}}}, "n: integer = 3"),
        ({"properties": {"n": {"anyOf": [{"type": "number"}, {"type": "null"}]}}}, "n?: number | null"),
        ({"properties": {"n": {"type": ["string", "null"]}}}, "n?: string | null"),
        ({"properties": {"n": {"enum": ["a", 1]}}}, 'n?: "a" | 1'),
        ({"properties": {"n": True}}, "n?: any"),
        ({"properties": {"n\x1b[2J": {}}}, "n\\x1b[2J?: any"),
    ],
)
def test_inputs_read_like_the_head_of_a_function(schema: dict[str, Any], words: str) -> None:
    """Whatever the schema holds."""
    assert words == inputs_of(Definition(name="brief", kind="crew", input_schema=schema))


def test_a_value_is_shown_as_text_or_as_json() -> None:
    """Lines are kept, escapes are not."""
    assert "a\nb\\x1b[31m" == value_text("a\nb\x1b[31m")
    assert '{\n  "é": 1\n}' == value_text({"é": 1})


def test_an_error_is_told_with_what_goes_with_it() -> None:
    """The code first."""
    error = Error(code=ErrorCode.ABRUPT_EXIT, message="m", signal="SIGKILL")
    assert "abrupt_exit, signal SIGKILL" == error_facts(error)


def test_an_exceptions_class_is_not_said_twice() -> None:
    """Messages begin with it, as Python prints them."""
    error = Error(code=ErrorCode.EXCEPTION, message="ValueError: it broke", type="ValueError")
    assert "exception" == error_facts(error)
    assert "exception, KeyError" == error_facts(
        Error(code=ErrorCode.EXCEPTION, message="it broke", type="KeyError")
    )
