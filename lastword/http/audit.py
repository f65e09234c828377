"""The audit trail: one line of the log for whatever was meant to change something, carried out or not.

The gate writes it, so no route can forget to.  `action` is the operation's name in the API's description; a
request that was refused before it was routed is named by its method and path.  `by` is the name of the token,
`via` its id, which `lastword auth list` shows as well.
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

import structlog

from lastword.http.access import principal_of

__all__ = ["REQUEST_ID", "record", "request_id_of"]

log = structlog.get_logger(__name__)

REQUEST_ID: Final = "lastword.request"
"""The key in a scope of the name by which a request is found in the log; missing where nothing may change."""
_GIVEN: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
SHOWN: Final = 120  # characters of a path


def request_id_of(scope: Any) -> str:
    """Return the request's name: the one that it came with, where that can stand in a log, or a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _GIVEN.fullmatch(value):
            return str(value.decode())
    return secrets.token_hex(8)


def record(scope: Any, *, status: int, location: str = "") -> None:
    """Say who asked for what, from where, and what came of it; `location` is what was made, if anything.

    A request that was to change nothing, and so has no `REQUEST_ID`, leaves no line.
    """
    if REQUEST_ID not in scope:
        return
    principal = principal_of(scope)
    handler = scope.get("route_handler")
    action = getattr(handler, "name", None) or f"{scope['method'][:10]} {scope['path'][:SHOWN]}"
    parameters: Mapping[str, Any] = scope.get("path_params") or {}
    workflow = str(parameters.get("workflow_id") or location.removeprefix("/workflows/"))
    client = scope.get("client")
    log.info(
        "audit.recorded",
        action=action,
        outcome=status,
        by=principal.name if principal is not None else "anonymous",
        rights=principal.role.value if principal is not None else None,
        via=principal.token if principal is not None else None,
        address=client[0] if client else None,
        request=scope[REQUEST_ID],
        **({"workflow": workflow[:SHOWN]} if workflow else {}),
    )
