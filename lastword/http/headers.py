"""What every answer carries that does not say otherwise: it is no page, and nobody may embed it."""

from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["COMMON_HEADERS", "completed"]

Header = tuple[bytes, bytes]

COMMON_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
_PAIRS: Final = tuple((name.encode(), value.encode()) for name, value in COMMON_HEADERS.items())


def completed(headers: Iterable[Header], *more: Header) -> Sequence[Header]:
    """Return headers with `more`, and with the common ones that are not among them."""
    given = [*headers, *more]
    names = {name.lower() for name, _ in given}
    return [*given, *(pair for pair in _PAIRS if pair[0] not in names)]
