r"""Names that travel in NATS subjects.

A workflow id, a definition name and an executor name each become one token of a subject, so they are
held to an alphabet that can neither end a token nor widen it (no dot, no space, no wildcard).  msgspec's
`pattern` searches like `re.search`, where `$` also matches before a final newline, and a newline would end
the line of NATS's protocol; hence the `(?!\n)` before each `$`, which JSON Schema's own dialect reads alike.
"""

import hashlib
import re
import secrets
from typing import Annotated, Final

from msgspec import Meta

__all__ = [
    "Count",
    "DefinitionName",
    "ExecutorName",
    "Position",
    "Seconds",
    "WorkflowId",
    "id_for_key",
    "is_token",
    "new_event_id",
    "new_workflow_id",
]

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")  # far below the server's control line of 4 KiB
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: nothing to misread aloud

WorkflowId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}(?!\n)$", description="One NATS token.")]
DefinitionName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,48}(?!\n)$", description="One NATS token.")]
ExecutorName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}(?!\n)$", description="One NATS token.")]
Position = Annotated[int, Meta(ge=0, description="Sequence of a record in the log.")]
Seconds = Annotated[float, Meta(ge=0, description="A duration in seconds.")]
Count = Annotated[int, Meta(ge=0)]


def is_token(text: str) -> bool:
    """Tell whether `text` can stand as one token of a subject, to the last character."""
    return _TOKEN.fullmatch(text) is not None


def new_workflow_id(definition: str) -> str:
    """Return a fresh id: the definition's name, for people, and 40 random bits, for uniqueness.

    Two ids may still collide; the log's compare-and-set refuses the second, and the caller draws again.
    """
    return f"{definition}-{''.join(secrets.choice(_ALPHABET) for _ in range(8))}"


def id_for_key(definition: str, caller: str, key: str) -> str:
    """Return the one id that an idempotency key of a caller stands for, under this definition.

    The same key always names the same subject of the log, so the append itself (expected sequence 0)
    decides which of two racing requests creates the workflow; no table of keys is needed.
    """
    # The length says where the caller ends: no two callers can share a digest by choosing their keys.
    digest = hashlib.sha256(f"{len(caller)} {caller}{key}".encode()).digest()
    number = int.from_bytes(digest[:10], "big")
    # 15 characters, 75 bits: with the longest name of a definition, 48, the id just fits its token.
    return f"{definition}-{''.join(_ALPHABET[(number >> (5 * i)) & 31] for i in range(15))}"


def new_event_id() -> str:
    """Return a fresh id by which a repeated message is recognised (128 random bits)."""
    return secrets.token_hex(16)
