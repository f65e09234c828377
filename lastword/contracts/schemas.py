"""The contracts as JSON Schema 2020-12, for those who do not read Python.

msgspec derives each schema from its Struct, so they cannot disagree with what the decoders accept.  One
document holds all of them, each under its own name in `$defs`, and says which one travels on which subject.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from lastword.contracts.fields import describe_fields
from lastword.contracts.frames import Frame
from lastword.contracts.traffic import TRAFFIC
from lastword.contracts.views import (
    ClientConfig,
    DefinitionPage,
    ExecutorPage,
    History,
    LogPage,
    StartRequest,
    Summary,
    Workflow,
    WorkflowPage,
)

__all__ = ["ANSWERS", "BODIES", "MESSAGES", "json_schema"]

MESSAGES: Final[Mapping[str, Any]] = {row.subject: row.message for row in TRAFFIC if row.message is not str}
"""What is sent to each subject; a pulse that expired is an empty message."""

ANSWERS: Final[Mapping[str, Any]] = {row.subject: row.answer for row in TRAFFIC if row.answer is not None}
"""What a request to a subject is answered with."""

BODIES: Final = (
    Workflow,
    WorkflowPage,
    History,
    LogPage,
    StartRequest,
    DefinitionPage,
    ExecutorPage,
    Summary,
    ClientConfig,
)
"""What the HTTP API speaks of, besides the frames of its streams."""


def json_schema() -> dict[str, Any]:
    """Return one document with the schema of every message, answer, body and frame."""
    roots: dict[str, Any] = {"Frame": Frame}
    types = [*MESSAGES.values(), *ANSWERS.values(), *BODIES, *roots.values()]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    describe_fields(components, types)
    of_type = dict(zip(types, schemas, strict=True))
    definitions = components | {name: of_type[kind] for name, kind in roots.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lastword's messages",
        "description": "What travels on NATS subjects, over HTTP and on the live streams. "
        "Fields are only ever added; ignore those you do not know.",
        "x-subjects": {
            subject: {"message": of_type[kind]}
            | ({"answer": of_type[ANSWERS[subject]]} if subject in ANSWERS else {})
            for subject, kind in sorted(MESSAGES.items())
        },
        "$defs": dict(sorted(definitions.items())),
    }
