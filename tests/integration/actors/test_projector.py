"""How far the database is behind the log, as metrics tell it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lastword.actors.projector import Projector
from lastword.bus import Bus, StatusLog
from lastword.contracts.records import Entry
from lastword.storage import Database, WorkflowStore, open_database, upgrade
from lastword.storage.exceptions import DatabaseUnavailable
from lastword.storage.settings import StorageSettings
from lastword.telemetry.metrics import Metrics
from tests.integration.servers import make_record


class _Store(WorkflowStore):
    """A real one, whose database can go away, or hang."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.is_up = True
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.refused = asyncio.Event()
        self.written = 0

    async def position(self) -> tuple[str | None, int]:
        """Read the position, where there is somebody to ask."""
        self._ask()
        return await super().position()

    async def project(self, entries: Sequence[Entry], *, epoch: str, after: int | None = None) -> int:
        """Write, when the database lets us."""
        self._ask()
        await self.may_write.wait()
        position = await super().project(entries, epoch=epoch, after=after)
        self.written += len(entries)
        return position

    def _ask(self) -> None:
        if not self.is_up:
            self.refused.set()
            raise DatabaseUnavailable("the database", "it is away")


class _World:
    def __init__(self, bus: Bus, database: Database) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.log = StatusLog(bus)
        self.store = _Store(database)
        self.projector = Projector(bus, self.log, database, self.metrics, every_s=0.01)
        self.projector._store = self.store

    def lag(self) -> tuple[float, float]:
        """Return what a scrape shows: records and seconds."""
        value = self.metrics.registry.get_sample_value
        records, seconds = value("lastword_projection_lag_records"), value("lastword_projection_lag_seconds")
        assert records is not None
        assert seconds is not None
        return records, seconds

    async def until(self, look: Callable[[float, float], bool]) -> None:
        """Return once a scrape shows such records and seconds."""
        async with asyncio.timeout(20):
            while not look(*self.lag()):  # noqa: ASYNC110  what a scrape shows, one finds by looking
                await asyncio.sleep(0.01)

    async def until_current(self) -> None:
        """Return once the database shows all."""
        await self.until(lambda records, seconds: records == 0 and seconds == 0)


@pytest.fixture
async def world(bus: Bus, tmp_path: Path) -> AsyncGenerator[_World, None]:
    """Give a projector at work on a real log and a real database."""
    url = f"sqlite:///{tmp_path}/lastword.db"
    await upgrade(url)
    async with open_database(StorageSettings(url=url), tmp_path) as database:
        world = _World(bus, database)
        projecting = asyncio.create_task(world.projector.run())
        try:
            await world.until_current()
            yield world
        finally:
            projecting.cancel()
            await asyncio.gather(projecting, return_exceptions=True)


async def test_a_database_that_hangs_is_seen_to_lag(world: _World) -> None:
    """What waits is counted while it waits, not when it has been written."""
    world.store.may_write.clear()
    await world.log.append(make_record("w-1"), expected=0)
    await world.log.append(make_record("w-2"), expected=0)
    await world.until(lambda records, seconds: records == 2 and seconds > 0.2)
    world.store.may_write.set()
    await world.until_current()
    assert 2 == world.store.written


async def test_a_database_that_is_away_is_seen_to_lag(world: _World) -> None:
    """For as long as it is, though nothing waits in memory."""
    world.store.is_up = False
    await world.log.append(make_record("w-1"), expected=0)
    await world.store.refused.wait()
    await world.until(lambda _records, seconds: seconds > 0.2)
    world.store.is_up = True
    await world.until_current()
    assert 1 == world.store.written
