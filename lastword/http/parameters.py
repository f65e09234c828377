"""What a request may say outside its body, as OpenAPI's parameters: path, query, headers."""

import re
from typing import Any, Final

import msgspec

from lastword.http.examples import WORKFLOW_ID
from lastword.http.operation import Operation
from lastword.http.requests import KEY_LENGTH, KEY_PATTERN

__all__ = ["ANSWER_HEADERS", "parameters", "query_schema"]

REQUEST_HEADERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "Idempotency-Key": (
        "The same key always names the same workflow.",
        {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH, "pattern": KEY_PATTERN},
    ),
    "If-None-Match": ("ETags of states that the client has, or `*`.", {"type": "string"}),
    "If-Modified-Since": (
        "The `Last-Modified` of the state that the client has; `If-None-Match` wins.",
        {"type": "string"},
    ),
    "Lastword-Position": (
        "As `after`: a position that the answer must not be older than. Garbage is passed over.",
        {"type": "string"},
    ),
    "Last-Event-ID": (
        "The id of the last event that the client has, as `EventSource` sends it. Garbage is passed over.",
        {"type": "string"},
    ),
    "X-Request-Id": (
        "The request's name in the log: 1 to 64 of `A-Za-z0-9._-`. Garbage is passed over.",
        {"type": "string"},
    ),
}
ANSWER_HEADERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "ETag": ("Weak; changes with what is shown.", {"type": "string", "pattern": '^(W/)?"[^"]*"$'}),
    "Idempotent-Replayed": ("The key was used before.", {"type": "string", "enum": ["true"]}),
    "Last-Modified": (
        "When the status, the progress or the heartbeat's freshness last changed.",
        {"type": "string"},
    ),
    "Lastword-Position": (
        "The position in the log of what is shown; a list is true as of it.",
        {"type": "integer", "minimum": 0},
    ),
    "Location": ("The workflow.", {"type": "string", "format": "uri-reference"}),
    "Retry-After": ("Seconds after which to ask again.", {"type": "integer", "minimum": 0}),
    "WWW-Authenticate": ("`Bearer`.", {"type": "string"}),
    "X-Request-Id": (
        "The name by which the log has the request: the caller's own, or a new one.",
        {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    ),
}


def parameters(operation: Operation, path: str) -> list[dict[str, Any]]:
    """Return the parameters of an operation, those in its path first."""
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": "The workflow's id.",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
            "example": WORKFLOW_ID,
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    if operation.query is not None:
        found += _query(operation.query)
    for name in (*operation.heeds, "X-Request-Id") if operation.is_recorded else operation.heeds:
        description, schema = REQUEST_HEADERS[name]
        found.append(
            {"name": name, "in": "header", "required": False, "description": description, "schema": schema}
        )
    return found


def query_schema(shape: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the parameters of a query as one schema of an object."""
    return {
        "type": "object",
        "properties": {
            given["name"]: {**given["schema"], "description": given["description"]} for given in _query(shape)
        },
    }


def _query(shape: type[msgspec.Struct]) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([shape], ref_template="{name}")
    found: list[dict[str, Any]] = []
    for name, given in components[shape.__name__]["properties"].items():
        schema = _plain(given, components)
        description = schema.pop("description", "")
        found.append(
            {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
        )
    return found


def _plain(given: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """Return a field's schema as a query has it: nothing is null there, and what is empty is left out."""
    schema = dict(given)
    if schema.get("default", ...) in (None, []):
        del schema["default"]
    if "anyOf" in schema:
        choice = next(choice for choice in schema.pop("anyOf") if choice != {"type": "null"})
        schema = {**choice, **schema}
    if "items" in schema and "$ref" in schema["items"]:
        # As between two commas: a form sends a field that was left empty, and it counts for nothing.
        schema["items"] = {"type": "string", "enum": [*components[schema["items"]["$ref"]]["enum"], ""]}
    return schema
