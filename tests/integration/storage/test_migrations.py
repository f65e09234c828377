"""Up and down with rows in the tables, on both databases, also from tables that somebody else made."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from lastword.contracts.statuses import ErrorCode, Status
from lastword.storage import (
    MigrationFailed,
    NewerThanKnown,
    NotOurs,
    UnknownRevision,
    WorkflowQuery,
    WorkflowStore,
    current_revision,
    digest,
    digest_of,
    downgrade,
    open_database,
    upgrade,
)
from lastword.storage.engines import connect
from lastword.storage.settings import StorageSettings
from lastword.storage.tables import metadata
from lastword.storage.urls import parse_url
from tests.integration.storage.conftest import Make
from tests.integration.storage.logs import EPOCH, make_log

LEGACY = (
    ("12", "Daily report", "running", "2025-11-03 08:15:00"),
    ("13", "triage", "done", "2025-11-03 09:00:00.250000"),
    ("14", "triage", "completed", None),
    ("15", "triage", "error", "2025-11-04 00:00:00"),
    ("16", "triage", "Canceled", "2025-11-04 00:00:01"),
    ("17", "triage", "QUEUED", None),
    ("18", "triage", "in the lap of the gods", None),
)
FOUR = "SELECT id, name, status, started_at FROM workflows ORDER BY id"


async def test_every_revision_can_be_reached_and_left(empty_url: str) -> None:
    """Up and down, one by one and in one go; each call says from where it came."""
    assert None is await current_revision(empty_url)
    assert None is await upgrade(empty_url, "0001")
    assert "0001" == await upgrade(empty_url, "0002")
    assert "0002" == await downgrade(empty_url, "0001")
    assert "0001" == await upgrade(empty_url, "0003")
    assert "0003" == await downgrade(empty_url, "0002")
    assert "0002" == await upgrade(empty_url)
    assert "0003" == await upgrade(empty_url)
    assert "0003" == await downgrade(empty_url, "base")
    assert None is await current_revision(empty_url)
    assert None is await upgrade(empty_url)
    assert "0003" == await current_revision(empty_url)
    assert {"lastword_version", "projection", "tokens", "workflow_statuses", "workflows"} == await _tables(
        empty_url
    )


async def test_the_migrations_make_the_tables_that_the_code_uses(url: str) -> None:
    """`tables` and the revisions are written separately; here they are held together."""

    def differences(connection: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection, opts={"version_table": "lastword_version", "compare_type": True}
        )
        # Alembic cannot compare the one index that is not the same on both databases.
        return [found for found in compare_metadata(context, metadata) if "by_finished_at" not in str(found)]

    async with connect(parse_url(url), pool_size=1) as engine, engine.connect() as connection:
        assert [] == await connection.run_sync(differences)


async def test_rows_from_before_are_carried_up(empty_url: str, tmp_path: Path) -> None:
    """Ends stand as they were; what was not at its end has failed, since nobody vouches for it."""
    await _legacy(empty_url)
    before = datetime.now(UTC)
    await upgrade(empty_url)
    async with open_database(StorageSettings(url=empty_url), tmp_path) as database:
        store = WorkflowStore(database)
        stored = {item.entry.record.id: item for item in (await store.page(WorkflowQuery())).items}
        history = await store.history("12")
    records = {workflow_id: item.entry.record for workflow_id, item in stored.items()}
    lost = (Status.FAILED, ErrorCode.EXECUTOR_LOST)
    assert {
        "12": lost,
        "13": (Status.SUCCESS, None),
        "14": (Status.SUCCESS, None),
        "15": (Status.FAILED, ErrorCode.EXCEPTION),
        "16": (Status.CANCELLED, None),
        "17": lost,
        "18": lost,
    } == {
        key: (record.status, record.error.code if record.error else None) for key, record in records.items()
    }
    assert "'in the lap of the gods'" in (records["18"].error or pytest.fail("no error")).message
    assert ("Daily report", "triage") == (records["12"].title, records["13"].definition)
    assert datetime(2025, 11, 3, 9, 0, 0, 250_000, tzinfo=UTC) == records["13"].started_at
    assert records["13"].started_at == records["13"].created_at
    assert {0} == {item.entry.position for item in stored.values()}
    assert {None} == {record.finished_at for record in records.values()}
    assert before <= records["14"].created_at == records["14"].at
    assert [(1, Status.FAILED, None, "imported")] == [
        (t.version, t.status, t.previous, t.cause) for t in history
    ]


async def test_the_way_back_gives_the_table_that_was_found(empty_url: str) -> None:
    """Free texts and all: what 0002 made of them was a copy."""
    await _legacy(empty_url)
    found = await _fetch(empty_url, FOUR)
    await upgrade(empty_url)
    await downgrade(empty_url, "0001")
    assert found == await _fetch(empty_url, FOUR)
    assert {"lastword_version", "workflows"} == await _tables(empty_url)


async def test_workflows_of_the_log_go_down_and_come_up_again(empty_url: str, tmp_path: Path) -> None:
    """The old table shows them too; upgraded again, the log says once more all that was lost on the way."""
    await _legacy(empty_url)
    found = await _fetch(empty_url, FOUR)
    log = make_log(25, seed=5)
    settings = StorageSettings(url=empty_url)
    for _ in range(2):
        await upgrade(empty_url)
        async with open_database(settings, tmp_path) as database:
            store = WorkflowStore(database)
            assert (None, 0) == await store.position()
            await store.project(log, epoch=EPOCH)
            assert digest_of(log) == await digest(database)
            assert len(found) + 25 == sum((await store.summary()).statuses.values())
            first = log[0].record.id
            assert [e.position for e in log if e.record.id == first] == [
                t.position for t in await store.history(first)
            ]
        await downgrade(empty_url, "0001")
        rows = await _fetch(empty_url, FOUR)
        assert found == [row for row in rows if not row[0].startswith("wf-")]
        last = {entry.record.id: entry.record for entry in log}
        assert {
            (record.id, record.definition, record.status.value, record.started_at) for record in last.values()
        } == {(*row[:3], _utc(row[3])) for row in rows if row[0].startswith("wf-")}


async def test_a_table_of_somebody_else_is_adopted(empty_url: str, dialect: str, tmp_path: Path) -> None:
    """Other types, further columns, rows that others refer to: all is as it was after the way back."""
    if dialect == "sqlite":
        made = [
            "CREATE TABLE workflows (id INTEGER PRIMARY KEY AUTOINCREMENT)",
            "ALTER TABLE workflows ADD name TEXT",
            "ALTER TABLE workflows ADD status TEXT NOT NULL DEFAULT 'new'",
            "ALTER TABLE workflows ADD started_at TIMESTAMP",
            "CREATE TABLE notes (workflow INTEGER REFERENCES workflows (id), note TEXT)",
        ]
    else:
        made = [
            "CREATE TYPE state AS ENUM ('running', 'done')",
            "CREATE TABLE workflows (id BIGSERIAL PRIMARY KEY, name VARCHAR(80), status state NOT NULL)",
            "ALTER TABLE workflows ADD started_at TIMESTAMPTZ DEFAULT now()",
            "CREATE TABLE notes (workflow BIGINT REFERENCES workflows (id), note TEXT)",
        ]
    filled = [
        "ALTER TABLE workflows ADD owner TEXT NOT NULL DEFAULT 'nobody'",
        "CREATE INDEX ix_workflows_status ON workflows (status)",
        "INSERT INTO workflows (name, status, owner) VALUES ('Ünï / 1', 'running', 'ann')",
        "INSERT INTO workflows (name, status, owner) VALUES (NULL, 'done', 'bob')",
        "UPDATE workflows SET started_at = '2025-11-03 08:15:00+00:00' WHERE id = 1",
        "INSERT INTO notes VALUES (1, 'first')",
    ]
    await _run(empty_url, *made, *filled)
    whole = "SELECT * FROM workflows ORDER BY id"
    found = await _fetch(empty_url, whole)

    assert None is await upgrade(empty_url)
    async with open_database(StorageSettings(url=empty_url), tmp_path) as database:
        store = WorkflowStore(database)
        one, two = await store.get("1"), await store.get("2")
        assert one is not None
        assert two is not None
        assert ("Ünï / 1", Status.FAILED) == (one.entry.record.title, one.entry.record.status)
        assert datetime(2025, 11, 3, 8, 15, tzinfo=UTC) == one.entry.record.started_at
        assert Status.SUCCESS == two.entry.record.status
        await store.project(make_log(3), epoch=EPOCH)
    await downgrade(empty_url, "base")
    assert found == await _fetch(empty_url, whole)
    assert [(1, "first")] == await _fetch(empty_url, "SELECT workflow, note FROM notes")
    await _run(empty_url, "INSERT INTO workflows (name, status, owner) VALUES ('next', 'done', 'ann')")
    assert [(3,)] == await _fetch(empty_url, "SELECT id FROM workflows WHERE name = 'next'")
    assert None is await upgrade(empty_url)


async def test_an_empty_table_that_others_refer_to_is_kept(empty_url: str) -> None:
    """An application's first day: no rows yet, but references, which must still hold after the way back."""
    await upgrade(empty_url, "0001")
    await _run(empty_url, "CREATE TABLE notes (workflow VARCHAR(64) REFERENCES workflows (id), note TEXT)")
    await upgrade(empty_url)
    assert "workflows_before_lastword" in await _tables(empty_url)
    await downgrade(empty_url, "0001")
    await _insert(empty_url, LEGACY)
    await _run(empty_url, "INSERT INTO notes VALUES ('12', 'first')")
    assert {"lastword_version", "notes", "workflows"} == await _tables(empty_url)


async def test_a_table_that_is_something_else_is_left_alone(empty_url: str) -> None:
    """A table of that name without the four columns belongs to a stranger."""
    await _run(empty_url, "CREATE TABLE workflows (id INTEGER PRIMARY KEY, steps TEXT)")
    with pytest.raises(NotOurs, match=r"without name, status, started_at.*LASTWORD_STORAGE__URL"):
        await upgrade(empty_url)
    assert {"workflows"} == await _tables(empty_url)


async def test_a_migration_that_fails_leaves_everything_as_it_was(empty_url: str) -> None:
    """Here two old rows share an id, which is found out after the tables were made."""
    await _run(
        empty_url,
        "CREATE TABLE workflows (id TEXT, name TEXT, status TEXT, started_at TEXT)",
        "INSERT INTO workflows VALUES ('1', 'a', 'done', NULL), ('1', 'b', 'done', NULL)",
    )
    with pytest.raises(MigrationFailed, match="nothing was changed"):
        await upgrade(empty_url)
    assert {"workflows"} == await _tables(empty_url)
    assert None is await current_revision(empty_url)
    assert 2 == len(await _fetch(empty_url, "SELECT id FROM workflows"))


async def test_programs_that_upgrade_at_once_do_not_disturb_each_other(empty_url: str) -> None:
    """One works, the others wait and find nothing left to do."""
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(upgrade(empty_url)) for _ in range(4)]
    assert sorted([None, "0003", "0003", "0003"], key=str) == sorted(
        (call.result() for call in calls), key=str
    )


async def test_many_rows_are_carried_in_batches(empty_url: str, tmp_path: Path) -> None:
    """More rows than a batch holds, none lost at its edges."""
    await upgrade(empty_url, "0001")
    await _insert(empty_url, [(f"{n}", "triage", "done", None) for n in range(2_500)])
    await upgrade(empty_url)
    async with open_database(StorageSettings(url=empty_url), tmp_path) as database:
        assert 2_500 == (await WorkflowStore(database).summary()).statuses[Status.SUCCESS]


async def test_a_revision_that_nobody_knows_is_named_with_the_known_ones(url: str) -> None:
    """A slip of the pen on the command line."""
    with pytest.raises(UnknownRevision, match=r"'0815'.*base, 0001, 0002, 0003 and head"):
        await upgrade(url, "0815")
    with pytest.raises(UnknownRevision, match="'0815'"):
        await downgrade(url, "0815")
    assert "0003" == await current_revision(url)


async def test_a_newer_database_is_left_to_newer_programs(
    make_url: Make, dialect: str, tmp_path: Path
) -> None:
    """An old program neither uses nor migrates what it does not know."""
    url = make_url()
    await _run(url, "UPDATE lastword_version SET version_num = '0099'")
    with pytest.raises(NewerThanKnown, match="revision 0099"):
        await upgrade(url)
    with pytest.raises(NewerThanKnown, match="revision 0099"):
        await downgrade(url, "0001")
    with pytest.raises(NewerThanKnown, match="revision 0099"):
        async with open_database(StorageSettings(url=url), tmp_path):
            pass
    await _run(url, "UPDATE lastword_version SET version_num = '0003'")


async def _legacy(url: str) -> None:
    await upgrade(url, "0001")
    await _insert(url, LEGACY)


async def _insert(url: str, rows: Sequence[tuple[str, str, str, str | None]]) -> None:
    table = sa.Table(
        "workflows",
        sa.MetaData(),
        *(sa.Column(name, sa.String) for name in ("id", "name", "status")),
        sa.Column("started_at", sa.DateTime),
    )
    values: list[Mapping[str, Any]] = [
        {"id": id_, "name": name, "status": status, "started_at": datetime.fromisoformat(at) if at else None}
        for id_, name, status, at in rows
    ]
    async with connect(parse_url(url), pool_size=1) as engine, engine.begin() as connection:
        await connection.execute(sa.insert(table), values)


async def _run(url: str, *statements: str) -> None:
    async with connect(parse_url(url), pool_size=1) as engine, engine.begin() as connection:
        for statement in statements:
            await connection.execute(sa.text(statement))


async def _fetch(url: str, statement: str) -> list[tuple[Any, ...]]:
    async with connect(parse_url(url), pool_size=1) as engine, engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(sa.text(statement))]


async def _tables(url: str) -> set[str]:
    async with connect(parse_url(url), pool_size=1) as engine, engine.connect() as connection:
        return set(await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names()))


def _utc(value: Any) -> datetime | None:
    """Return the time that an untyped read gave: text on SQLite, a naive time on PostgreSQL."""
    if value is None:
        return None
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.replace(tzinfo=UTC)
