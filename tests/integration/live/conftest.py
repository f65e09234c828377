"""One server, supervisor and pair of edges for all tests of a module that only use them, or some to break."""

import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.live.stage import LiveEdge, Stage, open_stage
from tests.integration.servers import NatsServer, run_server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage(
    tmp_path_factory: pytest.TempPathFactory, streams_template: Path
) -> AsyncGenerator[Stage, None]:
    """Run a server and a supervisor."""
    folder = tmp_path_factory.mktemp("stage")
    shutil.copytree(streams_template, folder / "data")
    async with run_server(folder / "data") as server, open_stage(server, folder, ping_s=0.5) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def edges(stage: Stage) -> tuple[LiveEdge, LiveEdge]:
    """Run two edges."""
    return await stage.open_edge(), await stage.open_edge()


@pytest.fixture
async def nats(streams_template: Path, tmp_path: Path) -> AsyncGenerator[NatsServer, None]:
    """Run a server that may be broken."""
    shutil.copytree(streams_template, tmp_path / "data")
    async with run_server(tmp_path / "data") as server:
        yield server


@pytest.fixture
async def breakable(nats: NatsServer, tmp_path: Path) -> AsyncGenerator[Stage, None]:
    """Run a supervisor on that server."""
    async with open_stage(nats, tmp_path) as stage:
        yield stage
