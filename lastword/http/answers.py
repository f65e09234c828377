"""Responses of the usual kinds: JSON with the headers that every answer carries, and the one workflow."""

from datetime import UTC, datetime
from typing import Any, Final

from litestar import Request, Response

from lastword.http.cells import BASE_HEADERS, Cell
from lastword.http.conditional import is_fresh
from lastword.http.hub import Hub
from lastword.http.packets import encode

__all__ = ["JSON", "NO_STORE", "json_answer", "revalidated", "workflow_answer"]

JSON: Final = "application/json"
NO_STORE: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def json_answer(
    value: object, *, status: int = 200, headers: dict[str, str] | None = None, media: str = JSON
) -> Response[bytes]:
    """Return `value` as JSON; bytes are taken as JSON already."""
    body = value if isinstance(value, bytes) else encode(value)
    return Response(body, status_code=status, media_type=media, headers={**NO_STORE, **(headers or {})})


def workflow_answer(
    request: Request[Any, Any, Any],
    hub: Hub,
    cell: Cell,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response[bytes]:
    """Return a workflow with its validators; a GET whose client has this state already gets a 304."""
    shown = hub.shown(cell)
    extra = headers or {}
    conditional = request.method in {"GET", "HEAD"}
    if conditional and is_fresh(request.scope["headers"], shown.etag, shown.modified, datetime.now(UTC)):
        return Response(b"", status_code=304, headers=_text(shown.headers_304))
    return Response(
        shown.body,
        status_code=status,
        media_type=JSON,
        headers={**_text(shown.headers_304), **extra},
    )


def revalidated(
    request: Request[Any, Any, Any], body: bytes, etag: str, *, headers: dict[str, str] | None = None
) -> Response[bytes]:
    """Return a body under an ETag, or a 304."""
    sent = {**_text(BASE_HEADERS), "etag": etag, **(headers or {})}
    moment = datetime.now(UTC)
    if is_fresh(request.scope["headers"], etag, moment, moment):
        return Response(b"", status_code=304, headers=sent)
    return Response(body, media_type=JSON, headers=sent)


def _text(pairs: Any) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in pairs}
