"""Values that fit a schema."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastword.offline.arguments import fit

SIMPLE = st.one_of(
    st.fixed_dictionaries({"type": st.just("string")}, optional={
        "minLength": st.integers(0, 5), "maxLength": st.integers(5, 20)
    }),
    st.fixed_dictionaries({"type": st.just("integer")}, optional={
        "minimum": st.integers(-50, 0), "maximum": st.integers(1, 50)
    }),
    st.fixed_dictionaries({"type": st.just("number")}, optional={
        "exclusiveMinimum": st.integers(-50, 0), "exclusiveMaximum": st.integers(2, 50)
    }),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"const": 7}),
    st.lists(st.sampled_from(["a", 1, None]), min_size=1, unique=True).map(lambda options: {"enum": options}),
)  # fmt: skip


def larger(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Build schemas of others."""
    objects = st.dictionaries(st.sampled_from(["name", "url", "text", "count"]), inner, min_size=1).map(
        lambda parts: {
            "type": "object",
            "properties": parts,
            "required": sorted(parts),
            "additionalProperties": False,
        }
    )
    arrays = st.tuples(inner, st.integers(0, 4)).map(
        lambda pair: {"type": "array", "items": pair[0], "minItems": pair[1], "maxItems": 5}
    )
    return st.one_of(objects, arrays, inner.map(lambda one: {"anyOf": [{"type": "null"}, one]}))


@given(st.recursive(SIMPLE, larger, max_leaves=8), st.booleans())
def test_what_is_made_up_fits(schema: dict[str, Any], prose: bool) -> None:  # noqa: FBT001
    """Whatever the schema demands, as a judge of its own sees it."""
    value = fit(schema, "tidal power", ["One sentence.", "Another one."] if prose else None)
    jsonschema.Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize(
    ("name", "schema", "expected"),
    [
        ("query", {"type": "string"}, "tidal power"),
        ("title", {"type": "string"}, "Tidal power"),
        ("website_url", {"type": "string"}, "https://example.org/"),
        ("due", {"type": "string", "format": "date"}, "2025-03-14"),
        ("count", {"type": "integer", "default": 9}, 9),
        ("level", {"type": ["null", "integer"], "minimum": 4}, 4),
    ],
)
def test_names_and_formats_say_what_is_meant(name: str, schema: dict[str, Any], expected: object) -> None:
    """Arguments should look as if somebody had thought of them."""
    assert {name: expected} == fit({"type": "object", "properties": {name: schema}}, "tidal power")


def test_definitions_are_followed() -> None:
    """Also those that hold themselves, to some depth."""
    schema = {
        "$ref": "#/$defs/Node",
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "next": {"$ref": "#/$defs/Node"}},
                "required": ["name"],
            }
        },
    }
    value = fit(schema, "tides")
    jsonschema.Draft202012Validator(schema).validate(value)
    assert "Tides" == value["name"]


def test_a_schema_that_has_no_value_ends() -> None:
    """Rather than going on for ever."""
    schema = {"type": "object", "properties": {"me": {"$ref": "#"}}, "required": ["me"]}
    assert isinstance(fit(schema, "tides"), dict)


def test_long_texts_are_sentences() -> None:
    """Where there are some; short ones stay the topic."""
    schema = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "points": {"type": "array", "items": {"type": "string"}},
        },
    }
    expected = {"title": "Tides", "points": ["One.", "Two.", "One."]}
    assert expected == fit(schema, "tides", ["One.", "Two."])
