"""A nats-server of its own for each test: it starts in some 40 ms."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from lastword.bus import Bus, ensure_streams
from tests.integration.servers import NatsServer, run_server


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncGenerator[NatsServer, None]:
    """Run an empty server."""
    async with run_server(tmp_path / "data") as server:
        yield server


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncGenerator[Bus, None]:
    """Connect as an actor to a server that has every stream."""
    async with nats_server.open() as opened:
        await ensure_streams(opened, partitions=2)
        yield opened
