"""What a record looks like in the tables, and how it comes back.

The row is a function of the entry alone (but for the heartbeat, which is no part of the log), so replaying
the log always gives the same database, and the two can be compared.
"""

import unicodedata
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from lastword.contracts.records import Entry, Record
from lastword.storage.exceptions import DamagedRecord

__all__ = [
    "SEPARATOR",
    "AnyRow",
    "entry_of",
    "folded",
    "record_of",
    "searchable",
    "status_row",
    "text_of",
    "workflow_row",
]

SEPARATOR: Final = "\x1f"
"""Between the parts of `search`, so that nothing is found across two of them."""

AnyRow = sa.Row[*tuple[Any, ...]]
"""A row of any columns."""

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Record)


def workflow_row(entry: Entry) -> dict[str, Any]:
    """Return the row of `workflows` for a workflow whose last entry this is."""
    record = entry.record
    return {
        "id": record.id,
        "name": record.definition,
        "status": record.status.value,
        "started_at": record.started_at,
        "version": record.version,
        "position": entry.position,
        "stored_at": entry.stored_at,
        "created_at": record.created_at,
        "updated_at": record.at,
        "finished_at": record.finished_at,
        "executor": record.executor,
        "lease": entry.lease,
        "error_code": record.error.code.value if record.error else None,
        "title": _clean(record.title),
        "started_by": _clean(record.started_by),
        "retry_of": record.retry_of,
        "search": searchable(record),
        "record": text_of(record),
    }


def status_row(entry: Entry) -> dict[str, Any]:
    """Return the row of `workflow_statuses` for this entry."""
    record = entry.record
    return {
        "workflow_id": record.id,
        "version": record.version,
        "position": entry.position,
        "status": record.status.value,
        "previous": record.previous.value if record.previous else None,
        "at": record.at,
        "cause": record.cause,
        "actor": _clean(record.actor),
    }


def entry_of(row: AnyRow) -> Entry:
    """Return the entry that a row with `id`, `position`, `stored_at` and `record` was made from."""
    return Entry(position=row.position, stored_at=row.stored_at, record=record_of(row.id, row.record))


def record_of(workflow_id: str, text: str) -> Record:
    """Return the record that `text` is; raise `DamagedRecord` where it is none."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise DamagedRecord(workflow_id, str(error)) from error


def text_of(record: Record) -> str:
    """Return the JSON of a record, as it stands in `workflows.record`."""
    return _encoder.encode(record).decode()


def searchable(record: Record) -> str:
    """Return all that a text search looks at: id, title, definition, executor, the error's message."""
    error = record.error.message if record.error else None
    parts = (record.id, record.title, record.definition, record.executor, error)
    return SEPARATOR.join(folded(part) for part in parts if part)


def folded(text: str) -> str:
    """Return `text` without case and variants of characters, since databases differ in what they ignore."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return plain.replace(SEPARATOR, " ").replace("\0", " ")


def _clean(text: str | None) -> str | None:
    """Replace the one character that PostgreSQL's text cannot hold; in `record` JSON escapes it."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if text else text
