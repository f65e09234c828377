"""What can be started, and whether inputs fit it."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from lastword.actors.catalogue import MAX_ERRORS, Catalogue
from lastword.bus import Heard
from lastword.contracts import subjects
from lastword.contracts.messages import MAX_DEFINITIONS, Definition
from tests.unit.actors.fakes import counted, fresh_metrics

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "topic": {"type": "string"},
        "pages": {"type": "integer"},
        "sources": {"type": "array", "items": {"$ref": "#/$defs/source"}},
    },
    "required": ["topic", "pages"],
    "additionalProperties": False,
    "$defs": {"source": {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]}},
}


def _definition(
    name: str = "brief", *, schema: dict[str, Any] | None = None, kind: str = "crew"
) -> Definition:
    return Definition(name=name, kind=kind, input_schema=SCHEMA if schema is None else schema)


def _heard(data: bytes, name: str = "brief") -> Heard:
    return Heard(subjects.definition(name), data, {}, 1, datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def catalogue() -> Catalogue:
    """Return a catalogue with one definition."""
    catalogue = Catalogue(fresh_metrics())
    catalogue.define(_definition())
    return catalogue


def _errors(catalogue: Catalogue, inputs: dict[str, Any], name: str = "brief") -> list[tuple[str, str]]:
    definition = catalogue.find(name)
    assert definition is not None
    return [(error.field, error.message) for error in catalogue.check(definition, inputs)]


def test_what_is_announced_can_be_found() -> None:
    """By its name; others are unknown."""
    catalogue = Catalogue(fresh_metrics())
    catalogue.hear(_heard(msgspec.json.encode(_definition())))
    assert _definition() == catalogue.find("brief")
    assert catalogue.find("other") is None
    assert ("brief",) == catalogue.names


def test_a_later_announcement_replaces_an_earlier_one(catalogue: Catalogue) -> None:
    """Its schema counts from then on, not the one before."""
    assert [] == _errors(catalogue, {"topic": "tides", "pages": 3})
    catalogue.define(_definition(schema={"type": "object", "required": ["title"]}))
    assert [("inputs.title", "This is required.")] == _errors(catalogue, {"topic": "tides", "pages": 3})


def test_a_removed_definition_is_unknown(catalogue: Catalogue) -> None:
    """An empty message is the server's word for removed."""
    catalogue.hear(_heard(b""))
    assert catalogue.find("brief") is None
    catalogue.hear(_heard(b""))
    assert () == catalogue.names


@pytest.mark.parametrize("data", [b"{", b"null", b'{"name":"a.b","kind":"crew","input_schema":{}}'])
def test_an_announcement_that_cannot_be_read_changes_nothing(catalogue: Catalogue, data: bytes) -> None:
    """It is logged; the definition before it stands."""
    with capture_logs() as lines:
        catalogue.hear(_heard(data))
    assert ["malformed"] == [line["reason"] for line in lines]
    assert ("brief",) == catalogue.names


def test_an_announcement_under_another_name_changes_nothing(catalogue: Catalogue) -> None:
    """Its removal would never be heard."""
    with capture_logs() as lines:
        catalogue.hear(_heard(msgspec.json.encode(_definition("other"))))
    assert ["misaddressed"] == [line["reason"] for line in lines]
    assert ("brief",) == catalogue.names


def test_a_flood_of_names_is_not_taken() -> None:
    """Each has a queue of its own on the server; what is known already can still be announced anew."""
    metrics = fresh_metrics()
    catalogue = Catalogue(metrics)
    for number in range(MAX_DEFINITIONS + 2):
        catalogue.hear(_heard(msgspec.json.encode(_definition(f"n{number}")), f"n{number}"))
    catalogue.hear(_heard(msgspec.json.encode(_definition("n0", kind="broken")), "n0"))
    assert MAX_DEFINITIONS == len(catalogue.announced)
    assert 2 == counted(metrics, "refused_messages_total", kind="definition", reason="excess")
    known = catalogue.find("n0")
    assert known is not None
    assert "broken" == known.kind


def test_names_are_those_that_can_be_started(catalogue: Catalogue) -> None:
    """In order, and without the broken ones, which can still be found."""
    catalogue.define(_definition("broken", kind="broken"))
    catalogue.define(_definition("alpha"))
    assert ("alpha", "brief") == catalogue.names
    assert catalogue.find("broken") is not None


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": 5}, "5 is not valid"),
        ({"properties": {"topic": {"type": "strng"}}}, "'strng' is not valid"),
        ({"properties": {"topic": {"pattern": "("}}}, "is not a 'regex'"),
        ({"properties": []}, "is not of type 'object'"),
        ({"$ref": "#/$defs/missing"}, "refers to '#/$defs/missing', which is not in it"),
        ({"properties": {"a": {"items": [{"$ref": "#/x"}]}}}, ""),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "refers to 'http://127.0.0.1:9/schema.json'"),
    ],
)
def test_a_schema_that_cannot_be_used_makes_a_definition_broken(schema: dict[str, Any], why: str) -> None:
    """It is shown with the reason, and nothing crashes, now or at the first start; nothing is fetched."""
    catalogue = Catalogue(fresh_metrics())
    with capture_logs() as lines:
        catalogue.hear(_heard(msgspec.json.encode(_definition(schema=schema))))
    definition = catalogue.find("brief")
    assert definition is not None
    assert "broken" == definition.kind
    assert (definition.error or "").startswith("its input schema cannot be used: ")
    assert why in (definition.error or "")
    assert ["definition.broken"] == [line["event"] for line in lines]
    assert () == catalogue.names


def test_good_inputs_fit(catalogue: Catalogue) -> None:
    """Nothing is wrong with them."""
    inputs = {"topic": "tides", "pages": 3, "sources": [{"url": "https://example.org"}]}
    assert [] == _errors(catalogue, inputs)


WRONG: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({}, [("inputs.pages", "This is required."), ("inputs.topic", "This is required.")]),
    ({"topic": "tides", "pages": "3"}, [("inputs.pages", "'3' is not of type 'integer'")]),
    (
        {"topic": "tides", "pages": 3, "colour": 1, "size": 2},
        [
            ("inputs.colour", "There is no such input. It takes: pages, sources, topic."),
            ("inputs.size", "There is no such input. It takes: pages, sources, topic."),
        ],
    ),
    ({"topic": "t", "pages": 3, "sources": [{}]}, [("inputs.sources.0.url", "This is required.")]),
    (
        {"topic": "t", "pages": 3, "sources": [{"url": 1}]},
        [("inputs.sources.0.url", "1 is not of type 'string'")],
    ),
]


@pytest.mark.parametrize(("inputs", "errors"), WRONG)
def test_each_field_that_is_wrong_is_named(
    catalogue: Catalogue, inputs: dict[str, Any], errors: list[tuple[str, str]]
) -> None:
    """By its own path, with what is wrong and what would be right."""
    assert errors == _errors(catalogue, inputs)


def test_inputs_for_what_takes_none_are_refused() -> None:
    """The message says so."""
    catalogue = Catalogue(fresh_metrics())
    catalogue.define(_definition(schema={"type": "object", "additionalProperties": False}))
    assert [("inputs.topic", "There is no such input. It takes no inputs.")] == _errors(
        catalogue, {"topic": 1}
    )


def test_an_answer_lists_only_so_many_errors(catalogue: Catalogue) -> None:
    """A client that sends ten thousand wrong fields is not sent as many lines."""
    inputs: dict[str, Any] = {"topic": "t", "pages": 3, "sources": [{}] * 10_000}
    assert MAX_ERRORS == len(_errors(catalogue, inputs))


def test_a_message_does_not_repeat_a_whole_input(catalogue: Catalogue) -> None:
    """A validator quotes what it was given."""
    [(_, message)] = _errors(catalogue, {"topic": "t", "pages": "x" * 10_000})
    assert 500 == len(message)


def test_a_schema_without_end_is_an_error_of_the_inputs() -> None:
    """A schema that refers to itself at once cannot be refused beforehand; it crashes nothing."""
    catalogue = Catalogue(fresh_metrics())
    catalogue.define(_definition(schema={"$ref": "#"}))
    assert [("inputs", "They are nested too deeply to be checked.")] == _errors(catalogue, {})
