"""A nats-server of its own for each test: it starts in some 40 ms."""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from lastword.bus import Bus, ensure_streams
from tests.integration.servers import NatsServer, run_server


@pytest.fixture(scope="session")
def streams_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder that has every stream, to be copied: making them costs nine syncs to disk."""
    folder = tmp_path_factory.mktemp("streams")

    async def make() -> None:
        async with run_server(folder) as server, server.open() as bus:
            await ensure_streams(bus, partitions=2)

    asyncio.run(make())
    return folder


@pytest.fixture
async def nats_server(
    request: pytest.FixtureRequest, streams_template: Path, tmp_path: Path
) -> AsyncGenerator[NatsServer, None]:
    """Run a server: an empty one, unless the test asks for `bus` as well."""
    if "bus" in request.fixturenames:
        shutil.copytree(streams_template, tmp_path / "data")
    async with run_server(tmp_path / "data") as server:
        yield server


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncGenerator[Bus, None]:
    """Connect as an actor to a server that has every stream."""
    async with nats_server.open() as opened:
        await ensure_streams(opened, partitions=2)
        yield opened
