"""The projection of the log: what lists need, the history, the position, and triggers that hold the ratchet.

A table from before lastword is not altered but set aside as `workflows_before_lastword`, whatever its types
and further columns are, and its rows are copied.  That is robust against what others made of those four
columns, and the way back gives them exactly the table that they had.  What its rows become: `legacy`.

The triggers know three rules, so that no program and no person at a SQL prompt can make the past other than
it was: a status moves only to a higher rank and together with its position; nothing leaves a terminal status;
no position goes back.  Position 0 marks rows that are not from the log; the log may overrule those.  Deleting
is allowed: `lastword db rebuild` does it, and a missing row lies to nobody.
"""

# ruff: noqa: S608  every part of a statement is a constant of this file

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from lastword.storage.migrations.legacy import ACTOR, row_of

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BEFORE = "workflows_before_lastword"
FOUR = ("id", "name", "status", "started_at")
ROOM = {"id": 64, "name": 48, "status": 10}  # characters of ours that a column of the old table must hold
SAME_ID = "workflows.id = ours.id"
BATCH = 1_000  # rows copied at once

RANK = """CASE {row}.status WHEN 'pending' THEN 0 WHEN 'running' THEN 1 WHEN 'cancelling' THEN 2
    WHEN 'success' THEN 3 WHEN 'failed' THEN 3 WHEN 'cancelled' THEN 3 ELSE -1 END"""
REFUSALS = {
    "lastword: nothing leaves a terminal status": """old.status IN ('success', 'failed', 'cancelled')
        AND (new.status <> old.status OR new.position <> old.position)""",
    "lastword: a position does not go back": "new.position < old.position",
    "lastword: a status moves only to a higher rank": f"""new.status <> old.status
        AND {RANK.format(row="new")} <= {RANK.format(row="old")}""",
    "lastword: a status moves only with its position": """new.status <> old.status
        AND new.position = old.position""",
}
"""What no update may do, in the order in which it is told; `old` and `new` are the row before and after."""
FROM_THE_LOG = "NOT (old.position = 0 AND new.position > 0)"
"""Rows from before lastword are overruled by the log, in which the same id may stand after a downgrade."""
BEHIND = "lastword: the projection does not go back"
REWOUND = "new.epoch = old.epoch AND new.position < old.position"
"""A rebuild forgets the epoch first."""


def upgrade() -> None:
    """Set the old table aside, make the new ones, copy the rows, and install the triggers."""
    connection = op.get_bind()
    postgres = connection.dialect.name == "postgresql"
    op.rename_table("workflows", BEFORE)
    workflows, statuses = _create_tables(postgres=postgres)
    copied = _copy_rows(connection, workflows, statuses)
    if not copied and _is_bare(connection):
        op.drop_table(BEFORE)
    if postgres:
        _create_postgres_triggers()
    else:
        _create_sqlite_triggers()


def downgrade() -> None:
    """Put the old table back as it was found, and add the workflows of the log if they fit into it.

    They fit if the table has just the four columns, of types that hold them. What does not fit, the history
    and the heartbeats stay out; upgraded again, the database has the first two back from the log.
    """
    connection = op.get_bind()
    postgres = connection.dialect.name == "postgresql"
    if postgres:
        op.execute("DROP TRIGGER workflows_ratchet ON workflows")
        op.execute("DROP TRIGGER projection_ratchet ON projection")
        op.execute("DROP FUNCTION lastword_workflows_ratchet")
        op.execute("DROP FUNCTION lastword_projection_ratchet")
    op.drop_table("workflow_statuses")
    op.drop_table("projection")
    op.rename_table("workflows", "workflows_of_lastword")  # its triggers go with it
    if sa.inspect(connection).has_table(BEFORE):
        op.rename_table(BEFORE, "workflows")
        chosen = "ours.position > 0"
    else:
        op.create_table(
            "workflows",
            sa.Column("id", sa.String(64), primary_key=True),
            sa.Column("name", sa.String(255), nullable=False),
            sa.Column("status", sa.String(64), nullable=False),
            sa.Column("started_at", sa.DateTime),
        )
        chosen = "true"
    started_at = _started_at_for_old(connection)
    if started_at is not None:
        ours = f"FROM workflows_of_lastword AS ours WHERE {chosen}"
        op.execute(
            f"UPDATE workflows SET status = ours.status, started_at = {started_at} {ours} AND {SAME_ID}"
        )
        op.execute(
            f"INSERT INTO workflows ({', '.join(FOUR)}) SELECT ours.id, ours.name, ours.status, {started_at} "
            f"{ours} AND NOT EXISTS (SELECT 1 FROM workflows WHERE {SAME_ID})"
        )
    op.drop_table("workflows_of_lastword")


def _create_tables(*, postgres: bool) -> tuple[sa.Table, sa.Table]:
    def key() -> sa.Text:
        return sa.Text(collation="C") if postgres else sa.Text()

    at = sa.DateTime(timezone=True)
    workflows = op.create_table(
        "workflows",
        sa.Column("id", key(), nullable=False),
        sa.Column("name", key(), nullable=False),
        sa.Column("status", key(), nullable=False),
        sa.Column("started_at", at),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("stored_at", at, nullable=False),
        sa.Column("created_at", at, nullable=False),
        sa.Column("updated_at", at, nullable=False),
        sa.Column("finished_at", at),
        sa.Column("last_heartbeat_at", at),
        sa.Column("executor", key()),
        sa.Column("lease", sa.BigInteger),
        sa.Column("error_code", key()),
        sa.Column("title", key()),
        sa.Column("started_by", key()),
        sa.Column("retry_of", key()),
        sa.Column("search", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="workflows_key"),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'cancelling', 'success', 'failed', 'cancelled')",
            name="workflows_status_is_known",
        ),
    )
    statuses = op.create_table(
        "workflow_statuses",
        sa.Column("workflow_id", key(), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("status", key(), nullable=False),
        sa.Column("previous", key()),
        sa.Column("at", at, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "version", name="workflow_statuses_key"),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.id"], name="workflow_statuses_workflow", ondelete="CASCADE"
        ),
    )
    projection = op.create_table(
        "projection",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("epoch", sa.Text),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="projection_key"),
    )
    op.bulk_insert(projection, [{"name": "workflows", "epoch": None, "position": 0}])
    # What has no value yet is the smallest, as SQLite has it; PostgreSQL must be told, and SQLite must not.
    finished_at = sa.text("finished_at NULLS FIRST") if postgres else "finished_at"
    op.create_index("workflows_by_created_at", "workflows", ["created_at", "id"])
    op.create_index("workflows_by_updated_at", "workflows", ["updated_at", "id"])
    op.create_index("workflows_by_finished_at", "workflows", [finished_at, "id"])
    op.create_index("workflows_by_status", "workflows", ["status", "created_at", "id"])
    op.create_index("workflows_by_name", "workflows", ["name", "created_at", "id"])
    op.create_index("workflows_by_retry_of", "workflows", ["retry_of"])
    return workflows, statuses


def _copy_rows(connection: sa.Connection, workflows: sa.Table, statuses: sa.Table) -> int:
    """Copy the old table's rows, a batch at a time; return how many there were."""
    now = datetime.now(UTC)
    copied = 0
    for batch in _batches(connection):
        rows = [row_of(dict(legacy), now) for legacy in batch]
        connection.execute(sa.insert(workflows), rows)
        connection.execute(
            sa.insert(statuses),
            [
                {
                    "workflow_id": row["id"],
                    "version": row["version"],
                    "position": row["position"],
                    "status": row["status"],
                    "previous": None,
                    "at": now,
                    "cause": "imported",
                    "actor": ACTOR,
                }
                for row in rows
            ],
        )
        copied += len(rows)
    return copied


def _batches(connection: sa.Connection) -> Iterator[Sequence[sa.RowMapping]]:
    """Give the old rows, a few in memory at a time, with whatever values the driver makes of their types."""
    selected = f"SELECT {', '.join(FOUR)} FROM {BEFORE}"
    if connection.dialect.name != "postgresql":
        result = connection.execute(sa.text(selected), execution_options={"yield_per": BATCH})
        yield from result.mappings().partitions()
        return
    # The driver's own cursors stay open until the transaction ends, and the table could not be dropped.
    connection.execute(sa.text(f"DECLARE old_rows NO SCROLL CURSOR FOR {selected}"))
    while batch := connection.execute(sa.text(f"FETCH {BATCH} FROM old_rows")).mappings().all():
        yield batch
    connection.execute(sa.text("CLOSE old_rows"))


def _is_bare(connection: sa.Connection) -> bool:
    """Tell whether the old table is no more than revision 0001 made, with nothing that refers to it."""
    inspector = sa.inspect(connection)
    referred = {key["referred_table"] for keys in inspector.get_multi_foreign_keys().values() for key in keys}
    columns = [column["name"] for column in inspector.get_columns(BEFORE)]
    return columns == list(FOUR) and BEFORE not in referred


def _started_at_for_old(connection: sa.Connection) -> str | None:
    """Return how our `started_at` is written into the old table, or None where our rows do not fit."""
    columns = {column["name"]: column for column in sa.inspect(connection).get_columns("workflows")}
    if set(columns) != set(FOUR):
        return None
    for name, room in ROOM.items():
        type_ = columns[name]["type"]
        if not isinstance(type_, sa.String) or isinstance(type_, sa.Enum) or (type_.length or room) < room:
            return None
    started_at = columns["started_at"]["type"]
    if not isinstance(started_at, sa.DateTime) or not columns["started_at"]["nullable"]:
        return None
    if connection.dialect.name == "postgresql" and not started_at.timezone:
        return "ours.started_at AT TIME ZONE 'UTC'"
    return "ours.started_at"


def _create_sqlite_triggers() -> None:
    """Guard inserts too: `INSERT OR REPLACE` would otherwise pass for a new row."""
    refusals = " ".join(f"WHEN {wrong} THEN RAISE(ABORT, '{why}')" for why, wrong in REFUSALS.items())
    op.execute(
        "CREATE TRIGGER workflows_ratchet BEFORE UPDATE OF status, position ON workflows "
        f"WHEN {FROM_THE_LOG} BEGIN SELECT CASE {refusals} END; END"
    )
    standing = f"FROM workflows AS old WHERE old.id = new.id AND {FROM_THE_LOG}"
    op.execute(
        "CREATE TRIGGER workflows_ratchet_replace BEFORE INSERT ON workflows "
        f"BEGIN SELECT CASE {refusals} END {standing}; END"
    )
    op.execute(
        "CREATE TRIGGER projection_ratchet BEFORE UPDATE ON projection "
        f"WHEN {REWOUND} BEGIN SELECT RAISE(ABORT, '{BEHIND}'); END"
    )


def _create_postgres_triggers() -> None:
    raising = "RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE ="
    refusals = " ".join(f"IF ({wrong}) THEN {raising} '{why}'; END IF;" for why, wrong in REFUSALS.items())
    op.execute(
        "CREATE FUNCTION lastword_workflows_ratchet() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {refusals} RETURN new; END $$"
    )
    op.execute(
        "CREATE FUNCTION lastword_projection_ratchet() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {raising} '{BEHIND}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER workflows_ratchet BEFORE UPDATE OF status, position ON workflows "
        f"FOR EACH ROW WHEN ({FROM_THE_LOG}) EXECUTE FUNCTION lastword_workflows_ratchet()"
    )
    op.execute(
        "CREATE TRIGGER projection_ratchet BEFORE UPDATE ON projection "
        f"FOR EACH ROW WHEN ({REWOUND}) EXECUTE FUNCTION lastword_projection_ratchet()"
    )
