"""The store of workflows: what the supervisors write from the log, and what the edge lists."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from lastword.contracts.ids import is_token
from lastword.contracts.messages import Held
from lastword.contracts.records import Entry
from lastword.contracts.statuses import LIVE, Status
from lastword.contracts.views import Transition
from lastword.storage.database import Database
from lastword.storage.exceptions import EpochChanged, ProjectionGap
from lastword.storage.projection import apply, move_to, standing
from lastword.storage.queries import (
    STORED,
    StoredPage,
    StoredSummary,
    StoredWorkflow,
    WorkflowQuery,
    page_statement,
    write_cursor,
)
from lastword.storage.rows import AnyRow, entry_of
from lastword.storage.tables import workflow_statuses, workflows
from lastword.storage.trends import StoredTrends, count_ended, count_running, count_started, fold

__all__ = ["WorkflowStore"]

MAX_TOUCHED: Final = (
    4_096  # leases a statement; both databases allow some 32,000 parameters, and a lease has three
)


class WorkflowStore:
    """Workflows in the database. Every method may raise `DatabaseUnavailable`; nothing was written then."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def project(self, entries: Sequence[Entry], *, epoch: str, after: int | None = None) -> int:
        """Write entries of the log and return the position that the database then has seen.

        May be called twice with the same entries, by several processes, in any batches: what is there
        already is dropped.  A returned position beyond the last entry means that another projector was
        faster.

        `epoch` names the log; raises `EpochChanged` where the database follows another one.  `after` is the
        position up to which the caller had read before these entries; raises `ProjectionGap` where the
        database has not come that far (it was restored from an older copy, say), so that the records in
        between would never be written.
        """
        async with self._database.writing() as connection:
            stored, position = await standing(connection, lock=True)
            if stored is not None and stored != epoch:
                raise EpochChanged(stored, epoch)
            if after is not None and after > position:
                raise ProjectionGap(position, after)
            reached = await apply(self._database, connection, entries, position)
            if reached > position or stored is None:
                await move_to(connection, epoch, reached)
            return reached

    async def position(self) -> tuple[str | None, int]:
        """Return the log's epoch and how far the database has seen that log; (None, 0) at first."""
        async with self._database.reading() as connection:
            return await standing(connection)

    async def touch(self, held: Sequence[Held], at: datetime) -> int:
        """Note that a beat vouched for these leases; return how many rows that changed.

        A beat changes nothing if a later one is known, if the lease is another one by now, or if the
        workflow has ended.
        """
        touched = 0
        for start in range(0, len(held), MAX_TOUCHED):
            leases = [(lease.id, lease.lease) for lease in held[start : start + MAX_TOUCHED]]
            async with self._database.writing() as connection:
                touched += (await connection.execute(_touch(leases, at))).rowcount
        return touched

    async def page(self, query: WorkflowQuery) -> StoredPage:
        """Return the workflows that `query` asks for; raise `BadQuery` (`BadCursor`) if it makes no sense."""
        statement = page_statement(query)
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement)).all()
            _, position = await standing(connection)
        shown = rows[: query.limit]
        more = len(rows) > query.limit
        return StoredPage(
            items=tuple(_stored(row) for row in shown),
            next_cursor=write_cursor(query, shown[-1]) if more else None,
            position=position,
        )

    async def get(self, workflow_id: str) -> StoredWorkflow | None:
        """Return a workflow as the database has it, or None."""
        if not is_token(workflow_id):  # a database may refuse even to compare what is no text
            return None
        async with self._database.reading() as connection:
            row = (await connection.execute(sa.select(*STORED).where(workflows.c.id == workflow_id))).first()
        return _stored(row) if row is not None else None

    async def history(self, workflow_id: str) -> list[Transition]:
        """Return the statuses that a workflow has had, oldest first; none if it is unknown."""
        if not is_token(workflow_id):
            return []
        c = workflow_statuses.c
        statement = (
            sa.select(c.version, c.position, c.status, c.previous, c.at, c.cause, c.actor)
            .where(c.workflow_id == workflow_id)
            .order_by(c.version)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement)).all()
        return [
            Transition(
                version=row.version,
                position=row.position,
                status=Status(row.status),
                previous=Status(row.previous) if row.previous else None,
                at=row.at,
                cause=row.cause,
                actor=row.actor,
            )
            for row in rows
        ]

    async def summary(self) -> StoredSummary:
        """Return how many workflows stand at each status."""
        counting = sa.select(workflows.c.status, sa.func.count().label("workflows")).group_by(
            workflows.c.status
        )
        async with self._database.reading() as connection:
            counts = {row.status: row.workflows for row in await connection.execute(counting)}
            _, position = await standing(connection)
        return StoredSummary(
            statuses={status: counts.get(status.value, 0) for status in Status}, position=position
        )

    async def trends(self, since: datetime, until: datetime, step_s: int) -> StoredTrends:
        """Return what happened in each `step_s` seconds of a span; both ends are whole steps of the epoch.

        `until` is after now: how many ran is reckoned backwards from how many run.
        """
        async with self._database.reading() as connection:
            started = (await connection.execute(count_started(since, step_s))).all()
            ended = (await connection.execute(count_ended(since, step_s))).all()
            running = (await connection.execute(count_running())).scalar_one()
            _, position = await standing(connection)
        buckets = fold(started, ended, running, since=since, until=until, step_s=step_s)
        return StoredTrends(buckets=buckets, position=position)


def _stored(row: AnyRow) -> StoredWorkflow:
    return StoredWorkflow(entry=entry_of(row), last_heartbeat_at=row.last_heartbeat_at)


def _touch(leases: Sequence[tuple[str, int]], at: datetime) -> sa.Update:
    c = workflows.c
    due = (
        sa.select(c.id)
        .where(
            c.id.in_([workflow_id for workflow_id, _ in leases]),  # by pairs alone SQLite reads all that live
            sa.tuple_(c.id, c.lease).in_(leases),
            c.status.in_(sorted(status.value for status in LIVE)),
            sa.or_(c.last_heartbeat_at.is_(None), c.last_heartbeat_at < at),
        )
        .order_by(c.id)
        .with_for_update(key_share=True)
    )
    return sa.update(workflows).where(c.id.in_(due)).values(last_heartbeat_at=at)
