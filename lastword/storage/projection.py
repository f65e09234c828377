"""Following the log: entries become rows, and the position moves with them, in one transaction.

Why this is right with several supervisors, crashes and repetitions:

* The projection's row is locked first (on SQLite, the database), so projectors take turns.
* Entries at or below its position are dropped: whoever wrote them, they are there.
* Rows and position are committed together: after a crash either all of a batch is there, or none.
* A row is a function of its entry (`rows`), so in whatever batches the log is replayed, the same database
  results.

A projector must hand over *every* record of the log beyond the position at which it began to read; `after`
lets it prove that (see `ProjectionGap`).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from lastword.contracts.records import Entry
from lastword.storage.database import Database
from lastword.storage.rows import status_row, workflow_row
from lastword.storage.tables import PROJECTION, projection, workflow_statuses, workflows

__all__ = ["apply", "move_to", "standing"]


async def standing(connection: AsyncConnection, *, lock: bool = False) -> tuple[str | None, int]:
    """Return epoch and position of the projection; with `lock`, nobody else moves it until the end."""
    statement = sa.select(projection.c.epoch, projection.c.position).where(projection.c.name == PROJECTION)
    if lock:
        statement = statement.with_for_update()
    epoch, position = (await connection.execute(statement)).one()
    return epoch, position


async def move_to(connection: AsyncConnection, epoch: str | None, position: int) -> None:
    """Say how far the database has followed which log."""
    await connection.execute(
        sa.update(projection).where(projection.c.name == PROJECTION).values(epoch=epoch, position=position)
    )


async def apply(database: Database, connection: AsyncConnection, entries: Sequence[Entry], floor: int) -> int:
    """Write the entries beyond `floor`, in the log's order; return the position of the last, or `floor`.

    Only the last entry of a workflow becomes its row; each becomes a line of its history.
    """
    fresh = {entry.position: entry for entry in entries if entry.position > floor}
    if not fresh:
        return floor
    ordered = [fresh[position] for position in sorted(fresh)]
    last = {entry.record.id: entry for entry in ordered}
    # Rows are always locked in the order of their ids, here and in `WorkflowStore.touch`: no deadlock.
    await connection.execute(_upsert(database), [workflow_row(last[key]) for key in sorted(last)])
    await connection.execute(_record(database), [status_row(entry) for entry in ordered])
    return ordered[-1].position


def _upsert(database: Database) -> sa.Insert:
    insert = database.insert(workflows)
    kept = {"id", "last_heartbeat_at"}
    values = {column.name: insert.excluded[column.name] for column in workflows.c if column.name not in kept}
    return insert.on_conflict_do_update(index_elements=[workflows.c.id], set_=values)


def _record(database: Database) -> sa.Insert:
    """Return the insert of history, which overrules the one line that a row from before lastword has."""
    insert = database.insert(workflow_statuses)
    kept = {"workflow_id", "version"}
    values = {
        column.name: insert.excluded[column.name] for column in workflow_statuses.c if column.name not in kept
    }
    return insert.on_conflict_do_update(
        index_elements=[workflow_statuses.c.workflow_id, workflow_statuses.c.version],
        set_=values,
        where=workflow_statuses.c.position == 0,
    )
