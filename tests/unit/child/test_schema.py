"""From annotations to JSON Schema, and from JSON to what a function wants."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import jsonschema
import msgspec
import pytest
from msgspec import Meta

from lastword.child.inside import schema as reading
from lastword.child.inside.failures import InvalidInputs, LoadFailed
from lastword.child.inside.schema import Inputs, for_crew, for_flow, for_function


class Colour(enum.Enum):
    """A choice."""

    RED = "red"
    BLUE = "blue"


@dataclass
class Place:
    """A structure."""

    name: str
    height: float = 0.0


def function(
    text: str,
    place: Place,
    when: datetime | None = None,
    colour: Colour = Colour.RED,
    size: Annotated[int, Meta(ge=1, description="How many.")] = 1,
    mode: Literal["fast", "slow"] = "fast",
    names: tuple[str, ...] = (),
) -> None:
    """Take all sorts of things."""


def test_a_schema_is_valid_and_closed() -> None:
    """Of the dialect that it names, with what is required and what is not."""
    inputs = for_function(function)
    jsonschema.Draft202012Validator.check_schema(inputs.schema)
    assert ["text", "place"] == inputs.schema["required"]
    assert inputs.schema["additionalProperties"] is False
    assert "How many." == inputs.schema["properties"]["size"]["description"]
    assert "red" == inputs.schema["properties"]["colour"]["default"]


def test_values_become_what_the_annotations_say() -> None:
    """Dataclasses, enums and times arrive as such."""
    values = {"text": "a", "place": {"name": "b"}, "when": "2025-01-01T00:00:00Z", "colour": "blue"}
    converted = for_function(function).convert(values)
    assert Place("b") == converted["place"]
    assert Colour.BLUE is converted["colour"]
    assert isinstance(converted["when"], datetime)
    assert "size" not in converted


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({}, {"text", "place"}),
        ({"text": 1, "place": {"name": "b"}}, {"text"}),
        ({"text": "a", "place": {"name": 3}}, {"place"}),
        ({"text": "a", "place": {"name": "b"}, "size": 0}, {"size"}),
        ({"text": "a", "place": {"name": "b"}, "other": 0}, {"other"}),
    ],
)
def test_every_bad_field_is_named(values: dict[str, Any], problems: set[str]) -> None:
    """All at once, so that nobody has to try again for each; and the schema agrees."""
    inputs = for_function(function)
    with pytest.raises(InvalidInputs) as failure:
        inputs.convert(values)
    assert problems == failure.value.problems.keys()
    assert not jsonschema.Draft202012Validator(inputs.schema).is_valid(values)


def test_a_positional_parameter_cannot_be_given() -> None:
    """Inputs have names."""

    def odd(value: int, /) -> None: ...

    with pytest.raises(LoadFailed, match="'value' is positional only"):
        for_function(odd)


def test_an_annotation_of_unknown_meaning_is_told() -> None:
    """A name that exists for type checkers only cannot be read here."""

    def odd(value: int) -> None: ...

    odd.__annotations__["value"] = "Nothing"
    with pytest.raises(LoadFailed, match="Nothing"):
        for_function(odd)


def test_pydantic_stands_in_for_msgspec(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter of a project's own may have the one and not the other."""
    pytest.importorskip("pydantic")
    monkeypatch.setitem(__import__("sys").modules, "msgspec", None)

    def work(place: Place, count: int = 1) -> None: ...

    inputs = for_function(work)
    assert Place("a", 1.0) == inputs.convert({"place": {"name": "a", "height": 1}})["place"]
    with pytest.raises(InvalidInputs, match="count: Input should be a valid integer"):
        inputs.convert({"place": {"name": "a"}, "count": "many"})


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [(str, "a", 1), (int, 1, True), (int, 1, 1.5), (float, 1, "1"), (bool, True, 1), (list[int], [1], {})],
)
def test_simple_types_are_checked_without_either(
    monkeypatch: pytest.MonkeyPatch, annotation: Any, good: object, bad: object
) -> None:
    """An environment with nothing but Python knows its own types."""
    for name in ("msgspec", "pydantic"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    _, convert = reading._read(annotation, {})
    assert good == convert(good)
    with pytest.raises(ValueError, match="Expected"):
        convert(bad)


def test_a_crew_takes_its_placeholders_as_text() -> None:
    """Numbers will do, since they are put into a text; structures will not."""
    inputs = for_crew({"topic", "the_day", '"a": 1'}, {"the_day": "Monday"}, prepared=False)
    assert ["the_day", "topic"] == list(inputs.schema["properties"])
    assert ["topic"] == inputs.schema["required"]
    assert {"topic": 3} == inputs.convert({"topic": 3})
    with pytest.raises(InvalidInputs, match="topic: Expected `str`, got `list`"):
        inputs.convert({"topic": []})


def test_a_crew_that_prepares_its_inputs_asks_for_none() -> None:
    """It may make them up from others."""
    inputs = for_crew({"topic"}, {}, prepared=True)
    assert {"other": 1} == inputs.convert({"other": 1})


def test_a_flow_with_a_loose_state_takes_anything() -> None:
    """Its keys are offered, and nothing is demanded."""
    inputs = for_flow({"id": "x", "topic": "tides"})
    assert {"topic": {"default": "tides"}} == inputs.schema["properties"]
    assert {"other": 1} == inputs.convert({"other": 1})


def returning(convert: Callable[[Any], Any]) -> Inputs:
    """Return inputs with one field."""
    return Inputs({"a": reading.Field({}, required=False, convert=convert)})


def test_a_failure_of_a_converter_itself_is_not_hidden() -> None:
    """Only a refused value is the user's."""

    def broken(_value: object) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        returning(broken).convert({"a": 1})


def test_msgspec_s_errors_are_values_errors() -> None:
    """The check relies on it."""
    assert issubclass(msgspec.ValidationError, ValueError)
