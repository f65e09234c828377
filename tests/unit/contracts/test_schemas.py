"""The JSON Schema says of each message what the decoder says."""

from typing import Any

import jsonschema
import msgspec
import pytest
from msgspec import Struct

from lastword.contracts import schemas, subjects
from lastword.contracts.frames import Ping
from lastword.contracts.schemas import ANSWERS, MESSAGES, json_schema
from lastword.contracts.statuses import ErrorCode, Status
from lastword.contracts.views import view
from tests.samples import entry_at
from tests.unit.contracts.oldest import OLDEST
from tests.unit.contracts.test_messages import WHOLE, name

DOCUMENT = json_schema()


def validator(definition: str) -> Any:
    """Return what checks JSON against one definition of the document."""
    schema = {"$ref": f"#/$defs/{definition}", "$defs": DOCUMENT["$defs"]}
    return jsonschema.Draft202012Validator(schema)


def test_the_document_is_a_good_schema() -> None:
    """By the standard's own schema, every reference included."""
    jsonschema.Draft202012Validator.check_schema(DOCUMENT)
    for definition in DOCUMENT["$defs"]:
        assert not validator(definition).is_valid(object())


@pytest.mark.parametrize("message", WHOLE, ids=name)
def test_every_good_message_is_valid(message: Struct) -> None:
    """What we send, others can check."""
    validator(type(message).__name__).validate(msgspec.json.decode(msgspec.json.encode(message)))


@pytest.mark.parametrize(("kind", "payload"), OLDEST, ids=lambda each: getattr(each, "__name__", None))
def test_the_oldest_message_is_valid(kind: type[Struct], payload: bytes) -> None:
    """So are the shortest ones."""
    validator(kind.__name__).validate(msgspec.json.decode(payload))


@pytest.mark.parametrize("status", list(Status))
def test_a_workflow_is_valid_as_clients_see_it(status: Status) -> None:
    """The body of the API, in each status."""
    validator("Workflow").validate(msgspec.json.decode(msgspec.json.encode(view(entry_at(status)))))


def test_a_frame_is_valid_by_its_type() -> None:
    """And one of a type that nobody knows is not."""
    frame = msgspec.json.decode(msgspec.json.encode(Ping(position=3)))
    validator("Frame").validate(frame)
    assert not validator("Frame").is_valid(frame | {"type": "pong"})


@pytest.mark.parametrize("identifier", ["a b", "a.b", "*", "", "a\n", "x" * 65])
def test_a_bad_name_is_invalid(identifier: str) -> None:
    """The schema refuses what the decoder refuses, the final newline included."""
    assert validator("Held").is_valid({"id": "w-1", "lease": 1})
    assert not validator("Held").is_valid({"id": identifier, "lease": 1})


def test_every_subject_says_what_travels_on_it() -> None:
    """All subjects of the module are in the document, requests with their answer."""
    built = {
        getattr(subjects, each)("x").removesuffix("x")
        for each in subjects.__all__
        if each in {"log", "status", "report", "job", "pulse", "progress", "logline", "refused"}
        or each in {"definition", "executor"}
    }
    told: dict[str, Any] = DOCUMENT["x-subjects"]
    assert built == {
        subject.removesuffix("*") for subject in told if not subject.startswith("lastword.command.")
    }
    assert set(MESSAGES) == set(told)
    assert set(ANSWERS) == {subject for subject, what in told.items() if "answer" in what}


def test_closed_sets_are_closed_in_the_schema() -> None:
    """Programs that switch on them can be generated."""
    assert sorted(Status) == sorted(DOCUMENT["$defs"]["Status"]["enum"])
    assert sorted(ErrorCode) == sorted(DOCUMENT["$defs"]["ErrorCode"]["enum"])


def test_every_body_is_in_the_document() -> None:
    """What the HTTP API speaks of has a definition under its own name."""
    assert [] == [body.__name__ for body in schemas.BODIES if body.__name__ not in DOCUMENT["$defs"]]
