"""Text from elsewhere cannot do anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastword.telemetry.inert import inert, shortened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 語", "plain ünïcode 語"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\U000e0001tag", "\\U000e0001tag"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_and_format_characters_are_shown_as_escapes(text: str, shown: str) -> None:
    """Nothing that moves a cursor, ends a line or turns the direction of writing is left."""
    assert shown == inert(text)


def test_line_ends_and_tabs_stay_where_lines_are_kept() -> None:
    """A result of several lines stays readable, and a carriage return still cannot overwrite one."""
    assert "a\n\tb\\r" == inert("a\n\tb\r", keep_lines=True)


@given(st.text())
def test_what_is_inert_is_one_line_that_a_terminal_can_only_print(text: str) -> None:
    """Whatever comes in."""
    shown = inert(text)
    assert len(shown.splitlines()) <= 1
    assert all(c.isprintable() or c in "\u200c\u200d" for c in shown)


@given(st.text(max_size=40), st.integers(min_value=1, max_value=30))
def test_a_shortened_text_is_never_longer_than_asked(text: str, limit: int) -> None:
    """And is left alone where it fits."""
    short = shortened(text, limit)
    assert len(short) <= limit
    assert short == text or short.endswith("…")
