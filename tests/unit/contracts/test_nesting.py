"""How deeply JSON is nested, told without reading it level by level."""

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastword.contracts.nesting import nesting_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab"\\[]{}\n'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='"\\[{'), inner, max_size=3),
    max_leaves=30,
)


def _levels(value: Any) -> int:
    """Return the same by going down."""
    if isinstance(value, dict):
        value = list(cast("dict[str, Any]", value).values())
    if not isinstance(value, list):
        return 0
    return 1 + max(map(_levels, cast("list[object]", value)), default=0)


@given(VALUES)
def test_brackets_within_strings_count_for_nothing(value: Any) -> None:
    """Exact, whatever quotes and backslashes the text has."""
    assert _levels(value) == nesting_of(json.dumps(value).encode(), limit=0)


@given(VALUES, st.integers(0, 20))
def test_whoever_asks_about_a_limit_is_told_the_truth(value: Any, limit: int) -> None:
    """Below it the number may be too large, and never beyond it."""
    levels = _levels(value)
    told = nesting_of(json.dumps(value).encode(), limit)
    assert (levels > limit) == (told > limit)


@pytest.mark.parametrize("text", [b"]" * 300, b'"' + b"[" * 300, b"[" * 300 + b'"' + b"]" * 9, b"\\[" * 300])
def test_what_is_no_json_has_some_number(text: bytes) -> None:
    """It is asked before anything is decoded."""
    assert 0 <= nesting_of(text) <= 300


@pytest.mark.parametrize("part", [b'\\"', b'"', b"\\", b'"\\', b'"[', b"[{"])
def test_no_text_takes_long(part: bytes) -> None:
    """A megabyte of what would make a careless pattern try everything twice, within the test's own limit."""
    assert nesting_of(b"[" * 200 + b'"' + part * (900_000 // len(part))) >= 0
