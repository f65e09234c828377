"""The API's description for programs: OpenAPI 3.1, made from the tables that the router goes by.

Parameters are the fields of the Struct that a query is read into, bodies and answers are the contracts'
Structs, problems are the codes that an operation may raise.  An answer says everything that it has, so all
its fields are required; a request may leave out what has a default.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from lastword.contracts.fields import describe_fields, structs_in
from lastword.contracts.frames import Frame, OutputFrame, WorkflowFrame
from lastword.http.operation import Operation
from lastword.http.parameters import ANSWER_HEADERS, parameters
from lastword.http.problems import CODES, PROBLEM_JSON, ProblemBody
from lastword.http.streams import ClientMessage

__all__ = ["LICENSE", "SUMMARY", "components", "openapi_document"]

REF: Final = "#/components/schemas/{name}"
PARAMETER: Final = re.compile(r"\{(\w+):str\}")
SUMMARY: Final = "Runs CrewAI workflows and keeps what people see of them true."
LICENSE: Final = {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}
EVENTS: Final = "text/event-stream"
EVENT_NAMES: Final[dict[Any, str]] = {WorkflowFrame: "WorkflowEvent", OutputFrame: "OutputEvent"}
TAGS: Final = {
    "workflows": "Start, look, cancel, retry.",
    "live": "Server-sent events; the same frames travel over WebSocket at `/ws/...`.",
    "system": "What can be started, who works, how it goes.",
    "session": "A cookie for browsers.",
}
ALWAYS: Final = (
    "Errors are problems (RFC 9457) with a stable `code`, also where no operation could be found: 404 "
    "`not_found`, 405 `method_not_allowed` with `Allow`. GET can be asked as HEAD, except for streams."
)
_HEADERS_OF: Final = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}


def openapi_document(operations: Iterable[Operation], *, version: str) -> dict[str, Any]:
    """Return the document."""
    operations = tuple(operations)
    paths: dict[str, dict[str, Any]] = {}
    by_id = {operation.id: operation for operation in operations}
    for operation in operations:
        path = _shown(operation)
        paths.setdefault(path, {})[operation.method.lower()] = _describe(operation, path, by_id)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lastword",
            "version": version,
            "summary": SUMMARY,
            "description": ALWAYS,
            "license": LICENSE,
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "security": [{"token": []}, {"session": []}, {}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": _schemas(operations),
            "examples": _problem_examples(operations),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "lastword_session"},
            },
        },
    }


def components(shapes: Iterable[Any], *, sent: Iterable[Any]) -> dict[str, Any]:
    """Return the schemas of `shapes`; what is made of `sent` alone comes from us, and so is complete."""
    shapes, sent = tuple(shapes), tuple(sent)
    _, schemas = msgspec.json.schema_components(shapes, ref_template=REF)
    describe_fields(schemas, shapes)
    asked = structs_in(shape for shape in shapes if shape not in sent)
    for name, struct in structs_in(sent).items():
        if name not in asked and not struct.__struct_config__.omit_defaults:
            schemas[name]["required"] = list(schemas[name]["properties"])
    return dict(sorted(schemas.items()))


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    bodies = [operation.body for operation in operations if operation.body is not None]
    sent: list[Any] = [ProblemBody, Frame]
    sent += [
        operation.answer
        for operation in operations
        if operation.answer not in {None, Any, str} and operation.media != EVENTS
    ]
    found = components([*bodies, ClientMessage, *sent], sent=sent)
    for operation in operations:
        if operation.media == EVENTS:
            found[EVENT_NAMES[operation.answer]] = _event(operation.answer)
    return dict(sorted(found.items()))


def _shown(operation: Operation) -> str:
    return PARAMETER.sub(r"{\1}", operation.path)


def _describe(operation: Operation, path: str, by_id: dict[str, Operation]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
    }
    if operation.description:
        described["description"] = operation.description
    if found := parameters(operation, path):
        described["parameters"] = found
    if operation.body is not None:
        content = {"schema": _ref(operation.body.__name__), "example": operation.body_example}
        described["requestBody"] = {
            "required": not operation.body_optional,
            "content": {"application/json": content},
        }
    described["responses"] = _responses(operation, by_id)
    if operation.public:
        described["security"] = []
    return described


def _responses(operation: Operation, by_id: dict[str, Operation]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, meaning in operation.statuses.items():
        response: dict[str, Any] = {"description": meaning}
        if status != 204:
            response["content"] = {
                operation.media: {"schema": _answer_schema(operation), "example": operation.example}
            }
            response["headers"] = _headers(_answer_headers(operation, status))
            response["links"] = _links(operation, by_id)
        responses[str(status)] = {key: value for key, value in response.items() if value}
    if operation.is_conditional:
        responses["304"] = {
            "description": "Nothing has changed; the headers are repeated.",
            "headers": _headers(operation.headers),
        }
    for status, codes in _by_status(operation.problems).items():
        responses[str(status)] = _problem(status, codes)
    if operation.is_recorded:
        for response in responses.values():
            response["headers"] = response.get("headers", {}) | _headers(["X-Request-Id"])
    return dict(sorted(responses.items()))


def _answer_headers(operation: Operation, status: int) -> Sequence[str]:
    replayed = status == 200 and "Idempotency-Key" in operation.heeds
    return (*operation.headers, "Idempotent-Replayed") if replayed else operation.headers


def _headers(names: Iterable[str], *, always: bool = True) -> dict[str, Any]:
    return {
        name: {
            "description": ANSWER_HEADERS[name][0],
            "required": always,
            "schema": ANSWER_HEADERS[name][1],
        }
        for name in names
    }


def _links(operation: Operation, by_id: dict[str, Operation]) -> dict[str, Any]:
    pointer = "items/0/id" if "items" in (operation.example or {}) else "id"
    return {
        name: {
            "operationId": by_id[name].id,
            "parameters": {"workflow_id": f"$response.body#/{pointer}"},
        }
        for name in operation.leads_to
    }


def _problem(status: int, codes: Sequence[str]) -> dict[str, Any]:
    content = {
        "schema": _ref("ProblemBody"),
        "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
    }
    described: dict[str, Any] = {
        "description": "; ".join(f"`{code}`: {CODES[code][1]}" for code in codes),
        "content": {PROBLEM_JSON: content},
    }
    if status in _HEADERS_OF:
        described["headers"] = _headers([_HEADERS_OF[status]], always=status == 401)
    return described


def _problem_examples(operations: Iterable[Operation]) -> dict[str, Any]:
    codes = {code for operation in operations for code in operation.problems}
    return {
        code: {
            "summary": CODES[code][1],
            "value": {
                "type": "about:blank",
                "status": CODES[code][0],
                "code": code,
                "title": CODES[code][1],
                "instance": "/the/path/asked",
            },
        }
        for code in sorted(codes)
    }


def _answer_schema(operation: Operation) -> dict[str, Any]:
    if operation.media == EVENTS:
        return _ref(EVENT_NAMES[operation.answer])
    if operation.answer is Any:
        return {}
    return {"type": "string"} if operation.answer is str else _ref(operation.answer.__name__)


def _event(union: Any) -> dict[str, Any]:
    """Return the schema of each event of a stream; OpenAPI 3.1 has no other place to describe one."""
    frames = union.__args__
    return {
        "title": EVENT_NAMES[union],
        "description": "One event. The body is a stream of them: see the HTML standard, server-sent events.",
        "type": "object",
        "properties": {
            "event": {
                "type": "string",
                "enum": [frame.__struct_config__.tag for frame in frames],
                "description": "The frame's `type`.",
            },
            "id": {"type": "string", "description": "Where to resume: send it as `Last-Event-ID`."},
            "retry": {
                "type": "integer",
                "description": "Milliseconds before coming back; on the first event.",
            },
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"oneOf": [_ref(frame.__name__) for frame in frames]},
            },
        },
        "required": ["event", "data"],
    }


def _by_status(codes: Sequence[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        found.setdefault(CODES[code][0], []).append(code)
    return found


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": REF.format(name=name)}
