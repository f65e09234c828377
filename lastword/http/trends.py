"""`GET /trends`: how the system has done over time.

What records tell is counted by the database; what no record keeps, this edge saw (`trail`).  Both come in the
same pieces of time.  However many pages ask, the database counts each span once in a while.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from lastword.contracts.views import TrendPoint, Trends
from lastword.http.answers import json_answer
from lastword.http.examples import TRENDS
from lastword.http.operation import READ, Operation
from lastword.http.packets import encode
from lastword.http.ports import Lists
from lastword.http.requests import read_query
from lastword.http.trail import Trail

__all__ = ["OPERATIONS", "TrendRoutes", "TrendsQuery"]

Span = Literal["1h", "24h", "7d"]
STEPS: Final[dict[Span, tuple[int, int, float]]] = {
    "1h": (60, 60, 2.0),
    "24h": (1_800, 48, 10.0),
    "7d": (10_800, 56, 30.0),
}
"""Seconds a piece, how many pieces, and for how many seconds an answer is good."""


class TrendsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of the trends."""

    span: Annotated[
        Span, Meta(description="An hour by minutes, a day by half hours, or a week by three hours.")
    ] = "1h"


class TrendRoutes:
    """Answers about the course of things."""

    def __init__(
        self,
        *,
        trail: Trail,
        lists: Lists,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        now: Callable[[], float] | None = None,
    ) -> None:
        """`wall` dates the pieces of time; `now` is a monotonic clock in seconds (the loop's)."""
        self._trail = trail
        self._lists = lists
        self._wall = wall
        self._now = now or asyncio.get_running_loop().time
        self._answers: dict[Span, tuple[float, bytes]] = {}
        self._counting = asyncio.Lock()

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the endpoint for Litestar."""
        return [_TRENDS.serve(self.trends)]

    async def trends(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """Return how the system has done."""
        span = read_query(request, TrendsQuery).span
        async with self._counting:  # whoever waits here finds the answer of the one before
            good_until, body = self._answers.get(span, (0.0, b""))
            if not body or self._now() >= good_until:
                body = encode(await self._count(span))
                self._answers[span] = (self._now() + STEPS[span][2], body)
        return json_answer(body)

    async def _count(self, span: Span) -> Trends:
        step_s, pieces, _ = STEPS[span]
        until = int(self._wall().timestamp()) // step_s * step_s + step_s
        since = until - pieces * step_s
        stored = await self._lists.trends(
            datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC), step_s
        )
        starts = [int(bucket.at.timestamp()) for bucket in stored.buckets]
        return Trends(
            step_s=step_s,
            points=tuple(
                TrendPoint(
                    at=bucket.at,
                    running=bucket.running,
                    started=bucket.started,
                    ended={status.value: count for status, count in bucket.ended.items()},
                    failures=bucket.failures,
                    vitals=vitals,
                )
                for bucket, vitals in zip(stored.buckets, self._trail.vitals(starts, step_s), strict=True)
            ),
            position=stored.position,
            watched_since=self._trail.since,
            lag=self._trail.lag(since),
        )


_TRENDS: Final = Operation(
    method="GET",
    path="/trends",
    id="getTrends",
    tag="system",
    summary="How the system has done over time",
    description="Running and ended are counted by the database. `vitals` and `lag` are what this edge saw "
    "since it started; another edge saw its own.",
    query=TrendsQuery,
    answer=Trends,
    example=TRENDS,
    problems=(*READ, "unavailable"),
)
OPERATIONS: Final = (_TRENDS,)
