"""An endpoint: where it is, what it takes and what it answers.

The router and the API's description are both made from it, so neither can say what the other does not; it
stands beside the handler, so that the two are changed together.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec
from litestar.handlers import HTTPRouteHandler

__all__ = ["READ", "STREAM", "WRITE", "Operation"]

READ: Final = (
    "unauthenticated",
    "too_many_attempts",
    "token_in_url",
    "foreign_origin",
    "wrong_host",
    "invalid_parameter",
    "internal_error",
)
"""Problems that any read may end in."""
WRITE: Final = (
    *READ,
    "forbidden",
    "too_many_commands",
    "overloaded",
    "unavailable",
    "too_large",
    "malformed_json",
    "unsupported_media_type",
)
"""Problems that any command may end in."""
STREAM: Final = (*READ, "feature_off", "too_many_streams", "unavailable", "stopping")
"""Problems that may stand in place of a live stream."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One endpoint, described."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    """As Litestar writes it: `/workflows/{workflow_id:str}`."""
    id: str
    """Stable: generated clients call their functions so."""
    tag: str
    summary: str
    description: str = ""
    query: type[msgspec.Struct] | None = None
    """The Struct that the query is read into; its fields become the parameters."""
    body: type[msgspec.Struct] | None = None
    body_optional: bool = False
    body_example: Any = None
    heeds: tuple[str, ...] = ()
    """Headers of the request that change the answer."""
    answer: Any = None
    """The Struct of the 2xx body; of a stream, the union of its frames."""
    statuses: dict[int, str] = field(default_factory=lambda: {200: "As asked."})
    """The 2xx answers and what each means."""
    media: str = "application/json"
    example: Any = None
    problems: tuple[str, ...] = READ
    """Codes of the problems it may answer with."""
    headers: tuple[str, ...] = ()
    """Headers of each 2xx answer."""
    public: bool = False
    """Whether it is answered without credentials."""
    leads_to: tuple[str, ...] = ()
    """Operations that take the id of the workflow in the answer."""

    @property
    def is_conditional(self) -> bool:
        """Whether a client that has the present state is answered with 304."""
        return "If-None-Match" in self.heeds

    @property
    def is_recorded(self) -> bool:
        """Whether it may change something, and so is in the audit trail by the request's name."""
        return self.method != "GET"

    def serve(self, handler: Callable[..., Any]) -> HTTPRouteHandler:
        """Return the route that answers by `handler`."""
        return HTTPRouteHandler(self.path, http_method=self.method, name=self.id)(handler)
