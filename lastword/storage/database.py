"""The adapter to SQLite and PostgreSQL: how a connection is made, and the two kinds of transaction.

All SQL elsewhere is written once, for both.  What differs is here:

=====================  ====================================  ==========================================
what                   SQLite                                PostgreSQL
=====================  ====================================  ==========================================
`reading()`            a snapshot (WAL)                      `REPEATABLE READ READ ONLY`
`writing()`            `BEGIN IMMEDIATE`: one writer at all  `READ COMMITTED`, row locks
durability             WAL, `synchronous=NORMAL`             the server's
waiting for others     up to 10 s                            locks; the pool
=====================  ====================================  ==========================================

`synchronous=NORMAL` may lose the last transactions when the power fails, never part of one; the projection's
position goes back with them, and the log is read again from there.

Errors are translated where SQLAlchemy meets them (its `handle_error` event), so a body that runs inside
`reading()` or `writing()` may raise errors of its own, and those pass unchanged.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import TimeoutError as PoolTimedOut
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from lastword.storage.engines import connect
from lastword.storage.exceptions import DatabaseBusy, NeedsUpgrade, NewerThanKnown
from lastword.storage.migrations import HEAD, REVISIONS, VERSION_TABLE
from lastword.storage.settings import StorageSettings
from lastword.storage.urls import SqliteFile, database_url, parse_url

__all__ = ["Database", "open_database", "read_revision"]

BUSY_TIMEOUT_S: Final = 10.0
"""How long a writer to SQLite waits for another; most hold the lock for milliseconds, a rebuild longer."""


class Database:
    """Connections to one database, and the two kinds of transaction that the stores use."""

    def __init__(self, engine: AsyncEngine, shown: str) -> None:
        self.shown = shown
        """How messages call it; no secrets."""
        self._engine = engine
        if engine.dialect.name == "sqlite":
            self._reader = engine
            self._writer = engine.execution_options(begin="BEGIN IMMEDIATE")
        else:
            self._reader = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            self._writer = engine

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """Give a connection whose statements all see the same state; raise `DatabaseUnavailable`."""
        async with self._connection(self._reader) as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[AsyncConnection]:
        """Give a connection whose changes are committed together at the end, or undone on any error.

        Raises `DatabaseUnavailable`, and `Regression` where a trigger refuses.
        """
        async with self._connection(self._writer) as connection:
            await self._begin(connection)
            yield connection
            await connection.commit()  # whoever does not come here is rolled back when the connection closes

    @property
    def has_clock(self) -> bool:
        """Whether it is a server, with a clock of its own, and not a file of this process."""
        return self._engine.dialect.name != "sqlite"

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """Return an insert that knows `ON CONFLICT`, which both databases have and standard SQL has not."""
        return sqlite.insert(table) if self._engine.dialect.name == "sqlite" else postgresql.insert(table)

    async def _begin(self, connection: AsyncConnection) -> None:
        """Begin, waiting for other writers; a thread that waits cannot be cancelled, so it waits in steps."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + BUSY_TIMEOUT_S
        while True:
            try:
                _ = await connection.begin()
            except DatabaseBusy:
                if clock() >= deadline:
                    raise
            else:
                return

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
        try:
            async with engine.connect() as connection:
                yield connection
        except PoolTimedOut as error:
            raise DatabaseBusy(self.shown, "all connections of this process are in use") from error


@asynccontextmanager
async def open_database(settings: StorageSettings, data_dir: Path) -> AsyncGenerator[Database]:
    """Open the database of `settings`, check its revision, and close it at the end.

    Raises `CannotOpen` where something must be changed first (`NeedsUpgrade` names the command), and
    `DatabaseUnavailable` where the server does not answer.
    """
    target = parse_url(database_url(settings, data_dir))
    if isinstance(target, SqliteFile) and not target.path.exists():
        raise NeedsUpgrade(target.shown, None, HEAD)
    async with connect(target, pool_size=settings.pool_size) as engine:
        database = Database(engine, target.shown)
        async with database.reading() as connection:
            found = await connection.run_sync(read_revision)
        if found is not None and found not in REVISIONS:
            raise NewerThanKnown(target.shown, found, HEAD)
        if found != HEAD:
            raise NeedsUpgrade(target.shown, found, HEAD)
        yield database


def read_revision(connection: sa.Connection) -> str | None:
    """Return the revision that the database is at, or None where lastword has never been."""
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    number: sa.ColumnClause[str] = sa.column("version_num")
    return connection.scalar(sa.select(number).select_from(sa.table(VERSION_TABLE)))
