"""How many workflows ran, ended and failed over time, counted by the database.

Nothing is kept for it: what a bucket of time holds is counted from the workflows' own times, so it is as
true as the list is, survives every restart, and costs three grouped counts over the rows of the span.  How
many ran at a bucket's end is reckoned backwards from how many run now.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct

from lastword.contracts.ids import Count, Position
from lastword.contracts.statuses import LIVE, TERMINAL, ErrorCode, Status
from lastword.storage.rows import AnyRow
from lastword.storage.tables import workflows

__all__ = ["StoredBucket", "StoredTrends", "count_ended", "count_running", "count_started", "fold"]

AnySelect = sa.Select[*tuple[Any, ...]]
"""A statement that brings any columns."""

_c: Final = workflows.c
_LIVE: Final = sorted(status.value for status in LIVE)
_TERMINAL: Final = sorted(status.value for status in TERMINAL)


class StoredBucket(Struct, frozen=True, kw_only=True):
    """What happened in one piece of time."""

    at: datetime
    """When it begins."""
    running: Count
    """How many executors held at its end."""
    started: Count
    """How many were claimed within it."""
    ended: dict[Status, Count]
    """How many ended within it, by how; zeros included."""
    failures: dict[str, Count]
    """Why they failed, by the error's code; only what happened."""


class StoredTrends(Struct, frozen=True, kw_only=True):
    """Equal pieces of time without gaps, oldest first."""

    buckets: tuple[StoredBucket, ...]
    position: Position
    """The counts are true as of this position of the log."""


def count_started(since: datetime, step_s: int) -> AnySelect:
    """Return the statement for how many were claimed in each bucket."""
    at = _bucket(_c.started_at, step_s).label("at")
    # What was claimed since then was also updated since then, and by that there is an index.
    due = sa.and_(_c.updated_at >= since, _c.started_at >= since)
    return sa.select(at, sa.func.count().label("started")).where(due).group_by(at)


def count_ended(since: datetime, step_s: int) -> AnySelect:
    """Return the statement for how many ended in each bucket, how and why, and how many of them had begun."""
    at = _bucket(_c.finished_at, step_s).label("at")
    counts = sa.func.count().label("ended"), sa.func.count(_c.started_at).label("left")
    due = sa.and_(_c.finished_at >= since, _c.status.in_(_TERMINAL))
    return sa.select(at, _c.status, _c.error_code, *counts).where(due).group_by(at, _c.status, _c.error_code)


def count_running() -> AnySelect:
    """Return the statement for how many executors hold now."""
    return sa.select(sa.func.count()).where(_c.status.in_(_LIVE))


def fold(
    started: Sequence[AnyRow],
    ended: Sequence[AnyRow],
    running: int,
    *,
    since: datetime,
    until: datetime,
    step_s: int,
) -> tuple[StoredBucket, ...]:
    """Return every bucket from `since` to `until`; both are whole steps of the epoch.

    What happened after `until` (the clock of a supervisor may be ahead) counts into the last bucket.
    """
    first, last = int(since.timestamp()), int(until.timestamp()) - step_s
    begun: Counter[int] = Counter()
    left: Counter[int] = Counter()
    ends: dict[int, Counter[Status]] = {}
    failures: dict[int, Counter[str]] = {}
    for row in started:
        begun[min(int(row.at), last)] += row.started
    for row in ended:
        at = min(int(row.at), last)
        left[at] += row.left
        ends.setdefault(at, Counter())[Status(row.status)] += row.ended
        if row.status == Status.FAILED:
            failures.setdefault(at, Counter())[row.error_code or ErrorCode.EXCEPTION.value] += row.ended
    found: list[StoredBucket] = []
    for at in range(last, first - 1, -step_s):
        found.append(
            StoredBucket(
                at=datetime.fromtimestamp(at, UTC),
                running=max(running, 0),
                started=begun[at],
                ended={status: ends.get(at, Counter())[status] for status in Status if status.is_terminal},
                failures=dict(sorted(failures.get(at, Counter()).items())),
            )
        )
        running += left[at] - begun[at]
    return tuple(reversed(found))


def _bucket(column: sa.Column[Any], step_s: int) -> sa.ColumnElement[Any]:
    """Return when a time's bucket begins, in seconds; both databases count the remainder of fractions too."""
    seconds = sa.extract("epoch", column)
    return seconds - seconds % step_s
