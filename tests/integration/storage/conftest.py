"""Every test of the storage runs on both databases: one code path, one suite."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

import pytest

from lastword.storage import Database, WorkflowStore, open_database, upgrade
from lastword.storage.settings import StorageSettings
from tests.integration.postgres import PrivatePostgres

Make = Callable[[], str]
EMPTY = "TRUNCATE tokens, workflows, workflow_statuses; UPDATE projection SET epoch = NULL, position = 0"


@pytest.fixture(params=["sqlite", "postgres"])
def dialect(request: pytest.FixtureRequest) -> str:
    """Return the kind of database."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file at the newest revision, to be copied."""
    path = tmp_path_factory.mktemp("template") / "lastword.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: PrivatePostgres) -> str:
    """Return a database at the newest revision, to be copied."""
    name = postgres.create_database()
    asyncio.run(upgrade(postgres.url(name)))
    return name


@pytest.fixture(scope="session")
def postgres_ready() -> list[str]:
    """Return the databases that no test uses: to make one takes 0.3 s, to empty one a tenth of that."""
    return []


@pytest.fixture
def empty_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the URL of a database that lastword has never seen."""
    if dialect == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: PrivatePostgres = request.getfixturevalue("postgres")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def make_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Make]:
    """Give a maker of databases at the newest revision, without a row, which returns their URLs."""
    made: list[str] = []
    if dialect == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")

        def copy() -> str:
            path = tmp_path / f"{len(made)}.db"
            made.append(str(shutil.copy(template, path)))
            return f"sqlite:///{path}"

        yield copy
        return
    server: PrivatePostgres = request.getfixturevalue("postgres")
    name: str = request.getfixturevalue("postgres_template")
    ready: list[str] = request.getfixturevalue("postgres_ready")

    def take() -> str:
        made.append(ready.pop() if ready else server.create_database(name))
        return server.url(made[-1])

    yield take
    for database in made:
        server.execute(database, EMPTY)
        ready.append(database)


@pytest.fixture
def url(make_url: Make) -> str:
    """Return the URL of a database at the newest revision, without a row."""
    return make_url()


@pytest.fixture
async def database(url: str, tmp_path: Path) -> AsyncGenerator[Database]:
    """Give that database, open."""
    async with open_database(StorageSettings(url=url), tmp_path) as opened:
        yield opened


@pytest.fixture
def store(database: Database) -> WorkflowStore:
    """Return the store on that database."""
    return WorkflowStore(database)
