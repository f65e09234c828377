"""One server, supervisor and pair of edges for all tests of a module that only use them, or some to break."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.backends import Backend
from tests.integration.live.stage import LiveEdge, Stage, open_stage
from tests.integration.servers import NatsServer


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> AsyncGenerator[Stage, None]:
    """Run a server and a supervisor."""
    folder = tmp_path_factory.mktemp("stage")
    database = backend.database(folder)
    async with (
        backend.serve(folder / "data", with_streams=True) as server,
        open_stage(server, folder, database=database, ping_s=0.5) as opened,
    ):
        yield opened


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def edges(stage: Stage) -> tuple[LiveEdge, LiveEdge]:
    """Run two edges."""
    return await stage.open_edge(), await stage.open_edge()


@pytest.fixture
async def nats(backend: Backend, tmp_path: Path) -> AsyncGenerator[NatsServer, None]:
    """Run a server that may be broken."""
    async with backend.serve(tmp_path / "data", with_streams=True) as server:
        yield server


@pytest.fixture
def database(backend: Backend, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    return backend.database(tmp_path)


@pytest.fixture
async def breakable(nats: NatsServer, tmp_path: Path, database: str) -> AsyncGenerator[Stage, None]:
    """Run a supervisor on that server."""
    async with open_stage(nats, tmp_path, database=database) as stage:
        yield stage
