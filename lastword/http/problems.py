"""What the edge answers when it does not do what was asked: RFC 9457, with a `code` for programs.

Codes are stable and each has one status and one title.  Problems that supervisors find pass through with the
workflow turned into what clients see everywhere else.
"""

from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import Struct

from lastword.bus.exceptions import BusError, Unavailable
from lastword.contracts.ids import Count, Position
from lastword.contracts.messages import FieldError, Problem
from lastword.contracts.records import Entry
from lastword.contracts.views import Workflow, view
from lastword.http.headers import COMMON_HEADERS
from lastword.http.methods import allow
from lastword.http.packets import encode
from lastword.storage import BadQuery, DatabaseUnavailable

__all__ = [
    "CODES",
    "PROBLEM_JSON",
    "SHOWN",
    "ProblemBody",
    "Refusal",
    "answer",
    "as_body",
    "handlers",
    "headers_of",
    "refuse",
]

log = structlog.get_logger(__name__)

PROBLEM_JSON: Final = "application/problem+json"
SHOWN: Final = 200  # characters of a path that are repeated

CODES: Final[dict[str, tuple[int, str]]] = {
    "malformed_json": (400, "The body is not JSON"),
    "bad_request": (400, "The request is malformed"),
    "invalid_parameter": (400, "A parameter cannot be used"),
    "unauthenticated": (401, "Credentials are missing or wrong"),
    "forbidden": (403, "The role does not allow this"),
    "foreign_origin": (403, "The page's origin may not use this server"),
    "not_found": (404, "There is nothing here"),
    "unknown_workflow": (404, "There is no such workflow"),
    "unknown_definition": (404, "There is no such definition"),
    "no_result": (404, "The workflow has no result"),
    "feature_off": (404, "This kind of stream is turned off"),
    "app_not_built": (404, "The browser app is not installed"),
    "method_not_allowed": (405, "The method is not offered here"),
    "request_timeout": (408, "The request came too slowly"),
    "already_terminal": (409, "The workflow has ended already"),
    "not_terminal": (409, "The workflow has not ended"),
    "idempotency_conflict": (409, "The idempotency key stands for another request"),
    "too_large": (413, "The body is too large"),
    "inputs_too_large": (413, "The inputs are too large"),
    "uri_too_long": (414, "The address is too long"),
    "unsupported_media_type": (415, "The body is not JSON"),
    "wrong_host": (421, "This server does not answer to that name"),
    "invalid_request": (422, "The request does not fit"),
    "invalid_inputs": (422, "The inputs do not fit the definition"),
    "token_in_url": (400, "A token in the address is not accepted"),
    "upgrade_required": (426, "This address speaks WebSocket"),
    "too_many_attempts": (429, "Too many wrong credentials"),
    "too_many_commands": (429, "Too many commands"),
    "too_many_streams": (429, "Too many live streams"),
    "headers_too_large": (431, "The headers are too large"),
    "internal_error": (500, "Something went wrong inside"),
    "overloaded": (503, "Too much is asked at once"),
    "unavailable": (503, "Not available right now"),
    "projection_behind": (503, "The list is not up to date yet"),
    "stopping": (503, "The server is stopping"),
    "not_ready": (503, "Requests should be sent elsewhere"),
}
"""The edge's own codes: status and title. Supervisors may answer with others."""

_BY_STATUS: Final = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many_streams",
    503: "unavailable",
}


class ProblemBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a request was not carried out: `application/problem+json`."""

    type: str = "about:blank"
    status: int
    code: str
    """For programs; stable."""
    title: str
    detail: str = ""
    instance: str | None = None
    """The request's path."""
    errors: tuple[FieldError, ...] = ()
    """What is wrong, field by field."""
    known: tuple[str, ...] = ()
    """What could have been asked for instead."""
    retry_after_s: Count | None = None
    """When to try again, in seconds; also in `Retry-After`."""
    workflow: Workflow | None = None
    """How the workflow stands, where that is the reason."""
    position: Position | None = None
    checks: dict[str, bool] = {}
    """What was looked at by a probe; false is what is wrong."""


class Refusal(Exception):
    """A request is not carried out, and this is the problem to answer with."""

    def __init__(self, body: ProblemBody, headers: dict[str, str] | None = None) -> None:
        super().__init__(body.detail or body.title)
        self.body = body
        self.headers = headers or {}


def refuse(code: str, detail: str = "", *, headers: dict[str, str] | None = None, **more: Any) -> Refusal:
    """Return the refusal of one of the edge's own codes, to be raised."""
    status, title = CODES[code]
    return Refusal(ProblemBody(status=status, code=code, title=title, detail=detail, **more), headers)


def as_body(problem: Problem) -> ProblemBody:
    """Return a supervisor's problem as clients see it."""
    workflow = None
    if problem.workflow is not None and problem.position is not None:
        entry = Entry(position=problem.position, stored_at=problem.workflow.at, record=problem.workflow)
        workflow = view(entry)
    return ProblemBody(
        type=problem.type,
        status=problem.status,
        code=problem.code,
        title=problem.title,
        detail=problem.detail,
        errors=problem.errors,
        known=problem.known,
        retry_after_s=problem.retry_after_s,
        workflow=workflow,
        position=problem.position,
    )


def headers_of(body: ProblemBody) -> dict[str, str]:
    """Return the headers that go with a problem."""
    headers = {"cache-control": "no-store", **COMMON_HEADERS}
    if body.retry_after_s is not None:
        headers["retry-after"] = str(body.retry_after_s)
    if body.status == 401:
        headers["www-authenticate"] = "Bearer"
    return headers


def answer(body: ProblemBody, *, path: str, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Return the response that carries a problem."""
    placed = msgspec.structs.replace(body, instance=path[:SHOWN])
    return Response(
        encode(placed),
        status_code=body.status,
        media_type=PROBLEM_JSON,
        headers={**headers_of(body), **(headers or {})},
    )


def unavailable(error: BusError) -> ProblemBody:
    """Return the problem of a bus that does not answer."""
    status, title = CODES["unavailable"]
    retry_after_s = error.retry_after_s if isinstance(error, Unavailable) else 1
    return ProblemBody(
        status=status, code="unavailable", title=title, detail=str(error), retry_after_s=max(retry_after_s, 1)
    )


def _on_refusal(request: Request[Any, Any, Any], error: Refusal) -> Response[bytes]:
    return answer(error.body, path=request.url.path, headers=error.headers)


def _on_bus(request: Request[Any, Any, Any], error: BusError) -> Response[bytes]:
    return answer(unavailable(error), path=request.url.path)


def _on_query(request: Request[Any, Any, Any], error: BadQuery) -> Response[bytes]:
    fields = (FieldError(field=error.field, message=error.problem),)
    return answer(refuse("invalid_parameter", str(error), errors=fields).body, path=request.url.path)


def _on_database(request: Request[Any, Any, Any], error: DatabaseUnavailable) -> Response[bytes]:
    return answer(refuse("unavailable", str(error), retry_after_s=2).body, path=request.url.path)


def _on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    code = _BY_STATUS.get(error.status_code, "bad_request" if error.status_code < 500 else "internal_error")
    status, title = CODES[code]
    detail = "" if code == "internal_error" else error.detail
    if code == "not_found":
        detail = "See /schema for what is here."
    headers = dict(error.headers or {})
    if code == "method_not_allowed":
        headers["allow"] = allow(headers.get("allow", "").split(", "), request.url.path)
        detail = f"This address offers {headers['allow']}."
    body = ProblemBody(status=status, code=code, title=title, detail=detail)
    return answer(body, path=request.url.path, headers=headers)


def _on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("edge.request_failed", path=request.url.path, exc_info=error)
    status, title = CODES["internal_error"]
    body = ProblemBody(
        status=status, code="internal_error", title=title, detail="The server's log says more."
    )
    return answer(body, path=request.url.path)


handlers: Final[dict[Any, Any]] = {
    Refusal: _on_refusal,
    BusError: _on_bus,
    BadQuery: _on_query,
    DatabaseUnavailable: _on_database,
    HTTPException: _on_http,
    Exception: _on_bug,
}
"""Litestar's exception handlers."""
