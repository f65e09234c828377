"""Following the log: whatever the batches, the repetitions and the rivals, the database is its replay."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lastword.storage import (
    Database,
    EpochChanged,
    ProjectionGap,
    WorkflowStore,
    digest,
    digest_of,
    open_database,
    rebuild,
)
from lastword.storage.projection import standing
from lastword.storage.settings import StorageSettings
from tests.integration.storage.logs import EPOCH, chunks, make_log, pieces


async def test_a_database_that_followed_a_log_equals_its_replay(
    store: WorkflowStore, database: Database
) -> None:
    """Every workflow comes back as the very entry that was written, and every status is in the history."""
    log = make_log(60)
    assert log[-1].position == await store.project(log, epoch=EPOCH)
    assert digest_of(log) == await digest(database)
    assert (EPOCH, log[-1].position) == await store.position()
    for last in {entry.record.id: entry for entry in log}.values():
        stored = await store.get(last.record.id)
        assert stored is not None
        assert last == stored.entry
        assert stored.entry.stored_at.utcoffset() == timedelta(0)
        history = [entry for entry in log if entry.record.id == last.record.id]
        assert [
            (e.record.version, e.position, e.record.status, e.record.previous, e.record.at, e.record.cause)
            for e in history
        ] == [
            (t.version, t.position, t.status, t.previous, t.at, t.cause)
            for t in await store.history(last.record.id)
        ]


async def test_projecting_twice_equals_projecting_once(store: WorkflowStore, database: Database) -> None:
    """What is there already is dropped, whether it comes again whole, in part, or in disorder."""
    log = make_log(30)
    await store.project(log, epoch=EPOCH)
    before = await digest(database)
    for again in (log, log[5:20], log[::-1], []):
        assert log[-1].position == await store.project(again, epoch=EPOCH)
    assert before == await digest(database)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 5),
    sizes=st.lists(st.integers(0, 25), max_size=8),
    overlap=st.integers(0, 10),
    twice=st.sets(st.integers(0, 8)),
)
async def test_any_batches_give_the_same_database(
    database: Database, seed: int, sizes: list[int], overlap: int, twice: set[int]
) -> None:
    """Batches of any size, overlapping and repeated, as consumers redeliver them."""
    await _check_batches(database, seed, sizes, overlap, twice)


@pytest.mark.parametrize("dialect", ["postgres"], indirect=True)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 5),
    sizes=st.lists(st.integers(0, 25), max_size=8),
    overlap=st.integers(0, 10),
    twice=st.sets(st.integers(0, 8)),
)
async def test_any_batches_give_the_same_database_there_too(
    database: Database, seed: int, sizes: list[int], overlap: int, twice: set[int]
) -> None:
    """The same search on PostgreSQL, shorter, since each example costs more."""
    await _check_batches(database, seed, sizes, overlap, twice)


async def test_projectors_of_one_database_do_not_disturb_each_other(url: str, tmp_path: Path) -> None:
    """Four supervisors follow the same log into one database, each in batches of its own, all at once."""
    log = make_log(150, seed=3)
    async with AsyncExitStack() as stack:
        settings_ = StorageSettings(url=url)
        opened = [await stack.enter_async_context(open_database(settings_, tmp_path)) for _ in range(4)]

        async def follow(database: Database, size: int) -> None:
            store = WorkflowStore(database)
            for start in range(0, len(log), size):
                batch = log[start : start + size]
                position = await store.project(batch, epoch=EPOCH, after=batch[0].position - 1)
                assert position >= batch[-1].position

        async with asyncio.TaskGroup() as group:
            for database, size in zip(opened, (3, 7, 16, 50), strict=True):
                group.create_task(follow(database, size))
        assert digest_of(log) == await digest(opened[0])
        assert (EPOCH, len(log)) == await WorkflowStore(opened[0]).position()


async def test_a_faster_projector_is_seen_from_the_position(store: WorkflowStore) -> None:
    """Who comes late learns how far the database is, so that it need not send the rest either."""
    log = make_log(20)
    await store.project(log, epoch=EPOCH)
    assert len(log) == await store.project(log[:4], epoch=EPOCH)


async def test_another_log_is_refused(store: WorkflowStore, database: Database) -> None:
    """A log that was made anew counts from 1 again: its positions must not be taken for the old one's."""
    log = make_log(10)
    await store.project(log, epoch=EPOCH)
    before = await digest(database)
    with pytest.raises(EpochChanged, match="lastword db rebuild") as caught:
        await store.project(make_log(30, seed=1), epoch="log-2")
    assert (EPOCH, "log-2") == (caught.value.stored, caught.value.given)
    assert before == await digest(database)


async def test_a_gap_is_refused(store: WorkflowStore, database: Database) -> None:
    """A database that was restored from an older copy must not skip what came in between."""
    log = make_log(20)
    await store.project(log[:5], epoch=EPOCH)
    with pytest.raises(ProjectionGap) as caught:
        await store.project(log[9:], epoch=EPOCH, after=9)
    assert (5, 9) == (caught.value.position, caught.value.after)
    assert digest_of(log[:5]) == await digest(database)
    assert len(log) == await store.project(log[5:], epoch=EPOCH, after=5)
    assert digest_of(log) == await digest(database)


async def test_the_epoch_is_kept_from_the_first_call(store: WorkflowStore) -> None:
    """An empty log has its name too, so another one is told apart before the first entry."""
    assert (None, 0) == await store.position()
    assert 0 == await store.project([], epoch=EPOCH)
    assert (EPOCH, 0) == await store.position()
    with pytest.raises(EpochChanged):
        await store.project([], epoch="log-2")


async def test_the_summary_counts_every_status(store: WorkflowStore) -> None:
    """Zeros included, as of the position that it names."""
    log = make_log(40)
    await store.project(log, epoch=EPOCH)
    expected = dict.fromkeys((await store.summary()).statuses, 0)
    for entry in {entry.record.id: entry for entry in log}.values():
        expected[entry.record.status] += 1
    summary = await store.summary()
    assert expected == summary.statuses
    assert 6 == len(summary.statuses)
    assert len(log) == summary.position


async def test_a_projector_that_is_stopped_while_it_waits_is_in_nobodys_way(
    url: str, database: Database, tmp_path: Path
) -> None:
    """A supervisor's end cancels its projection: nothing of it is written, and no lock stays."""
    log = make_log(10)
    async with open_database(StorageSettings(url=url), tmp_path) as other:
        store = WorkflowStore(other)
        async with database.writing() as connection:
            await standing(connection, lock=True)
            waiting = asyncio.create_task(store.project(log, epoch=EPOCH))
            for _ in range(20):  # long enough for the task to reach the lock
                assert (None, 0) == await store.position()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
    store = WorkflowStore(database)
    assert (None, 0) == await store.position()
    assert len(log) == await store.project(log, epoch=EPOCH)
    assert digest_of(log) == await digest(database)


async def _check_batches(
    database: Database, seed: int, sizes: list[int], overlap: int, twice: set[int]
) -> None:
    log = make_log(25, seed=seed)
    await rebuild(database, epoch=EPOCH, entries=pieces())  # empties it
    store = WorkflowStore(database)
    for number, batch in enumerate(chunks(log, sizes)):
        first = batch[0].position - 1 if batch else 0
        overlapping = [*log[max(0, first - overlap) : first], *batch]
        for _ in range(2 if number in twice else 1):
            await store.project(overlapping, epoch=EPOCH)
    assert digest_of(log) == await digest(database)
