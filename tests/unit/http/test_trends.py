"""Trends for many pages at once."""

import asyncio
from datetime import UTC, datetime

from litestar import Litestar
from litestar.testing import AsyncTestClient

from lastword.http.trail import Trail
from lastword.http.trends import TrendRoutes
from tests.unit.http.fakes import FakeLists, World
from tests.unit.http.test_pulses import Clock

NOON = datetime(2026, 1, 5, 12, 0, 30, tzinfo=UTC)


async def test_however_many_pages_ask_the_database_counts_once_in_a_while() -> None:
    """Ten pages at once cost one count; each span has its own, and it is made anew when it is old."""
    lists, clock = FakeLists(World()), Clock()
    routes = TrendRoutes(trail=Trail(lambda: NOON), lists=lists, wall=lambda: NOON, now=clock)
    async with AsyncTestClient(Litestar(routes.handlers(), openapi_config=None)) as client:
        await asyncio.gather(*(client.get("/trends") for _ in range(10)))
        assert 1 == lists.trends_asked
        await client.get("/trends?span=24h")
        assert 2 == lists.trends_asked
        clock.now += 2.0
        await client.get("/trends")
        assert 3 == lists.trends_asked


async def test_pieces_of_time_are_whole_and_the_last_holds_now() -> None:
    """Minutes begin at :00, so that a chart does not shift with every question."""
    lists = FakeLists(World())
    routes = TrendRoutes(trail=Trail(lambda: NOON), lists=lists, wall=lambda: NOON, now=Clock())
    async with AsyncTestClient(Litestar(routes.handlers(), openapi_config=None)) as client:
        points = (await client.get("/trends")).json()["points"]
    assert ("2026-01-05T11:01:00Z", "2026-01-05T12:00:00Z") == (points[0]["at"], points[-1]["at"])
