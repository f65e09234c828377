"""What an endpoint tells the API's description.

Kept beside the handler, so that the two are changed together.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

__all__ = ["KEY", "READ", "STREAM", "WRITE", "Operation"]

KEY: Final = "operation"
"""The key in a handler's `opt`."""
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
    idempotent: bool = False
    """Whether `Idempotency-Key` is heeded."""
    conditional: bool = False
    """Whether `If-None-Match` is heeded, and 304 may be answered."""
    answer: Any = None
    """The Struct of the 2xx body."""
    statuses: dict[int, str] = field(default_factory=lambda: {200: "As asked."})
    """The 2xx answers and what each means."""
    media: str = "application/json"
    example: Any = None
    problems: tuple[str, ...] = READ
    """Codes of the problems it may answer with."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    """Headers of the 2xx answer, and what each means."""
    public: bool = False
    """Whether it is answered without credentials."""
