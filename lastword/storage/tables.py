"""The tables, as they are at the newest revision; `migrations` makes them and holds their triggers.

`workflows` has one row a workflow: the last record of the log as JSON (`record`), and beside it what
lists filter, search and sort by.  `workflow_statuses` has one row a record.  `projection` says up to
where, and of which log, the other two are true; it is written in the same transaction.

Every time is UTC and aware on both dialects.  Text that is compared or sorted has the collation `C` on
PostgreSQL, which is what SQLite does: both order by code point, whatever the server's locale.
"""

from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

__all__ = ["PROJECTION", "Utc", "metadata", "projection", "tokens", "workflow_statuses", "workflows"]


class Utc(sa.TypeDecorator[datetime]):
    """An aware time: `timestamptz` on PostgreSQL, text of fixed width in UTC on SQLite, so that it sorts."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Refuse a naive time, which means another instant on every machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Put back the time zone, which SQLite does not keep."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _key() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


metadata: Final = sa.MetaData()

workflows: Final = sa.Table(
    "workflows",
    metadata,
    sa.Column("id", _key(), nullable=False),
    sa.Column("name", _key(), nullable=False),  # the definition's; so called before lastword
    sa.Column("status", _key(), nullable=False),
    sa.Column("started_at", Utc),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),  # 0: from before lastword, not in the log
    sa.Column("stored_at", Utc, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("updated_at", Utc, nullable=False),
    sa.Column("finished_at", Utc),
    sa.Column("last_heartbeat_at", Utc),  # from the pulses, not from the log
    sa.Column("executor", _key()),
    sa.Column("lease", sa.BigInteger),  # null unless an executor holds one
    sa.Column("error_code", _key()),
    sa.Column("title", _key()),
    sa.Column("started_by", _key()),
    sa.Column("retry_of", _key()),
    sa.Column("search", sa.Text, nullable=False),  # see rows.searchable
    sa.Column("record", sa.Text, nullable=False),  # the whole Record; last, since it may be long
    sa.PrimaryKeyConstraint("id", name="workflows_key"),
    sa.CheckConstraint(
        "status IN ('pending', 'running', 'cancelling', 'success', 'failed', 'cancelled')",
        name="workflows_status_is_known",
    ),
)
"""One row a workflow."""

workflow_statuses: Final = sa.Table(
    "workflow_statuses",
    metadata,
    sa.Column("workflow_id", _key(), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("status", _key(), nullable=False),
    sa.Column("previous", _key()),
    sa.Column("at", Utc, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("workflow_id", "version", name="workflow_statuses_key"),
    sa.ForeignKeyConstraint(
        ["workflow_id"], ["workflows.id"], name="workflow_statuses_workflow", ondelete="CASCADE"
    ),
)
"""One row a record of the log."""

projection: Final = sa.Table(
    "projection",
    metadata,
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("epoch", sa.Text),  # null until the first entry: no log has been followed yet
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("name", name="projection_key"),
)
"""How far the other tables have followed the log."""

PROJECTION: Final = "workflows"
"""The name of the one projection there is."""

tokens: Final = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", _key(), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),  # never the token itself
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("expires_at", Utc),
    sa.Column("revoked_at", Utc),
    sa.Column("revoked_by", sa.Text),
    sa.Column("last_used_at", Utc),
    sa.PrimaryKeyConstraint("id", name="tokens_key"),
    sa.CheckConstraint("role IN ('viewer', 'operator')", name="tokens_role_is_known"),
)
"""One row a bearer token, revoked ones included."""

# A list is filtered by little and sorted by a time or a name; ties are broken so that a cursor is exact.
# On PostgreSQL the index by `finished_at` is NULLS FIRST, as on SQLite, so that it serves both directions.
_c = workflows.c
sa.Index("workflows_by_created_at", _c.created_at, _c.id)
sa.Index("workflows_by_updated_at", _c.updated_at, _c.id)
sa.Index("workflows_by_finished_at", _c.finished_at, _c.id)
sa.Index("workflows_by_status", _c.status, _c.created_at, _c.id)
sa.Index("workflows_by_name", _c.name, _c.created_at, _c.id)
sa.Index("workflows_by_retry_of", _c.retry_of)
