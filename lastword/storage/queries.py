"""What can be asked of the list of workflows, and where its next page begins.

Pages are cut by key, not by number: a cursor says after which workflow the next page begins.  Rows that
come, go or change in the meantime therefore shift nothing: a workflow that keeps its place in the order is
shown exactly once.  (One that moves, as all do under `updated_at`, may be seen again or not at all; a list
that people page through is best sorted by `created_at`, which never changes.)

A cursor is opaque to clients, and no secret: it holds the sort keys of the last row and a digest of the
query, so that a cursor of one query is not taken for a place in another.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from lastword.contracts.ids import Count, Position
from lastword.contracts.records import Entry
from lastword.contracts.statuses import ErrorCode, Status
from lastword.storage.exceptions import BadCursor, BadQuery
from lastword.storage.rows import AnyRow, folded
from lastword.storage.tables import Utc, workflows

__all__ = [
    "MAX_LIMIT",
    "STORED",
    "Sort",
    "StoredPage",
    "StoredSummary",
    "StoredWorkflow",
    "WorkflowQuery",
    "page_statement",
    "write_cursor",
]

MAX_LIMIT: Final = 200  # workflows a page; each may carry 320 KiB of inputs and result
MAX_CHOICES: Final = 100  # values of one filter
MAX_TEXT: Final = 256  # characters of `q`
MAX_CURSOR: Final = 512  # characters; ours have fewer than 300


class Sort(StrEnum):
    """By what a list is sorted; the names are those of the workflow's JSON."""

    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    STARTED_AT = "started_at"
    FINISHED_AT = "finished_at"
    DEFINITION = "definition"
    STATUS = "status"
    EXECUTOR = "executor"


class WorkflowQuery(Struct, frozen=True, kw_only=True):
    """Which workflows, in which order, from where.

    Filters are joined by *and*; what is left out filters nothing.
    """

    status: frozenset[Status] = frozenset()
    """Any of these."""
    definition: frozenset[str] = frozenset()
    """Any of these."""
    error: frozenset[ErrorCode] = frozenset()
    """Failed for any of these reasons."""
    q: str | None = None
    """Text in id, title, definition, executor or error message, whatever its case; up to 256 characters."""
    since: datetime | None = None
    """Created at this time or later."""
    until: datetime | None = None
    """Created before this time."""
    retry_of: str | None = None
    started_by: str | None = None
    executor: str | None = None
    sort: Sort = Sort.CREATED_AT
    descending: bool = True
    """The newest, or the last in the alphabet, first. What has no value yet counts as the smallest."""
    limit: int = 50
    """Workflows a page, 1 to 200."""
    cursor: str | None = None
    """`next_cursor` of the page before."""


class StoredWorkflow(Struct, frozen=True, kw_only=True):
    """A workflow as the database has it."""

    entry: Entry
    """The last record that was projected. Position 0: it is from before lastword, and not in the log."""
    last_heartbeat_at: datetime | None
    """The last beat that vouched for its process."""


class StoredPage(Struct, frozen=True, kw_only=True):
    """Some workflows, and where the next begin."""

    items: tuple[StoredWorkflow, ...]
    next_cursor: str | None
    """For the next page's query; null on the last page."""
    position: Position
    """The database is true as of this position of the log."""


class StoredSummary(Struct, frozen=True, kw_only=True):
    """How many workflows there are."""

    statuses: dict[Status, Count]
    """Zeros included."""
    position: Position
    """The counts are true as of this position of the log."""


_c: Final = workflows.c
STORED: Final = (_c.id, _c.position, _c.stored_at, _c.record, _c.last_heartbeat_at)
"""The columns that a `StoredWorkflow` is made of."""

_KEYS: Final[dict[Sort, tuple[sa.Column[Any], ...]]] = {
    Sort.CREATED_AT: (_c.created_at, _c.id),
    Sort.UPDATED_AT: (_c.updated_at, _c.id),
    Sort.STARTED_AT: (_c.started_at, _c.id),
    Sort.FINISHED_AT: (_c.finished_at, _c.id),
    Sort.DEFINITION: (_c.name, _c.created_at, _c.id),
    Sort.STATUS: (_c.status, _c.created_at, _c.id),
    Sort.EXECUTOR: (_c.executor, _c.created_at, _c.id),
}
"""The sort keys. Only the first of each may be null."""


def page_statement(query: WorkflowQuery) -> sa.Select[Any]:
    """Return the statement for one row more than the page holds; raise `BadQuery` where it makes no sense."""
    _check(query)
    keys = _KEYS[query.sort]
    statement = sa.select(*dict.fromkeys((*STORED, *keys)))
    for condition in _conditions(query):
        statement = statement.where(condition)
    if query.cursor is not None:
        statement = statement.where(_after(keys, _read_cursor(query), descending=query.descending))
    order = [key.desc() if query.descending else key.asc() for key in keys]
    if keys[0].nullable:  # said of others, it would keep PostgreSQL from its index
        order[0] = order[0].nulls_last() if query.descending else order[0].nulls_first()
    return statement.order_by(*order).limit(query.limit + 1)


def write_cursor(query: WorkflowQuery, row: AnyRow) -> str:
    """Return the cursor of the page that begins after `row`."""
    values = [getattr(row, key.name) for key in _KEYS[query.sort]]
    return base64.urlsafe_b64encode(msgspec.json.encode([_digest(query), *values])).rstrip(b"=").decode()


def _check(query: WorkflowQuery) -> None:
    if not 1 <= query.limit <= MAX_LIMIT:
        raise BadQuery("limit", f"must be between 1 and {MAX_LIMIT}, not {query.limit}")
    for name, chosen in (("status", query.status), ("definition", query.definition)):
        if len(chosen) > MAX_CHOICES:
            raise BadQuery(name, f"at most {MAX_CHOICES} can be asked for at once")
    if query.q is not None and len(query.q) > MAX_TEXT:
        raise BadQuery("q", f"must have at most {MAX_TEXT} characters")
    for name in ("q", "retry_of", "started_by", "executor"):
        _check_text(name, getattr(query, name) or "")
    for definition in query.definition:
        _check_text("definition", definition)
    for name, at in (("since", query.since), ("until", query.until)):
        if at is not None and not _is_instant(at):
            raise BadQuery(name, "must be a time with its zone, such as 2026-01-31T12:00:00Z")


def _check_text(name: str, text: str) -> None:
    """Refuse what no database holds: the character 0, and halves of surrogate pairs."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadQuery(name, "holds characters that no text has")


def _is_instant(at: datetime) -> bool:
    """Tell whether `at` is one instant, also in UTC, where the first and last hours of time do not fit."""
    try:
        return at.tzinfo is not None and at.astimezone(UTC).year > 0
    except OverflowError:
        return False


def _conditions(query: WorkflowQuery) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if query.status:
        found.append(_c.status.in_(sorted(status.value for status in query.status)))
    if query.definition:
        found.append(_c.name.in_(sorted(query.definition)))
    if query.error:
        found.append(_c.status == Status.FAILED.value)  # said for the index by status
        found.append(_c.error_code.in_(sorted(code.value for code in query.error)))
    if query.q is not None and (text := folded(query.q).strip()):
        found.append(_c.search.contains(text, autoescape=True))
    if query.since is not None:
        found.append(_c.created_at >= query.since)
    if query.until is not None:
        found.append(_c.created_at < query.until)
    for column, value in (
        (_c.retry_of, query.retry_of),
        (_c.started_by, query.started_by),
        (_c.executor, query.executor),
    ):
        if value is not None:
            found.append(column == value)
    return found


def _after(
    keys: Sequence[sa.Column[Any]], values: Sequence[Any], *, descending: bool
) -> sa.ColumnElement[bool]:
    """Return what holds for the rows beyond `values`; null is the smallest."""
    first, *rest = keys
    if values[0] is None:
        beyond = sa.and_(first.is_(None), _beyond(rest, values[1:], descending=descending))
        return beyond if descending else sa.or_(first.is_not(None), beyond)
    beyond = _beyond(keys, values, descending=descending)
    return sa.or_(beyond, first.is_(None)) if descending and first.nullable else beyond


def _beyond(
    keys: Sequence[sa.Column[Any]], values: Sequence[Any], *, descending: bool
) -> sa.ColumnElement[bool]:
    """Compare whole keys in one go, which both databases answer from an index."""
    left = sa.tuple_(*keys)
    right = sa.tuple_(*(sa.literal(value, key.type) for key, value in zip(keys, values, strict=True)))
    return left < right if descending else left > right


def _read_cursor(query: WorkflowQuery) -> list[Any]:
    text = query.cursor or ""
    if len(text) > MAX_CURSOR:
        raise BadCursor("it is too long to be one of ours")
    keys = _KEYS[query.sort]
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        digest, *values = msgspec.json.decode(raw, type=list[str | None])
        if digest != _digest(query):
            raise BadCursor(
                "it belongs to another query: filters and sort must stay the same from page to page"
            )
        return [_value(key, value) for key, value in zip(keys, values, strict=True)]
    except (binascii.Error, UnicodeError, ValueError, msgspec.MsgspecError) as error:
        raise BadCursor("it is none of ours") from error


def _value(key: sa.Column[Any], value: str | None) -> str | datetime | None:
    if value is None:
        if not key.nullable:
            raise ValueError(f"{key.name} is never null")
        return None
    if "\0" in value:
        raise ValueError("no text of ours holds this")
    if not isinstance(key.type, Utc):
        return value
    at = datetime.fromisoformat(value)
    if not _is_instant(at):
        raise ValueError("a time needs its zone")
    return at


def _digest(query: WorkflowQuery) -> str:
    """Return what must be the same from page to page; the limit may change."""
    same = msgspec.structs.replace(query, cursor=None, limit=1)
    return hashlib.sha256(msgspec.json.encode(same, order="deterministic")).hexdigest()[:16]
