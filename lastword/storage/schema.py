"""Bringing a database from one revision to another, for `lastword db` and `lastword up`.

One transaction holds the whole way, DDL included, on both databases: a migration that fails, or a process
that is killed in the middle, leaves everything as it was.  Several programs may upgrade at the same moment;
a lock lets the first work and shows the others that nothing is left to do.

A table `workflows` that somebody else made (with the four columns that such systems have) is adopted: it is
taken to be at revision 0001, and goes on from there.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from lastword.storage.database import Database, read_revision
from lastword.storage.engines import connect
from lastword.storage.exceptions import (
    DatabaseUnavailable,
    MigrationFailed,
    NewerThanKnown,
    NotOurs,
    UnknownRevision,
    UnusableFolder,
)
from lastword.storage.migrations import HEAD, REVISIONS, VERSION_TABLE
from lastword.storage.urls import SqliteFile, Target, parse_url

__all__ = ["current_revision", "downgrade", "upgrade"]

LEGACY_COLUMNS: Final = ("id", "name", "status", "started_at")
_LOCK: Final = 0x1A57_0BD0  # any number, always the same: the key of PostgreSQL's advisory lock


async def upgrade(url: str, revision: str = "head") -> str | None:
    """Bring the database to `revision`, making the file, its folder and the tables where they are missing.

    Returns the revision it was at before. Raises `CannotOpen` (`NotOurs`, `UnknownRevision`,
    `NewerThanKnown`, `MigrationFailed`...) and `DatabaseUnavailable`; nothing has changed then.
    """
    target = parse_url(url)
    if isinstance(target, SqliteFile):
        _make_folder(target.path)

    def work(connection: sa.Connection, config: Config) -> None:
        _adopt(connection, config, target)
        command.upgrade(config, revision)

    return await _migrate(target, revision, work)


async def downgrade(url: str, revision: str) -> str | None:
    """Take the database back to `revision`, such as `0001` or `base`.

    What each step loses, its docstring says. Returns the revision it was at before. Raises as `upgrade` does.
    """
    return await _migrate(parse_url(url), revision, lambda _, config: command.downgrade(config, revision))


async def current_revision(url: str) -> str | None:
    """Return the revision that the database is at, or None where lastword has never been."""
    target = parse_url(url)
    if isinstance(target, SqliteFile) and not target.path.exists():
        return None
    async with connect(target, pool_size=1) as engine, engine.connect() as connection:
        return await connection.run_sync(read_revision)


async def _migrate(
    target: Target, revision: str, work: Callable[[sa.Connection, Config], None]
) -> str | None:
    config = Config()
    config.set_main_option("script_location", "lastword.storage:migrations")

    def run(connection: sa.Connection) -> str | None:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        before = read_revision(connection)
        if before is not None and before not in REVISIONS:
            raise NewerThanKnown(target.shown, before, HEAD)
        config.attributes["connection"] = connection
        try:
            work(connection, config)
        except CommandError as error:
            known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
            raise UnknownRevision(revision, known[::-1], str(error)) from error
        except DatabaseUnavailable as error:
            raise MigrationFailed(target.shown, error.reason) from error
        except SQLAlchemyError as error:
            raise MigrationFailed(target.shown, str(getattr(error, "orig", None) or error)) from error
        return before

    async with (
        connect(target, pool_size=1) as engine,
        Database(engine, target.shown).writing() as connection,
    ):
        return await connection.run_sync(run)


def _adopt(connection: sa.Connection, config: Config, target: Target) -> None:
    """Take a table of that name for revision 0001, where lastword has never been."""
    inspector = sa.inspect(connection)
    if read_revision(connection) is not None or not inspector.has_table("workflows"):
        return
    columns = {column["name"] for column in inspector.get_columns("workflows")}
    missing = [name for name in LEGACY_COLUMNS if name not in columns]
    if missing:
        raise NotOurs(target.shown, "workflows", missing)
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    context.stamp(ScriptDirectory.from_config(config), "0001")


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableFolder(path, f"the folder {path.parent} cannot be made ({error.strerror})") from error
