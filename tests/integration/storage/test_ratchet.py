"""The triggers: whoever writes to the tables, a status never goes back."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from lastword.contracts.records import Entry
from lastword.contracts.statuses import RANK, Status
from lastword.storage import Database, Regression, WorkflowStore, digest
from lastword.storage.rows import workflow_row
from lastword.storage.tables import workflows
from tests.integration.storage.logs import EPOCH, make_log

UPDATE = sa.text("UPDATE workflows SET status = :status, position = :position WHERE id = :id")


async def test_a_status_moves_exactly_where_its_rank_rises(store: WorkflowStore, database: Database) -> None:
    """All 36 pairs by raw SQL, each with a later position, as a bug in a projector would write them."""
    for status in Status:
        await _put(database, status.value, status, position=10)
    moved: set[tuple[Status, Status]] = set()
    for old in Status:
        for new in Status:
            if old is not new and await _accepts(database, id=old.value, status=new.value, position=11):
                moved.add((old, new))
                await _reset(database, old.value, old)
    assert {(old, new) for old in Status for new in Status if RANK[new] > RANK[old]} == moved
    assert 1 == (await store.summary()).statuses[Status.RUNNING]


@pytest.mark.parametrize("status", list(Status))
async def test_a_position_does_not_go_back(database: Database, status: Status) -> None:
    """Neither with the status that stands nor with a higher one."""
    await _put(database, "one", status, position=10)
    assert not await _accepts(database, id="one", status=status.value, position=9)
    assert not await _accepts(database, id="one", status="failed", position=9)


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.FAILED, Status.CANCELLED])
async def test_a_terminal_record_is_the_last(database: Database, status: Status) -> None:
    """Its position cannot change either: nothing of the log can follow it."""
    await _put(database, "one", status, position=10)
    assert not await _accepts(database, id="one", status=status.value, position=11)
    assert await _accepts(database, id="one", status=status.value, position=10)


async def test_a_status_moves_only_with_its_position(database: Database) -> None:
    """Whoever sets a status by hand is refused even if the rank would rise: the log did not say so."""
    await _put(database, "one", Status.RUNNING, position=10)
    assert not await _accepts(database, id="one", status="success", position=10)


async def test_a_status_that_nobody_knows_is_refused(database: Database) -> None:
    """The column holds the six statuses of the contracts and nothing else."""
    await _put(database, "one", Status.RUNNING, position=10)
    with pytest.raises(Regression, match="higher rank"):
        await _execute(database, UPDATE, id="one", status="done", position=11)
    unknown = {**_row("two", Status.RUNNING, 11), "status": "done"}
    with pytest.raises(IntegrityError, match="workflows_status_is_known"):
        await _execute(database, sa.insert(workflows), **unknown)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_replacing_a_row_is_refused_like_updating_it(database: Database) -> None:
    """SQLite's `INSERT OR REPLACE` deletes the old row unseen by update triggers."""
    await _put(database, "one", Status.SUCCESS, position=10)
    row = _row("one", Status.RUNNING, 11)
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    replace = sa.text(f"INSERT OR REPLACE INTO workflows ({names}) VALUES ({values})")  # noqa: S608
    written = {name: str(value) if name.endswith("_at") and value else value for name, value in row.items()}
    with pytest.raises(Regression, match="nothing leaves a terminal status"):
        await _execute(database, replace, **written)


async def test_a_row_from_before_the_log_keeps_its_status(database: Database) -> None:
    """At position 0 a status is as firm as any other, as long as the log does not know the workflow."""
    await _put(database, "one", Status.FAILED, position=0)
    assert not await _accepts(database, id="one", status="running", position=0)
    assert not await _accepts(database, id="one", status="success", position=0)


async def test_the_log_overrules_a_row_from_before(store: WorkflowStore, database: Database) -> None:
    """After a downgrade and an upgrade the rows are from before, and the log comes again from its start."""
    log = make_log(12, until_the_end=True)
    for entry in log:
        if entry.record.version == 1:
            await _put(database, entry.record.id, Status.FAILED, position=0)
    await store.project(log, epoch=EPOCH)
    for last in {entry.record.id: entry for entry in log}.values():
        stored = await store.get(last.record.id)
        assert stored is not None
        assert last == stored.entry


async def test_the_projection_does_not_go_back(store: WorkflowStore, database: Database) -> None:
    """A position once reached stands, unless a rebuild begins again or another log is followed."""
    await store.project(make_log(5), epoch=EPOCH)
    with pytest.raises(Regression, match="the projection does not go back"):
        await _execute(database, sa.text("UPDATE projection SET position = 1"))
    await _execute(database, sa.text("UPDATE projection SET epoch = 'log-2', position = 1"))
    assert ("log-2", 1) == await store.position()


async def test_a_projector_with_a_stale_view_writes_nothing(store: WorkflowStore, database: Database) -> None:
    """Were the projection's position lost, the triggers would still refuse, and the batch would be undone."""
    log = make_log(10, until_the_end=True)
    await store.project(log, epoch=EPOCH)
    await _execute(database, sa.text("UPDATE projection SET epoch = NULL, position = 0"))
    before = await digest(database)
    with pytest.raises(Regression):
        await store.project(log[:20], epoch=EPOCH)
    assert before == await digest(database)
    assert (None, 0) == await store.position()


async def _accepts(database: Database, **values: object) -> bool:
    try:
        await _execute(database, UPDATE, **values)
    except Regression:
        return False
    return True


async def _execute(database: Database, statement: sa.Executable, **values: object) -> None:
    async with database.writing() as connection:
        await connection.execute(statement, values)


async def _put(database: Database, workflow_id: str, status: Status, *, position: int) -> None:
    await _execute(database, sa.insert(workflows), **_row(workflow_id, status, position))


async def _reset(database: Database, workflow_id: str, status: Status) -> None:
    await _execute(database, sa.delete(workflows).where(workflows.c.id == workflow_id))
    await _put(database, workflow_id, status, position=10)


def _row(workflow_id: str, status: Status, position: int) -> dict[str, object]:
    entry: Entry = make_log(1)[0]
    changed = {"id": workflow_id, "status": status.value, "position": position}
    return {**workflow_row(entry), "updated_at": entry.stored_at + timedelta(seconds=1), **changed}
