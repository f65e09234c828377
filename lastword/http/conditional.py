"""Conditional GET (RFC 9110, section 13): which requests already have what would be sent."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

__all__ = ["header", "is_fresh", "matches"]


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """Return an ASGI request's header, repeated ones joined as lists are; None where it is missing."""
    values = [value for key, value in headers if key == name]
    return b", ".join(values) if values else None


def matches(given: bytes, etag: str) -> bool:
    """Tell whether `If-None-Match` names `etag`, by weak comparison; garbage matches nothing.

    >>> matches(b'"a", W/"b"', 'W/"b"'), matches(b'*', '"x"'), matches(b'b', 'W/"b"')
    (True, True, False)
    """
    text = given.decode("latin-1").strip()
    if text == "*":
        return True
    opaque = etag.removeprefix("W/")
    return any(part.strip().removeprefix("W/") == opaque for part in text.split(","))


def is_fresh(headers: Iterable[tuple[bytes, bytes]], etag: str, modified: datetime, now: datetime) -> bool:
    """Tell whether the client has this state already.

    `If-None-Match` wins.  A date alone counts only once its second is over: within it more may have happened.
    """
    headers = list(headers)
    given = header(headers, b"if-none-match")
    if given is not None:
        return matches(given, etag)
    since = header(headers, b"if-modified-since")
    if since is None:
        return False
    try:
        date = parsedate_to_datetime(since.decode("latin-1"))
    except ValueError:
        return False
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    whole = modified.replace(microsecond=0)
    return date >= whole and now - whole >= timedelta(seconds=2)
