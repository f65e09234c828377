"""One event is one line, whatever it holds."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lastword.telemetry.render import as_json, as_text, cleaned

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)


def event(**keys: Any) -> dict[str, Any]:
    """Return an event as the common processors leave it."""
    return {
        "at": "2026-01-02T03:04:05Z",
        "level": "info",
        "role": "supervisor",
        "event": "workflow.moved",
    } | keys


def plain(**keys: Any) -> str:
    """Return the event as text without colours."""
    return as_text(event(**keys), now=NOW, colours=False)


def test_text_is_aligned_and_shows_the_telling_keys_first() -> None:
    """Time, who, what, and then what a reader looks for, in the same order each time."""
    shown = plain(lag_s=0.0012345678, cause="claimed", status="running", workflow="w-1", actor="executor-1")
    start = f"03:04:05.678   {'executor-1':<12} {'workflow.moved':<26} "
    assert f"{start}workflow=w-1 status=running cause=claimed lag_s=0.00123457\n" == shown


def test_the_role_stands_where_no_actor_is_bound() -> None:
    """So that every line says who speaks."""
    assert "supervisor   workflow.moved" in plain()


def test_warnings_and_errors_are_marked_without_colour_too() -> None:
    """Colour alone tells nothing to a file or to many eyes."""
    assert "▲ supervisor" in plain(level="warning")
    assert "✖ supervisor" in plain(level="error")


def test_colours_are_reset_and_leave_the_text_the_same() -> None:
    """Taking the escapes away gives the plain line."""
    painted = as_text(event(status="failed"), now=NOW, colours=True)
    assert "\x1b[31mfailed\x1b[0m" in painted
    for code in ("0", "1", "2", "31", "36"):
        painted = painted.replace(f"\x1b[{code}m", "")
    assert plain(status="failed") == painted


def test_a_forged_line_stays_inside_its_own() -> None:
    """Neither a value, a key, an event nor an actor can end a line or send an escape sequence."""
    forged = "x\n03:04:05.678   supervisor   workflow.moved\x1b[2K"
    for text in (plain(error=forged), plain(**{forged: 1}), plain(event=forged), plain(actor=forged)):
        assert 1 == text.count("\n")
        assert "\x1b" not in text


def test_a_traceback_stands_behind_a_bar() -> None:
    """Each of its lines is marked, those that an exception's message forges too."""
    rows = plain(exception="Traceback\nValueError: a\n03:04:05.678   forged").splitlines()
    assert ["    │ Traceback", "    │ ValueError: a", "    │ 03:04:05.678   forged"] == rows[1:]


def test_values_with_spaces_are_quoted_and_long_ones_cut() -> None:
    """A terminal's line stays readable."""
    assert 'detail="two words"' in plain(detail="two words")
    assert 'empty=""' in plain(empty="")
    assert len(plain(detail="x" * 10_000)) < 350


def test_json_has_the_telling_keys_first_and_keeps_every_character() -> None:
    """A program reads back what was said; a terminal that shows the line is not moved by it."""
    keys = {"detail": "a\nb\x1b[31m\x9b\u2028\U000e0001é", "n": 3, "ok": True, "none": None, "x": 1.5}
    line = as_json(event(**keys))
    assert line.startswith(b'{"at":"2026-01-02T03:04:05Z","level":"info","role":"supervisor","event":')
    assert line.endswith(b"}\n")
    assert line.decode()[:-1].isprintable()
    assert event(**keys) == msgspec.json.decode(line)


@given(
    st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.floats(allow_nan=False)), max_size=5)
)
def test_any_keys_and_values_make_one_line_of_json(keys: dict[str, Any]) -> None:
    """Numbers beyond 64 bits and half surrogates included."""
    line = as_json(event(keys=keys))
    assert 1 == line.count(b"\n")
    assert isinstance(msgspec.json.decode(line), dict)


def test_secrets_are_hidden_at_any_depth() -> None:
    """By name and by shape, in Structs and mappings, and in tracebacks."""

    class Options(msgspec.Struct):
        password: str
        url: str

    options = Options("hunter2", "nats://a:hunter2@h")
    shown = cleaned({"bus": options, "list": [{"token": "hunter2"}]})
    expected = {"bus": {"password": "***", "url": "nats://a:***@h"}, "list": [{"token": "***"}]}
    assert expected == shown
    assert "hunter2" not in plain(exception="OSError: nats://a:hunter2@h refused")


def test_values_are_bounded() -> None:
    """In length, in number and in depth; of a traceback the end is kept, for it says what happened."""
    assert 8_192 == len(cleaned("x" * 100_000))
    assert cleaned("x" * 100_000 + "the end", "exception").endswith("the end")
    assert 64 == len(cleaned(list(range(1_000))))
    nested: list[Any] = []
    for _ in range(100):
        nested = [nested]
    assert len(str(cleaned(nested))) < 300


def test_other_types_are_shown_as_text() -> None:
    """Times as RFC 3339, the rest as they print."""
    assert "2026-01-02T03:04:05+02:00" == cleaned(
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    )
    assert "IndexError" in cleaned(IndexError)
