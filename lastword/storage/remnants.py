"""What the database has and the log has not: tokens, rows from before lastword, and heartbeats.

All else is written anew from the log, so a back-up keeps these alone, as lines of JSON that are the same on
SQLite and PostgreSQL: what was saved from the one may be restored into the other.
"""

from collections.abc import AsyncGenerator, Iterable, Iterator
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from lastword.storage.database import Database
from lastword.storage.tables import PROJECTION, Utc, projection, tokens, workflow_statuses, workflows

__all__ = ["is_empty", "load_heartbeats", "load_remnants", "read_remnants"]

FETCHED: Final = 500  # rows in memory at once
HEARTBEATS: Final = "heartbeats"
_WHOLE: Final = (tokens, workflows, workflow_statuses)  # in the order in which they may be put back


async def is_empty(database: Database) -> bool:
    """Tell whether nothing was ever put into the database."""
    async with database.reading() as connection:
        for table in (workflows, tokens):
            if (await connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1))).first():
                return False
        epoch = sa.select(projection.c.epoch).where(projection.c.name == PROJECTION)
        return (await connection.execute(epoch)).scalar_one() is None


async def read_remnants(database: Database) -> AsyncGenerator[bytes]:
    """Yield the lines: `[table, {column: value}]`, in an order that is always the same."""
    async with database.reading() as connection:
        for name, statement in _statements():
            result = await connection.stream(statement, execution_options={"yield_per": FETCHED})
            async for rows in result.mappings().partitions():
                for row in rows:
                    named = {str(column): value for column, value in row.items()}
                    yield msgspec.json.encode([str(name), named]) + b"\n"


async def load_remnants(database: Database, lines: Iterable[bytes]) -> None:
    """Put back everything but the heartbeats, into an empty database."""
    by_name = {table.name: table for table in _WHOLE}
    async with database.writing() as connection:
        for name, rows in _batches(lines):
            table = by_name.get(name)
            if table is not None:
                await connection.execute(sa.insert(table), [_typed(table, row) for row in rows])


async def load_heartbeats(database: Database, lines: Iterable[bytes]) -> None:
    """Put the heartbeats back, once the workflows are there."""
    async with database.writing() as connection:
        for name, rows in _batches(lines):
            if name == HEARTBEATS:
                await _beat(connection, rows)


async def _beat(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    statement = (
        sa.update(workflows)
        .where(workflows.c.id == sa.bindparam("of"))
        .values(last_heartbeat_at=sa.bindparam("at", type_=Utc))
    )
    beats = [
        {"of": row["id"], "at": msgspec.convert(row["last_heartbeat_at"], datetime, strict=False)}
        for row in rows
    ]
    await connection.execute(statement, beats)


def _statements() -> Iterator[tuple[str, sa.Select[*tuple[Any, ...]]]]:
    yield tokens.name, sa.select(tokens).order_by(tokens.c.id)
    for table in (workflows, workflow_statuses):
        statement = sa.select(table).where(table.c.position == 0)
        yield table.name, statement.order_by(*table.primary_key.columns)
    yield (
        HEARTBEATS,
        sa.select(workflows.c.id, workflows.c.last_heartbeat_at)
        .where(workflows.c.position > 0, workflows.c.last_heartbeat_at.is_not(None))
        .order_by(workflows.c.id),
    )


def _batches(lines: Iterable[bytes]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the rows of one table after the other, a few at a time."""
    waiting: list[dict[str, Any]] = []
    of = ""
    for line in lines:
        name, row = msgspec.json.decode(line, type=tuple[str, dict[str, Any]])
        if waiting and (name != of or len(waiting) == FETCHED):
            yield of, waiting
            waiting = []
        of = name
        waiting.append(row)
    if waiting:
        yield of, waiting


def _typed(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its times as times."""
    times = {column.name for column in table.c if isinstance(column.type, Utc)}
    return {
        name: msgspec.convert(value, datetime, strict=False) if name in times and value is not None else value
        for name, value in row.items()
    }
