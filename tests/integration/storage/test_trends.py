"""Trends, each checked against the same counted in plain Python."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from lastword.contracts.statuses import LIVE, TERMINAL, Status
from lastword.storage import StoredBucket, WorkflowStore
from tests.integration.storage.logs import EPOCH, START, make_log

LOG = make_log(60, seed=4)
LAST = {entry.record.id: entry.record for entry in LOG}
END = LOG[-1].record.at


@pytest.mark.parametrize("step_s", [60, 1_800])
@pytest.mark.parametrize("share", [0.0, 0.5], ids=["whole", "second-half"])
async def test_every_bucket_is_counted(store: WorkflowStore, step_s: int, share: float) -> None:
    """Whatever the step, and wherever the span begins: what ran, began, ended and failed, and why."""
    await store.project(LOG, epoch=EPOCH)
    since = _floor(START + (END - START) * share, step_s)
    until = _floor(END, step_s) + step_s
    trends = await store.trends(_at(since), _at(until), step_s)
    expected = [_counted(at, step_s) for at in range(since, until, step_s)]
    assert expected == list(trends.buckets)
    assert LOG[-1].position == trends.position
    assert sum(bucket.ended[Status.FAILED] for bucket in expected) > 0


async def test_an_empty_database_has_empty_buckets(store: WorkflowStore) -> None:
    """No gap, no surprise."""
    since = _floor(START, 60)
    trends = await store.trends(_at(since), _at(since + 180), 60)
    assert [0, 0, 0] == [bucket.running for bucket in trends.buckets]
    assert 0 == trends.position


async def test_a_clock_that_is_ahead_counts_into_the_last_bucket(store: WorkflowStore) -> None:
    """A supervisor's clock may be ahead of the edge's: nothing is lost by it."""
    await store.project(LOG, epoch=EPOCH)
    since = _floor(START, 3_600)
    trends = await store.trends(_at(since), _at(since + 60), 60)
    (bucket,) = trends.buckets
    assert sum(record.status.is_terminal for record in LAST.values()) == sum(bucket.ended.values())


def _counted(at: int, step_s: int) -> StoredBucket:
    """Return a bucket, counted from the last records alone."""

    def within(moment: datetime | None) -> bool:
        return moment is not None and at <= moment.timestamp() < at + step_s

    ended = [r for r in LAST.values() if r.status in TERMINAL and within(r.finished_at)]
    running = [
        r
        for r in LAST.values()
        if r.started_at is not None
        and r.started_at.timestamp() < at + step_s
        and (r.status in LIVE or (r.finished_at is not None and r.finished_at.timestamp() >= at + step_s))
    ]
    failures = Counter(r.error.code.value for r in ended if r.status is Status.FAILED and r.error is not None)
    return StoredBucket(
        at=_at(at),
        running=len(running),
        started=sum(within(r.started_at) for r in LAST.values()),
        ended={status: sum(r.status is status for r in ended) for status in Status if status.is_terminal},
        failures=dict(failures),
    )


def _floor(moment: datetime, step_s: int) -> int:
    return int(moment.timestamp()) // step_s * step_s


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
