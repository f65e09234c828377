"""Results as JSON."""

import decimal
import enum
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import PurePosixPath
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastword.child.inside.failures import NotJson
from lastword.child.inside.results import as_json
from lastword.contracts.nesting import MAX_NESTING

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


class Colour(enum.Enum):
    """A choice."""

    RED = "red"


@dataclass
class Inner:
    """A structure."""

    colour: Colour
    when: datetime


class Struct(msgspec.Struct):
    """A structure of msgspec's."""

    inner: Inner


@given(JSON.filter(lambda value: "\\ud" not in json.dumps(value)))
def test_json_stays_as_it_is(value: object) -> None:
    """What goes in comes out."""
    body, changed = as_json(value)
    assert value == json.loads(body)
    assert not changed


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Colour.RED, "red"),
        (Struct(Inner(Colour.RED, datetime(2025, 1, 1, tzinfo=UTC))), {
            "inner": {"colour": "red", "when": "2025-01-01T00:00:00+00:00"}
        }),
        ({"day": date(2025, 1, 1)}, {"day": "2025-01-01"}),
        ({1, 2}, [1, 2]),
        ((1, (2,)), [1, [2]]),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (PurePosixPath("/a"), "/a"),
        ("\ud800", "?"),
    ],
)  # fmt: skip
def test_what_is_nearly_json_becomes_it(value: object, expected: object) -> None:
    """Structures become objects, and times become text."""
    assert expected == json.loads(as_json(value)[0])


def test_what_has_no_number_becomes_null() -> None:
    """JSON has neither NaN nor infinity; the caller is told."""
    body, changed = as_json({"a": [float("nan"), float("inf"), 1.5], "b": (float("-inf"),)})
    assert {"a": [None, None, 1.5], "b": [None]} == json.loads(body)
    assert changed


def circle() -> list[Any]:
    """Return a list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


def deep() -> list[Any]:
    """Return a list deeper than Python writes."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (object, "builtins.object cannot be written as JSON"),
        (circle, "Circular reference"),
        (deep, "recursion"),
        (lambda: b"bytes", "builtins.bytes"),
        (lambda: {(1, 2): 3}, "keys must be"),
        (lambda: iter(()), "builtins.tuple_iterator"),
    ],
)
def test_what_is_no_json_is_refused_with_a_reason(make: Any, reason: str) -> None:
    """The class at fault is named."""
    with pytest.raises(NotJson, match=reason):
        as_json(make())


@pytest.mark.parametrize("levels", [MAX_NESTING + 1, 960, 100_000])
def test_what_is_nested_too_deeply_is_no_result(levels: int) -> None:
    """It could be written here and then not be read elsewhere, and the workflow would have no end."""
    value: object = 0
    for _ in range(MAX_NESTING):
        value = [value]
    assert b"[" * MAX_NESTING == as_json(value)[0][:MAX_NESTING]
    for _ in range(levels - MAX_NESTING):
        value = [value]
    with pytest.raises(NotJson):
        as_json(value)
