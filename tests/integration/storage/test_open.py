"""Opening a database: whatever is wrong is said with its culprit and its remedy, and no password."""

import os
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from lastword.storage import (
    BadDatabaseUrl,
    CannotOpen,
    Database,
    DatabaseBusy,
    DatabaseRefused,
    DatabaseUnavailable,
    DriverMissing,
    NeedsUpgrade,
    UnusableFolder,
    WorkflowStore,
    current_revision,
    engines,
    open_database,
    upgrade,
)
from lastword.storage import database as waiting
from lastword.storage.settings import StorageSettings
from tests.integration.postgres import PrivatePostgres
from tests.integration.storage.conftest import Make
from tests.integration.storage.logs import EPOCH, make_log


async def test_the_default_is_a_file_in_the_data_folder(tmp_path: Path) -> None:
    """The folder is made by the upgrade, as `lastword up` needs it on its first start."""
    data = tmp_path / "new" / "100% data"
    await upgrade(f"sqlite:///{data}/lastword.db")
    async with open_database(StorageSettings(), data) as database:
        assert (None, 0) == await WorkflowStore(database).position()
    assert (data / "lastword.db").is_file()


async def test_a_database_without_tables_names_the_command(empty_url: str, tmp_path: Path) -> None:
    """Nothing is made by the way: an empty file would look like a database."""
    with pytest.raises(NeedsUpgrade, match=r"no tables of lastword yet.*lastword db upgrade"):
        async with open_database(StorageSettings(url=empty_url), tmp_path):
            pass
    assert not (tmp_path / "empty.db").exists()


async def test_an_older_database_names_the_command(empty_url: str, tmp_path: Path) -> None:
    """The legacy table alone is not enough."""
    await upgrade(empty_url, "0001")
    with pytest.raises(NeedsUpgrade, match=r"is at revision 0001.*needs 0003.*lastword db upgrade"):
        async with open_database(StorageSettings(url=empty_url), tmp_path):
            pass


async def test_a_place_where_no_file_can_be_is_named(tmp_path: Path) -> None:
    """A file where a folder should be, and a folder where the file should be."""
    (tmp_path / "file").write_text("")
    (tmp_path / "lastword.db").mkdir()
    with pytest.raises(UnusableFolder, match=r"file.*LASTWORD_DATA_DIR"):
        await upgrade(f"sqlite:///{tmp_path}/file/lastword.db")
    with pytest.raises(UnusableFolder, match="it is a folder"):
        await upgrade(f"sqlite:///{tmp_path}/lastword.db")
    with pytest.raises(UnusableFolder, match="it is a folder"):
        async with open_database(StorageSettings(), tmp_path):
            pass


async def test_a_folder_that_is_not_writable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked of the system rather than tried, since tests may run as root, who may write everywhere."""
    await upgrade(f"sqlite:///{tmp_path}/lastword.db")
    access = os.access

    def refuse(path: Path, mode: int) -> bool:
        return path != tmp_path and access(path, mode)

    monkeypatch.setattr(os, "access", refuse)
    with pytest.raises(UnusableFolder, match=f"the folder {tmp_path} is not writable"):
        async with open_database(StorageSettings(), tmp_path):
            pass


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """Somebody's text file is neither read nor overwritten."""
    path = tmp_path / "lastword.db"
    path.write_text("dear diary " * 100)
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        async with open_database(StorageSettings(), tmp_path):
            pass
    assert path.read_text().startswith("dear diary")


@pytest.mark.parametrize(
    "url",
    ["mysql://ann:secret@host/name", "lastword.db", "sqlite://", "sqlite:///:memory:", "sqlite://host/path",
     "postgresql://ann:secret@host:no/name", "postgresql://ann:secret@host:99999/name"],
)  # fmt: skip
async def test_a_url_that_names_no_database_is_refused(url: str, tmp_path: Path) -> None:
    """With what may be written instead, and without the password."""
    with pytest.raises((BadDatabaseUrl, DatabaseUnavailable)) as caught:
        async with open_database(StorageSettings(url=url), tmp_path):
            pass
    assert "secret" not in str(caught.value)
    assert "sqlite:///path" in str(caught.value) or "99999" in url


async def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    """By host and port, without the password; waiting may help."""
    settings = StorageSettings(url="postgresql://ann:s%40cret@127.0.0.1:1/name")
    with pytest.raises(DatabaseUnavailable, match=r"postgresql://ann:\*\*\*@127.0.0.1:1/name is unavailable"):
        async with open_database(settings, tmp_path):
            pass
    with pytest.raises(DatabaseUnavailable):
        await upgrade(settings.url or "")


async def test_a_server_that_refuses_is_told_from_one_that_is_away(
    postgres: PrivatePostgres, tmp_path: Path
) -> None:
    """A database or user that does not exist is a mistake in the setting: waiting does not help."""
    url = postgres.url("no_such_database")
    with pytest.raises(DatabaseRefused, match=r'database "no_such_database" does not exist.*createdb'):
        async with open_database(StorageSettings(url=url), tmp_path):
            pass
    with pytest.raises(DatabaseRefused, match='role "nobody" does not exist'):
        await current_revision(url.replace("lastword@", "nobody:secret@"))


async def test_a_missing_driver_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's driver is an extra of the package."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(DriverMissing, match=r"asyncpg: pip install 'lastword\[postgres\]'"):
        async with open_database(StorageSettings(url="postgresql://ann@host/name"), tmp_path):
            pass
    assert issubclass(DriverMissing, CannotOpen)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_sqlite_is_set_up_for_several_processes(database: Database) -> None:
    """Readers do not wait for the writer, a writer waits for another, and references hold."""
    async with database.reading() as connection:
        found = [
            await connection.scalar(sa.text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        ]
    assert ["wal", 1, 1_000, 1] == found


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_writer_that_waits_too_long_may_try_again(
    url: str, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was written, and the error says that others use the database."""
    monkeypatch.setattr(engines, "BUSY_STEP_S", 0.02)
    monkeypatch.setattr(waiting, "BUSY_TIMEOUT_S", 0.05)
    log = make_log(3)
    async with open_database(StorageSettings(url=url), tmp_path) as impatient:
        store = WorkflowStore(impatient)
        async with database.writing():
            with pytest.raises(DatabaseBusy, match="too many use it at once"):
                await store.project(log, epoch=EPOCH)
            assert (None, 0) == await store.position()
        assert len(log) == await store.project(log, epoch=EPOCH)


@pytest.mark.parametrize("dialect", ["postgres"], indirect=True)
async def test_a_cut_connection_is_an_error_once(
    store: WorkflowStore, database: Database, postgres: PrivatePostgres
) -> None:
    """In the middle of a transaction nothing is written; the next call has a new connection."""
    log = make_log(3)

    async def write() -> None:
        async with database.writing() as connection:
            pid = await connection.scalar(sa.text("SELECT pg_backend_pid()"))
            await connection.execute(sa.text("UPDATE projection SET position = 99"))
            postgres.execute("postgres", f"SELECT pg_terminate_backend({pid}, 5000)")
            await connection.execute(sa.text("UPDATE projection SET position = 100"))

    with pytest.raises(DatabaseUnavailable):
        await write()
    assert (None, 0) == await store.position()
    assert len(log) == await store.project(log, epoch=EPOCH)


@pytest.mark.parametrize("dialect", ["postgres"], indirect=True)
async def test_an_idle_connection_that_was_cut_costs_nobody_an_error(
    store: WorkflowStore, database: Database, postgres: PrivatePostgres
) -> None:
    """As after a restart of the server: a connection is tried before it is given out."""
    async with database.reading() as connection:
        pid = await connection.scalar(sa.text("SELECT pg_backend_pid()"))
    postgres.execute("postgres", f"SELECT pg_terminate_backend({pid}, 5000)")
    assert (None, 0) == await store.position()


@pytest.mark.parametrize("dialect", ["postgres"], indirect=True)
async def test_a_server_that_refuses_later_is_away_for_a_while(
    store: WorkflowStore, postgres: PrivatePostgres, url: str
) -> None:
    """Closed for maintenance: nothing is wrong with the settings, and whoever works waits for its end."""
    name = url.partition("@/")[2].partition("?")[0]
    assert (None, 0) == await store.position()
    postgres.execute(
        "postgres",
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608
    )
    with pytest.raises(DatabaseUnavailable, match="not currently accepting connections"):
        await store.position()
    postgres.execute("postgres", f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert (None, 0) == await store.position()


@pytest.mark.parametrize("dialect", ["postgres"], indirect=True)
async def test_a_call_that_gets_no_connection_may_try_again(
    make_url: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pool_size` is what it says: connections of this process, no more."""
    monkeypatch.setattr(engines, "POOL_TIMEOUT_S", 0.05)
    async with open_database(StorageSettings(url=make_url(), pool_size=1), tmp_path) as database:
        store = WorkflowStore(database)
        async with database.reading():
            with pytest.raises(DatabaseBusy, match="all connections of this process are in use"):
                await store.position()
        assert (None, 0) == await store.position()


async def test_errors_of_a_body_pass_unchanged(database: Database) -> None:
    """Only the database's errors are translated, not those of who uses it."""

    async def write() -> None:
        async with database.writing() as connection:
            await connection.execute(sa.text("UPDATE projection SET position = 5"))
            raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await write()
    assert (None, 0) == await WorkflowStore(database).position()
