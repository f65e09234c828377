"""Names that become tokens of a subject."""

import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastword.contracts.ids import (
    DefinitionName,
    ExecutorName,
    WorkflowId,
    id_for_key,
    is_token,
    new_event_id,
    new_workflow_id,
)

ALPHABET = set(string.ascii_letters + string.digits + "_-")
BAD = [
    "",
    "a.b",
    "a b",
    "*",
    ">",
    "a\n",
    "\na",
    "a\r\nPUB x 1",
    "a\0",
    "a\tb",
    "ä",
    "\uff57",  # a wide w
    "\u202ea",
    "a/b",
    "../a",
    "a" * 65,
    "a" * 10_240,
]


@pytest.mark.parametrize("text", BAD, ids=ascii)
def test_what_could_widen_or_end_a_subject_is_no_token(text: str) -> None:
    """No dot, space, wildcard, line's end, look-alike or endless name."""
    assert not is_token(text)


@pytest.mark.parametrize("text", BAD, ids=ascii)
@pytest.mark.parametrize("kind", [WorkflowId, DefinitionName, ExecutorName], ids=["id", "name", "executor"])
def test_such_names_do_not_decode(text: str, kind: type[str]) -> None:
    """The border refuses them, the final newline included, which `$` alone would let pass."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, kind)


@given(st.text(max_size=80))
def test_a_token_is_the_alphabet_and_nothing_else(text: str) -> None:
    """For any text at all, `is_token` and the decoder agree with the sentence in the docs."""
    good = 1 <= len(text) <= 64 and set(text) <= ALPHABET
    assert good == is_token(text)
    try:
        msgspec.convert(text, WorkflowId)
    except msgspec.ValidationError:
        assert not good
    else:
        assert good


@pytest.mark.parametrize("definition", ["a", "research-brief", "d" * 48])
def test_every_id_is_a_token(definition: str) -> None:
    """Also under the longest name of a definition, and for any caller and key."""
    for made in (new_workflow_id(definition), id_for_key(definition, "a\nda", "k" * 255)):
        assert is_token(made)
        assert made.startswith(f"{definition}-")


def test_fresh_ids_differ() -> None:
    """A thousand draws of 40 bits: a repetition has a chance of one in two million."""
    assert 1_000 == len({new_workflow_id("a") for _ in range(1_000)})
    assert 1_000 == len({new_event_id() for _ in range(1_000)})


def test_a_key_always_names_the_same_id() -> None:
    """Today's request and its repetition next year, on another host; so the value itself is pinned."""
    assert "research-brief-0bha0vdv8ysp2gg" == id_for_key("research-brief", "ada", "order-66")


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_other_callers_and_other_keys_name_other_ids(one: tuple[str, str], other: tuple[str, str]) -> None:
    """One caller's key says nothing about another's."""
    assert (one == other) == (id_for_key("a", *one) == id_for_key("a", *other))


def test_another_definition_is_another_workflow() -> None:
    """A key belongs to a definition as much as to its caller."""
    assert id_for_key("a", "ada", "k") != id_for_key("b", "ada", "k")


def test_an_event_id_has_128_bits() -> None:
    """Its repetition is recognised for as long as the record lives."""
    assert 128 == 4 * len(new_event_id())
