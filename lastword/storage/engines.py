"""Connections to SQLite and PostgreSQL: how each is made ready, and what its errors mean."""

import os
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from lastword.storage.exceptions import (
    BadDatabaseUrl,
    DatabaseBusy,
    DatabaseRefused,
    DatabaseUnavailable,
    DriverMissing,
    Regression,
    StorageError,
    UnusableFolder,
)
from lastword.storage.urls import PostgresServer, SqliteFile, Target

__all__ = ["connect"]

BUSY_STEP_S: Final = (
    1.0  # how long SQLite waits for another writer at once, in its thread; see Database.writing
)
CONNECT_TIMEOUT_S: Final = 5.0
COMMAND_TIMEOUT_S: Final = (
    60.0  # a statement to PostgreSQL; only a broken network or a stuck server takes longer
)
POOL_TIMEOUT_S: Final = 10.0  # how long a call waits for a connection of its own
SQLITE_CONNECTIONS: Final = 4  # each is a thread; more of them would wait for each other
WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024  # to which a rebuild's log shrinks again

_UNAVAILABLE: Final = ("08", "25006", "53", "57", "58", "XX")
"""What SQLSTATE begins with where the server is the trouble, not the statement; 25006 is a standby."""
_BUSY: Final = frozenset({"40001", "40P01", "55P03"})
"""What asks for another try: serialization failure, deadlock, lock not available."""


@asynccontextmanager
async def connect(target: Target, *, pool_size: int) -> AsyncGenerator[AsyncEngine]:
    """Give an engine for `target`, of any revision; raise `CannotOpen` or, in use, `DatabaseUnavailable`."""
    engine = _sqlite(target) if isinstance(target, SqliteFile) else _postgres(target, pool_size=pool_size)

    @event.listens_for(engine.sync_engine, "handle_error")
    def translate(context: ExceptionContext) -> StorageError | None:
        return _translate(context, target.shown)

    try:
        yield engine
    finally:
        await engine.dispose()


def _sqlite(target: SqliteFile) -> AsyncEngine:
    _check_file(target.path)
    engine = create_async_engine(
        sa.URL.create("sqlite+aiosqlite", database=str(target.path)),
        # Without an isolation level the driver leaves transactions to us; by itself it would begin them late
        # and commit them before DDL.
        connect_args={"isolation_level": None, "timeout": BUSY_STEP_S},
        pool_size=SQLITE_CONNECTIONS,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # A new file whose first users come at once: the mode stays in the file, and one of them sets it.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine


def _check_file(path: Path) -> None:
    """Say what is wrong with the file's place, since SQLite only says that it cannot open it."""
    folder = path.parent
    if path.is_dir():
        raise UnusableFolder(path, "it is a folder")
    if not folder.is_dir():
        raise UnusableFolder(path, f"there is no folder {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UnusableFolder(path, f"the folder {folder} is not writable")
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise UnusableFolder(path, "the file is not writable")


def _postgres(target: PostgresServer, *, pool_size: int) -> AsyncEngine:
    if find_spec("asyncpg") is None:
        raise DriverMissing("asyncpg", "postgres")
    asyncpg: Any = import_module("asyncpg")  # an extra, and without types
    reached = False

    async def reach() -> Any:
        nonlocal reached
        try:
            connection = await asyncpg.connect(
                target.dsn,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                # Compiling a statement takes longer than any of ours runs.
                server_settings={"application_name": "lastword", "jit": "off"},
            )
        except (asyncpg.ClientConfigurationError, ValueError) as error:
            raise BadDatabaseUrl(target.shown, str(error)) from error
        except asyncpg.PostgresError as error:
            # A refusal of the first connection is a setting to mend; one that comes later (closed for
            # maintenance, a new password) is an outage, and whoever works waits for its end.
            if reached or (error.sqlstate or "").startswith(_UNAVAILABLE):
                raise DatabaseUnavailable(target.shown, str(error)) from error
            raise DatabaseRefused(target.shown, str(error)) from error
        except (OSError, asyncpg.InterfaceError) as error:
            raise DatabaseUnavailable(target.shown, str(error) or type(error).__name__) from error
        reached = True
        return connection

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=reach,
        pool_size=pool_size,
        max_overflow=0,  # the setting means what it says
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=True,  # a restarted server costs nobody an error
    )


def _translate(context: ExceptionContext, shown: str) -> StorageError | None:
    """Return our error for one of the driver's; None lets it pass, being a bug or ours already."""
    original: Any = context.original_exception
    reason = str(original).strip() or type(original).__name__
    if context.is_pre_ping:  # the pool itself sees that the connection is gone, and makes another
        return None
    if not isinstance(original, Exception):  # a cancelled task; SQLAlchemy calls that a disconnect
        return None
    if context.is_disconnect or isinstance(original, OSError):  # which TimeoutError is
        return DatabaseUnavailable(shown, reason)
    if "lastword: " in reason:  # so the messages of our triggers begin
        return Regression(reason.partition("lastword: ")[2])
    kind = _judge_sqlite(original) if isinstance(original, sqlite3.Error) else _judge_postgres(original)
    return kind(shown, reason) if kind is not None else None


def _judge_sqlite(error: sqlite3.Error) -> type[DatabaseUnavailable] | None:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF  # without what extends it
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return DatabaseBusy
    unusable = isinstance(error, sqlite3.OperationalError) or code in {
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT,
    }
    return DatabaseUnavailable if unusable else None


def _judge_postgres(error: Any) -> type[DatabaseUnavailable] | None:
    state: str = getattr(error, "sqlstate", None) or ""
    if state in _BUSY:
        return DatabaseBusy
    return DatabaseUnavailable if state.startswith(_UNAVAILABLE) else None
