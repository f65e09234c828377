"""Server-sent events are parsed as the standard has it, from any chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastword.cli import sse
from lastword.cli.sse import EventParser, ServerEvent, TooLarge

BODY = (
    b'retry: 2000\n:\n\nid: e:1\nevent: hello\ndata: {"a":1}\n\n'
    b"data: one\ndata:two\nid: e:2\n\nevent: nothing\n\ndata: x\n\n"
)
EVENTS = [
    ServerEvent(name="hello", data=b'{"a":1}', last_id="e:1"),
    ServerEvent(data=b"one\ntwo", last_id="e:2"),
    ServerEvent(data=b"x", last_id="e:2"),
]


def parsed(*chunks: bytes) -> list[ServerEvent]:
    """Return the events that the chunks make."""
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


def test_events_ids_and_comments_are_told_apart() -> None:
    """An event without data is none; an id stays until another comes."""
    assert EVENTS == parsed(BODY)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_all_three_line_ends_mean_the_same_however_the_chunks_are_cut(ending: bytes) -> None:
    """A line end that is cut in two is one line end."""
    body = BODY.replace(b"\n", ending)
    for size in (1, 2, 3, 7, len(body)):
        assert EVENTS == parsed(*(body[n : n + size] for n in range(0, len(body), size)))


@given(st.lists(st.integers(min_value=0, max_value=len(BODY)), max_size=8))
def test_where_chunks_are_cut_changes_nothing(cuts: list[int]) -> None:
    """Searched."""
    places = [0, *sorted(cuts), len(BODY)]
    body = BODY.replace(b"\n", b"\r\n")
    assert EVENTS == parsed(*(body[a:b] for a, b in zip(places, [*places[1:], len(body)], strict=True)))


def test_what_only_looks_like_a_line_end_to_python_is_none() -> None:
    """JSON may hold U+2028, U+0085 and vertical tabs as they are."""
    text = "a\u2028b\x85c\x0bd".encode()
    assert [ServerEvent(data=text)] == parsed(b"data: " + text + b"\n\n")


def test_a_field_without_a_value_and_an_unknown_one_do_no_harm() -> None:
    """As the standard says."""
    assert [ServerEvent(data=b"")] == parsed(b"data\nweather: sunny\n\n")


def test_an_event_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, for one long line as for many short ones."""
    monkeypatch.setattr(sse, "MAX_EVENT", 100)
    with pytest.raises(TooLarge):
        parsed(*[b"data: xxxxxxxxxx"] * 10)
    with pytest.raises(TooLarge):
        parsed(*[b"data: xxxxxxxxxx\n"] * 12)
