"""Writing the database anew: seen by nobody until it is done, and nothing lost that the log does not hold."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from lastword.contracts.messages import Held
from lastword.contracts.records import Entry
from lastword.storage import (
    Database,
    WorkflowStore,
    digest,
    digest_of,
    open_database,
    rebuild,
)
from lastword.storage.settings import StorageSettings
from lastword.storage.tables import workflows
from tests.integration.storage.logs import EPOCH, START, make_log, pieces


async def test_a_rebuilt_database_equals_the_log(store: WorkflowStore, database: Database) -> None:
    """Whatever was in it, damage included; and the projection goes on from its end."""
    log = make_log(50)
    await store.project(make_log(20, seed=8), epoch="log-0")
    async with database.writing() as connection:
        await connection.execute(sa.text("UPDATE workflows SET record = 'damaged', title = 'wrong'"))
    assert 60 == await rebuild(database, epoch=EPOCH, entries=pieces(log[:10], [], log[10:60]))
    assert digest_of(log[:60]) == await digest(database)
    assert (EPOCH, 60) == await store.position()
    assert len(log) == await store.project(log[60:], epoch=EPOCH, after=60)
    assert digest_of(log) == await digest(database)


async def test_the_same_log_can_be_replayed(store: WorkflowStore, database: Database) -> None:
    """The triggers let a rebuild begin again at the start."""
    log = make_log(20)
    await store.project(log, epoch=EPOCH)
    assert 7 == await rebuild(database, epoch=EPOCH, entries=pieces(log[:7]))
    assert digest_of(log[:7]) == await digest(database)


async def test_an_empty_log_gives_an_empty_database(store: WorkflowStore, database: Database) -> None:
    """Its name is kept all the same."""
    await store.project(make_log(5), epoch=EPOCH)
    assert 0 == await rebuild(database, epoch="log-2", entries=pieces())
    assert digest_of([]) == await digest(database)
    assert ("log-2", 0) == await store.position()


async def test_heartbeats_survive(store: WorkflowStore, database: Database) -> None:
    """No log holds them, so they are carried over."""
    log = make_log(20)
    await store.project(log, epoch=EPOCH)
    living = next(e for e in reversed(log) if e.lease is not None and e is _last(log, e.record.id))
    await store.touch([Held(id=living.record.id, lease=living.lease or 0)], START)
    await rebuild(database, epoch=EPOCH, entries=pieces(log))
    stored = await store.get(living.record.id)
    assert stored is not None
    assert START == stored.last_heartbeat_at
    await rebuild(database, epoch=EPOCH, entries=pieces(log))  # nothing of the first is in the way


async def test_rows_from_before_survive(store: WorkflowStore, database: Database) -> None:
    """No log could bring them back."""
    entry = make_log(1)[0]
    row = {
        "id": "12",
        "name": "old",
        "status": "success",
        "version": 1,
        "position": 0,
        "search": "",
        "record": "{}",
    }
    times = dict.fromkeys(("stored_at", "created_at", "updated_at"), entry.stored_at)
    async with database.writing() as connection:
        await connection.execute(sa.insert(workflows), {**row, **times})
    await rebuild(database, epoch=EPOCH, entries=pieces([entry]))
    assert 2 == sum((await store.summary()).statuses.values())
    assert digest_of([entry]) == await digest(database)


async def test_a_rebuild_that_fails_changes_nothing(store: WorkflowStore, database: Database) -> None:
    """An error of the log's reader passes through."""
    log = make_log(20)
    await store.project(log, epoch=EPOCH)

    async def breaking() -> AsyncGenerator[Sequence[Entry]]:
        yield log[:3]
        raise ConnectionResetError("the log went away")

    with pytest.raises(ConnectionResetError, match="the log went away"):
        await rebuild(database, epoch="log-2", entries=breaking())
    assert digest_of(log) == await digest(database)
    assert (EPOCH, len(log)) == await store.position()


async def test_readers_see_the_old_state_and_projectors_wait(
    url: str, database: Database, tmp_path: Path
) -> None:
    """A list is whole at every moment; a projector that comes in between is right afterwards."""
    log = make_log(30)
    await WorkflowStore(database).project(log[:20], epoch=EPOCH)
    half_way, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncGenerator[Sequence[Entry]]:
        yield log[:10]
        half_way.set()
        await go_on.wait()
        yield log[10:30]

    async with open_database(StorageSettings(url=url), tmp_path) as other, asyncio.TaskGroup() as group:
        group.create_task(rebuild(database, epoch=EPOCH, entries=slowly()))
        await half_way.wait()
        assert digest_of(log[:20]) == await digest(other)
        projecting = group.create_task(WorkflowStore(other).project(log[20:], epoch=EPOCH, after=20))
        assert digest_of(log[:20]) == await digest(other)
        go_on.set()
        assert len(log) == await projecting
        assert digest_of(log) == await digest(other)


async def test_the_digest_sees_every_difference(store: WorkflowStore, database: Database) -> None:
    """A row that says something else, one too many, one too few, another history: each shows."""
    log = make_log(10)
    same = digest_of(log)
    changes = (
        "UPDATE workflows SET title = 'x' WHERE id = 'wf-0001'",
        "UPDATE workflows SET search = 'x' WHERE id = 'wf-0001'",
        "UPDATE workflow_statuses SET actor = 'x' WHERE workflow_id = 'wf-0001'",
        "DELETE FROM workflow_statuses WHERE workflow_id = 'wf-0001'",
    )
    for change in changes:
        await rebuild(database, epoch=EPOCH, entries=pieces(log))
        assert same == await digest(database)
        async with database.writing() as connection:
            assert (await connection.execute(sa.text(change))).rowcount > 0
        assert same != await digest(database)
    last = log[-1]
    shifted = Entry(
        position=last.position, stored_at=last.stored_at + timedelta(microseconds=1), record=last.record
    )
    assert same != digest_of([*log[:-1], shifted])
    assert (await store.position())[1] == len(log)


def _last(log: Sequence[Entry], workflow_id: str) -> Entry:
    return [entry for entry in log if entry.record.id == workflow_id][-1]
