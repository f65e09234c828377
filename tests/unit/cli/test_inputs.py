"""Inputs, as they are typed."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastword.cli.errors import BadUsage
from lastword.cli.inputs import Inputs, parse_inputs

NOWHERE = Path("/nowhere")


def parse(*pairs: str, stdin: str | None = None) -> Inputs:
    """Return the inputs of the pairs, over those of standard input."""
    return parse_inputs(pairs, None if stdin is None else "-", NOWHERE, io.StringIO(stdin or ""))


def test_text_and_json_are_told_apart_by_the_sign() -> None:
    """`=` gives text, `:=` gives JSON."""
    inputs = parse("topic=tidal power", "depth:=3", 'tags:=["a", null]', "empty=", "n=5")
    assert {"topic": "tidal power", "depth": 3, "tags": ["a", None], "empty": "", "n": "5"} == inputs.values
    assert {"topic", "empty", "n"} == inputs.typed


@given(st.text().filter(lambda text: "\0" not in text))
def test_text_comes_through_whatever_it_holds(text: str) -> None:
    """Further signs are part of it."""
    assert {"key": text} == parse(f"key={text}").values
    assert {"key": text} == parse(f"key:={json.dumps(text)}").values


def test_pairs_lie_over_the_file() -> None:
    """So that one value of a saved set can be changed."""
    assert {"a": 1, "b": "x"} == parse("b=x", stdin='{"a": 1, "b": 2}').values


@pytest.mark.parametrize("pair", ["topic", "=x", ":=1", ""])
def test_what_is_no_pair_is_refused_with_how_it_is_written(pair: str) -> None:
    """Naming the culprit."""
    with pytest.raises(BadUsage, match="is no input") as caught:
        parse(pair)
    assert "-i key=text" in caught.value.hints[0]


@pytest.mark.parametrize("text", ["tidal power", "{", "NaN", "-Infinity", "1e999", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    """Including what Python takes and the standard does not."""
    with pytest.raises(BadUsage, match="is not JSON"):
        parse(f"topic:={text}")


def test_a_key_that_is_given_twice_is_refused() -> None:
    """The last one winning in silence would be a guess."""
    with pytest.raises(BadUsage, match="given twice"):
        parse("a=1", "a:=2")


@pytest.mark.parametrize("text", ["[1]", '"x"', "3", "null"])
def test_a_file_must_hold_an_object(text: str) -> None:
    """Inputs have names."""
    with pytest.raises(BadUsage, match="not a JSON object"):
        parse(stdin=text)


def test_a_file_that_is_not_there_is_named() -> None:
    """With the system's reason."""
    with pytest.raises(BadUsage, match=r"--inputs missing\.json: No such file"):
        parse_inputs((), "missing.json", NOWHERE, io.StringIO())
