"""A NATS of its own for each test, on one node (some 40 ms) or on three (some 600 ms)."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from lastword.bus import Bus, ensure_streams
from tests.integration.backends import CHOSEN, Backend, ClusterBackend, SingleBackend
from tests.integration.postgres import postgres
from tests.integration.servers import NatsServer, run_server

__all__ = ["postgres"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked `cluster` on both back ends."""
    if CHOSEN == "single" and metafunc.definition.get_closest_marker("cluster") is not None:
        metafunc.parametrize("backend", ["single", "cluster"], indirect=True, scope="session")


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return what the test runs on."""
    if getattr(request, "param", CHOSEN) == "cluster":
        return ClusterBackend(request.getfixturevalue("postgres"))
    return SingleBackend(request.getfixturevalue("streams_template"))


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
    request: pytest.FixtureRequest, backend: Backend, tmp_path: Path
) -> AsyncGenerator[NatsServer, None]:
    """Run a server: an empty one, unless the test asks for `bus` as well."""
    async with backend.serve(tmp_path / "data", with_streams="bus" in request.fixturenames) as server:
        yield server


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncGenerator[Bus, None]:
    """Connect as an actor to a server that has every stream."""
    async with nats_server.open() as opened:
        await ensure_streams(opened, partitions=2)
        yield opened
