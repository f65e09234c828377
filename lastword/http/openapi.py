"""The API's description: OpenAPI 3.1, made from the very Structs and tables that the handlers go by.

Each endpoint carries an `Operation`; parameters are the fields of the Struct that its query is read into,
bodies and answers are the contracts' Structs, problems are the codes that it may raise.  The page at
`/schema` is plain HTML made from the same document: it needs neither scripts nor the internet.
"""

import html
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler

from lastword.contracts.frames import Frame
from lastword.http.answers import NO_STORE, revalidated
from lastword.http.operation import KEY, Operation
from lastword.http.problems import CODES, PROBLEM_JSON, ProblemBody
from lastword.http.static import SECURITY
from lastword.http.streams import ClientMessage

__all__ = ["ApiDescription"]

REF: Final = "#/components/schemas/{name}"
_PARAMETER: Final = re.compile(r"\{(\w+):str\}")
TAGS: Final = {
    "workflows": "Start, look, cancel, retry.",
    "live": "Server-sent events; the same frames travel over WebSocket at `/ws/...`.",
    "system": "What can be started, who works, how it goes.",
    "session": "A cookie for browsers.",
}


class ApiDescription:
    """The document, and the endpoints that serve it."""

    def __init__(self, handlers: Iterable[HTTPRouteHandler | ASGIRouteHandler], *, version: str) -> None:
        self._operations: list[tuple[str, str, Operation]] = []
        for handler in handlers:
            operation = handler.opt.get(KEY)
            if isinstance(handler, HTTPRouteHandler) and isinstance(operation, Operation):
                for path in handler.paths:
                    for method in sorted(handler.http_methods):
                        self._operations.append(
                            (path, str(getattr(method, "value", method)).lower(), operation)
                        )
        self._version = version

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the endpoints for Litestar."""
        return [
            get("/schema", name="schemaPage")(self.page),
            get("/schema/openapi.json", name="schemaDocument")(self.document_json),
        ]

    async def page(self) -> Response[bytes]:
        """Return the description for people."""
        return Response(self._page, media_type="text/html", headers={**SECURITY, **NO_STORE})

    async def document_json(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """Return the description for programs."""
        return revalidated(request, self._json, f'W/"{self._version}.{len(self._json)}"')

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document."""
        schemas = self._schemas()
        paths: dict[str, dict[str, Any]] = {}
        for path, method, operation in self._operations:
            shown = _PARAMETER.sub(r"{\1}", path)
            paths.setdefault(shown, {})[method] = self._describe(shown, operation)
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "lastword",
                "version": self._version,
                "description": "Runs CrewAI workflows and keeps what people see of them true.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/"}],
            "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
            "security": [{"token": []}, {"session": []}, {}],
            "paths": dict(sorted(paths.items())),
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer"},
                    "session": {"type": "apiKey", "in": "cookie", "name": "lastword_session"},
                },
            },
        }

    @cached_property
    def _json(self) -> bytes:
        return msgspec.json.encode(self.document)

    @cached_property
    def _page(self) -> bytes:
        return _render(self.document).encode()

    def _types(self) -> list[Any]:
        types: list[Any] = [ProblemBody, *Frame.__args__, *ClientMessage.__args__]
        for _, _, operation in self._operations:
            types += [kind for kind in (operation.answer, operation.body) if isinstance(kind, type)]
        return [kind for kind in dict.fromkeys(types) if issubclass(kind, msgspec.Struct)]

    def _schemas(self) -> dict[str, Any]:
        _, components = msgspec.json.schema_components(self._types(), ref_template=REF)
        for schema in components.values():
            if "description" in schema:
                schema["description"] = str(schema["description"]).strip()
        return dict(sorted(components.items()))

    def _describe(self, path: str, operation: Operation) -> dict[str, Any]:
        described: dict[str, Any] = {
            "operationId": operation.id,
            "tags": [operation.tag],
            "summary": operation.summary,
            "responses": self._responses(operation),
        }
        if operation.description:
            described["description"] = operation.description
        parameters = [*_path_parameters(path), *_query_parameters(operation), *_header_parameters(operation)]
        if parameters:
            described["parameters"] = parameters
        if operation.body is not None:
            content: dict[str, Any] = {"schema": {"$ref": REF.format(name=operation.body.__name__)}}
            if operation.body_example is not None:
                content["example"] = operation.body_example
            described["requestBody"] = {
                "required": not operation.body_optional,
                "content": {"application/json": content},
            }
        if operation.public:
            described["security"] = []
        return described

    def _responses(self, operation: Operation) -> dict[str, Any]:
        responses: dict[str, Any] = {}
        for status, meaning in operation.statuses.items():
            response: dict[str, Any] = {"description": meaning}
            if status != 204:
                content: dict[str, Any] = {"schema": _answer_schema(operation)}
                if operation.example is not None:
                    content["example"] = operation.example
                response["content"] = {operation.media: content}
            if operation.headers:
                response["headers"] = {
                    name: {"description": text, "schema": {"type": "string"}}
                    for name, text in operation.headers.items()
                }
            responses[str(status)] = response
        if operation.conditional:
            responses["304"] = {"description": "Nothing has changed; the headers are repeated."}
        for status, codes in _by_status(operation.problems).items():
            responses[str(status)] = {
                "description": "; ".join(f"`{code}`: {CODES[code][1]}" for code in codes),
                "content": {PROBLEM_JSON: {"schema": {"$ref": REF.format(name="ProblemBody")}}},
            }
        return dict(sorted(responses.items()))


def _answer_schema(operation: Operation) -> dict[str, Any]:
    if isinstance(operation.answer, type) and issubclass(operation.answer, msgspec.Struct):
        return {"$ref": REF.format(name=operation.answer.__name__)}
    return {} if operation.media == "application/json" else {"type": "string"}


def _by_status(codes: Sequence[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        found.setdefault(CODES[code][0], []).append(code)
    return found


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": "The workflow's id.",
            "schema": {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    _, components = msgspec.json.schema_components([operation.query], ref_template=REF)
    properties = components[operation.query.__name__]["properties"]
    parameters: list[dict[str, Any]] = []
    for name, given in properties.items():
        schema = dict(given)
        description = schema.pop("description", "")
        default = schema.get("default", ...)
        if default is None or default == []:
            del schema["default"]
        if "anyOf" in schema:  # nothing in a query is null: it is left out
            choices = [choice for choice in schema.pop("anyOf") if choice != {"type": "null"}]
            schema |= choices[0]
            description = description or schema.pop("description", "")
        parameters.append(
            {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
        )
    return parameters


def _header_parameters(operation: Operation) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if operation.idempotent:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The same key always names the same workflow.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
            }
        )
    if operation.conditional:
        parameters.append(
            {
                "name": "If-None-Match",
                "in": "header",
                "required": False,
                "description": "ETags of states that the client has.",
                "schema": {"type": "string"},
            }
        )
    return parameters


STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}code,pre{font-family:ui-monospace,monospace;font-size:.9em}"
    "pre{overflow:auto;padding:.75rem;border:1px solid #8886;border-radius:6px}"
    "details{border:1px solid #8886;border-radius:6px;margin:.5rem 0;padding:.5rem .75rem}"
    "summary{cursor:pointer}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8883}"
    ".method{font-weight:600;text-transform:uppercase;display:inline-block;min-width:4rem}"
)


def _render(document: dict[str, Any]) -> str:
    """Return the document as one page."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>lastword API</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style></head><body><h1>lastword API {_text(document['info']['version'])}</h1>",
        f"<p>{_text(document['info']['description'])} ",
        'For programs: <a href="/schema/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>',
    ]
    for tag in document["tags"]:
        parts.append(f"<h2>{_text(tag['name'])}</h2><p>{_text(tag['description'])}</p>")
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    parts.append(_render_operation(path, method, operation))
    parts.append("<h2>schemas</h2>")
    for name, schema in document["components"]["schemas"].items():
        parts.append(
            f'<details id="{_text(name)}"><summary><code>{_text(name)}</code> '
            f"{_text(schema.get('description', ''))}</summary>{_render_json(schema)}</details>"
        )
    parts.append("</body></html>")
    return "".join(parts)


def _render_operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{_text(given['name'])}</code></td><td>{_text(given['in'])}</td>"
        f"<td>{_text(given.get('description', ''))}</td></tr>"
        for given in operation.get("parameters", ())
    )
    answers = "".join(
        f"<tr><td>{_text(status)}</td><td colspan=2>{_text(response['description'])}</td></tr>"
        for status, response in operation["responses"].items()
    )
    body = ""
    if "requestBody" in operation:
        body = f"<p>Body:</p>{_render_json(operation['requestBody']['content']['application/json'])}"
    return (
        f'<details><summary><span class="method">{_text(method)}</span> <code>{_text(path)}</code> '
        f"{_text(operation['summary'])}</summary><p>{_text(operation.get('description', ''))}</p>{body}"
        f"<table>{rows}{answers}</table></details>"
    )


def _render_json(value: object) -> str:
    return f"<pre>{_text(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())}</pre>"


def _text(value: object) -> str:
    return html.escape(str(value))
