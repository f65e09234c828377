"""Writing the database anew from the log, and proving that it says what the log says.

A rebuild is one transaction.  Everyone sees the old state until it is done, and a rebuild that fails or is
killed changes nothing.  Meanwhile projectors wait, and on SQLite, after 10 s, raise `DatabaseBusy`; they
may simply try again.

Rows from before lastword (position 0) stay, since no log can bring them back.  So do heartbeats, which the
log does not hold either.
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from lastword.contracts.records import Entry
from lastword.storage.database import Database
from lastword.storage.projection import apply, move_to, standing
from lastword.storage.rows import record_of, status_row, text_of, workflow_row
from lastword.storage.tables import workflow_statuses, workflows

__all__ = ["digest", "digest_of", "rebuild"]

_FETCHED: Final = 500  # rows in memory at once
_encoder: Final = msgspec.json.Encoder()


async def rebuild(database: Database, *, epoch: str, entries: AsyncIterable[Sequence[Entry]]) -> int:
    """Replace what came from the log by `entries`, all of log `epoch` in its order; return the last position.

    An error of `entries` passes through, and leaves the database as it was.
    """
    async with database.writing() as connection:
        await standing(connection, lock=True)
        await _empty(connection)
        position = 0
        async for batch in entries:
            position = await apply(database, connection, batch, position)
        await _restore_heartbeats(connection)
        await move_to(connection, epoch, position)
    return position


async def digest(database: Database) -> str:
    """Return a digest (SHA-256) of what the database has from the log; equal to `digest_of` of that log.

    Heartbeats and rows from before lastword are no part of it.
    """
    hashed = hashlib.sha256()
    async with database.reading() as connection:
        async for row in _all(connection, workflows, "id"):
            record = record_of(
                row["id"], row["record"]
            )  # written again, since an older program knew fewer fields
            hashed.update(_line({**row, "record": text_of(record)}, workflows))
        async for row in _all(connection, workflow_statuses, "workflow_id", "version"):
            hashed.update(_line(row, workflow_statuses))
    return hashed.hexdigest()


def digest_of(entries: Iterable[Entry]) -> str:
    """Return the digest that a database has after following these entries, a whole log in its order."""
    everything = list(entries)
    last = {entry.record.id: entry for entry in everything}
    hashed = hashlib.sha256()
    for key in sorted(last):
        hashed.update(_line(workflow_row(last[key]), workflows))
    for entry in sorted(everything, key=lambda entry: (entry.record.id, entry.record.version)):
        hashed.update(_line(status_row(entry), workflow_statuses))
    return hashed.hexdigest()


async def _empty(connection: AsyncConnection) -> None:
    await connection.execute(
        sa.text(
            "CREATE TEMPORARY TABLE kept_heartbeats AS SELECT id, last_heartbeat_at FROM workflows "
            "WHERE position > 0 AND last_heartbeat_at IS NOT NULL"
        )
    )
    await connection.execute(sa.delete(workflow_statuses).where(workflow_statuses.c.position > 0))
    await connection.execute(sa.delete(workflows).where(workflows.c.position > 0))
    await move_to(
        connection, None, 0
    )  # no log is followed until the end, which the trigger takes for a rebuild


async def _restore_heartbeats(connection: AsyncConnection) -> None:
    await connection.execute(
        sa.text(
            "UPDATE workflows SET last_heartbeat_at = kept.last_heartbeat_at FROM kept_heartbeats AS kept "
            "WHERE workflows.id = kept.id"
        )
    )
    await connection.execute(sa.text("DROP TABLE kept_heartbeats"))


async def _all(
    connection: AsyncConnection, table: sa.Table, *order: str
) -> AsyncGenerator[Mapping[str, Any]]:
    """Give the rows that came from the log, a few in memory at a time."""
    statement = sa.select(table).where(table.c.position > 0).order_by(*(table.c[name] for name in order))
    result = await connection.stream(statement, execution_options={"yield_per": _FETCHED})
    async for rows in result.mappings().partitions():
        for row in rows:
            yield {str(name): value for name, value in row.items()}


def _line(row: Mapping[str, Any], table: sa.Table) -> bytes:
    values = [row[column.name] for column in table.c if column.name != "last_heartbeat_at"]
    times = [value.astimezone(UTC) if isinstance(value, datetime) else value for value in values]
    return _encoder.encode(times) + b"\n"
