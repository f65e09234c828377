"""Lists: filters, sorts, search and cursors, each checked against the same done in plain Python."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from lastword.contracts.messages import Held
from lastword.contracts.records import Entry
from lastword.contracts.statuses import LIVE, TERMINAL, ErrorCode, Status
from lastword.storage import BadCursor, DamagedRecord, Database, Sort, WorkflowQuery, WorkflowStore
from lastword.storage.projection import standing
from lastword.storage.rows import folded
from lastword.storage.tables import workflow_statuses
from tests.integration.storage.logs import EPOCH, START, make_log

KEYS: dict[Sort, Callable[[Entry], tuple[Any, ...]]] = {
    Sort.CREATED_AT: lambda e: (e.record.created_at, e.record.id),
    Sort.UPDATED_AT: lambda e: (e.record.at, e.record.id),
    Sort.STARTED_AT: lambda e: (_first(e.record.started_at), e.record.id),
    Sort.FINISHED_AT: lambda e: (_first(e.record.finished_at), e.record.id),
    Sort.DEFINITION: lambda e: (e.record.definition, e.record.created_at, e.record.id),
    Sort.STATUS: lambda e: (e.record.status.value, e.record.created_at, e.record.id),
    Sort.EXECUTOR: lambda e: (_first(e.record.executor), e.record.created_at, e.record.id),
}
LOG = make_log(80, seed=9)
LAST = {entry.record.id: entry for entry in LOG}

CUT = LOG[40].record.created_at
FILTERS: dict[str, tuple[WorkflowQuery, Callable[[Entry], bool]]] = {
    "terminal": (WorkflowQuery(status=frozenset(TERMINAL)), lambda e: e.record.status.is_terminal),
    "running": (
        WorkflowQuery(status=frozenset({Status.RUNNING})),
        lambda e: e.record.status is Status.RUNNING,
    ),
    "definition": (
        WorkflowQuery(definition=frozenset({"triage", "Nightly_Report", "nothing"})),
        lambda e: e.record.definition in {"triage", "Nightly_Report"},
    ),
    "error": (
        WorkflowQuery(error=frozenset({ErrorCode.ABRUPT_EXIT, ErrorCode.HEARTBEAT_TIMEOUT})),
        lambda e: (
            e.record.error is not None
            and e.record.error.code in {ErrorCode.ABRUPT_EXIT, ErrorCode.HEARTBEAT_TIMEOUT}
        ),
    ),
    "since": (WorkflowQuery(since=CUT), lambda e: e.record.created_at >= CUT),
    "until": (WorkflowQuery(until=CUT), lambda e: e.record.created_at < CUT),
    "retry": (WorkflowQuery(retry_of="wf-0000"), lambda e: e.record.retry_of == "wf-0000"),
    "by": (WorkflowQuery(started_by="ann"), lambda e: e.record.started_by == "ann"),
    "executor": (WorkflowQuery(executor="executor-b"), lambda e: e.record.executor == "executor-b"),
    "several": (
        WorkflowQuery(executor="executor-b", started_by="bob", status=frozenset(LIVE | TERMINAL)),
        lambda e: e.record.executor == "executor-b" and e.record.started_by == "bob",
    ),
    "blank": (WorkflowQuery(q="  "), lambda _: True),
}
TEXTS = (
    *("%", "_", "50%", "e_c", "e%c", "'it'", '"hello"', "--", "\\", "/slash", "100% LOST", "it_broke"),
    *("strasse", "STRASSE", "łódź", "ünable", "🦆", "a zero"),
    *("wf-001", "EXECUTOR-A", "nightly_", "no such text"),
)


@pytest.fixture
async def filled(store: WorkflowStore) -> WorkflowStore:
    """Return the store with a log in it."""
    await store.project(LOG, epoch=EPOCH)
    return store


@pytest.mark.parametrize("descending", [True, False], ids=["descending", "ascending"])
@pytest.mark.parametrize("sort", list(Sort))
async def test_pages_together_are_the_sorted_list(
    filled: WorkflowStore, sort: Sort, *, descending: bool
) -> None:
    """Whatever the sort and the size of a page: each workflow once, in order; no value is the smallest."""
    expected = [e.record.id for e in sorted(LAST.values(), key=KEYS[sort], reverse=descending)]
    for limit in (7, 200):
        query = WorkflowQuery(sort=sort, descending=descending, limit=limit)
        assert expected == await _ids(filled, query)


@pytest.mark.parametrize("name", sorted(FILTERS))
async def test_filters_choose_what_they_say(filled: WorkflowStore, name: str) -> None:
    """Alone and together, on every page."""
    query, holds = FILTERS[name]
    expected = {key for key, entry in LAST.items() if holds(entry)}
    found = await _ids(filled, msgspec.structs.replace(query, limit=5))
    assert expected == set(found)
    assert len(found) == len(expected) > 0


async def test_text_is_searched_as_it_is_written(filled: WorkflowStore) -> None:
    """No character is a wildcard, and case matters in no alphabet, on either database."""
    expected = {
        text: {
            key
            for key, entry in LAST.items()
            if any(folded(text) in folded(part) for part in _searched(entry))
        }
        for text in TEXTS
    }
    assert expected == {text: set(await _ids(filled, WorkflowQuery(q=text))) for text in TEXTS}
    assert {"e%c", "no such text"} == {text for text in TEXTS if not expected[text]}


async def test_nothing_is_found_across_two_fields(filled: WorkflowStore) -> None:
    """The end of an id and the beginning of a title are no text that anybody wrote."""
    assert [] == await _ids(filled, WorkflowQuery(q="0001\x1fresearch"))
    assert [] == await _ids(filled, WorkflowQuery(q="0001 research"))


async def test_a_cursor_keeps_its_place_while_rows_change(store: WorkflowStore) -> None:
    """Workflows that are there all the time are shown exactly once, whatever begins and ends meanwhile."""
    log = make_log(120, seed=4)
    early, late = log[:150], log[150:]
    await store.project(early, epoch=EPOCH)
    there = {entry.record.id for entry in early}
    query = WorkflowQuery(limit=6)
    seen: list[str] = []
    while True:
        page = await store.page(query)
        seen += [item.entry.record.id for item in page.items]
        if page.next_cursor is None:
            break
        batch, late = late[:4], late[4:]
        await store.project(batch, epoch=EPOCH)
        query = WorkflowQuery(limit=6, cursor=page.next_cursor)
    assert there == set(seen)  # those that began meanwhile are newer than the first page
    assert len(there) == len(seen)
    assert len(late) < len(log) - 150


async def test_a_cursor_outlives_the_row_it_names(filled: WorkflowStore, database: Database) -> None:
    """It names a place in the order, not a row."""
    whole = await _ids(filled, WorkflowQuery(sort=Sort.DEFINITION, descending=False))
    page = await filled.page(WorkflowQuery(sort=Sort.DEFINITION, descending=False, limit=10))
    async with database.writing() as connection:
        for table, column in (("workflow_statuses", "workflow_id"), ("workflows", "id")):
            await connection.execute(sa.text(f"DELETE FROM {table} WHERE {column} = :id"), {"id": whole[9]})  # noqa: S608
    query = WorkflowQuery(sort=Sort.DEFINITION, descending=False, limit=200, cursor=page.next_cursor)
    assert whole[10:] == await _ids(filled, query)


async def test_rows_and_position_of_a_page_are_of_one_moment(
    store: WorkflowStore, database: Database
) -> None:
    """What is projected between two statements of a reader is seen by neither."""
    await store.project(LOG[:10], epoch=EPOCH)
    counting = sa.select(sa.func.count()).select_from(workflow_statuses)
    async with database.reading() as connection:
        assert 10 == await connection.scalar(counting)
        assert 20 == await store.project(LOG[10:20], epoch=EPOCH)
        assert (EPOCH, 10) == await standing(connection)
        assert 10 == await connection.scalar(counting)
    page = await store.page(WorkflowQuery(limit=200))
    assert 20 == page.position == max(item.entry.position for item in page.items)


async def test_a_cursor_of_another_query_is_refused(filled: WorkflowStore) -> None:
    """Filters and sort must stay; only the limit may change."""
    page = await filled.page(WorkflowQuery(limit=5))
    others = (
        WorkflowQuery(cursor=page.next_cursor, sort=Sort.UPDATED_AT),
        WorkflowQuery(cursor=page.next_cursor, descending=False),
        WorkflowQuery(cursor=page.next_cursor, q="a"),
        WorkflowQuery(cursor=page.next_cursor, status=frozenset({Status.RUNNING})),
    )
    for other in others:
        with pytest.raises(BadCursor, match="another query"):
            await filled.page(other)
    assert 50 == len((await filled.page(WorkflowQuery(cursor=page.next_cursor, limit=50))).items)


async def test_the_last_beat_is_shown_and_forgotten_by_nobody(filled: WorkflowStore) -> None:
    """A beat concerns only its lease, goes only forward, and needs a workflow that lives."""
    running = [e for e in LAST.values() if e.lease is not None]
    ended = [e for e in LAST.values() if e.record.status.is_terminal and e.record.lease is not None]
    first, second, *_ = running
    at = START + timedelta(hours=1)
    held = [
        _held(first),
        Held(id=second.record.id, lease=(second.lease or 0) + 1),
        _held(ended[0]),
        Held(id="?", lease=1),
    ]
    assert 1 == await filled.touch(held, at)
    assert 0 == await filled.touch(held, at - timedelta(seconds=1))
    assert 0 == await filled.touch(held, at)
    assert [at, None, None] == [await _beat(filled, e) for e in (first, second, ended[0])]
    assert 1 == await filled.touch(held, at + timedelta(seconds=3))
    assert len(running) == await filled.touch([_held(e) for e in running], at + timedelta(seconds=6))
    assert 0 == await filled.touch([], at)


async def test_more_leases_than_a_statement_takes_are_touched(store: WorkflowStore) -> None:
    """An executor that holds many is no error."""
    held = [Held(id=f"w{number}", lease=number) for number in range(9_000)]
    await store.project(LOG, epoch=EPOCH)
    running = [_held(e) for e in LAST.values() if e.lease is not None]
    assert len(running) == await store.touch([*held, *running], START)


async def test_a_beat_is_kept_when_the_status_moves(store: WorkflowStore) -> None:
    """The projection writes all but the heartbeat, which is not in the log."""
    log = make_log(10, seed=2, until_the_end=True)
    claimed = next(e for e in log if e.record.cause == "claimed")
    cut = claimed.position
    await store.project(log[:cut], epoch=EPOCH)
    await store.touch([_held(claimed)], START)
    await store.project(log[cut:], epoch=EPOCH)
    assert START == await _beat(store, claimed)


@pytest.mark.parametrize("odd", ["", "no such", "a b", "a\0b", "\ud800", "*", "x" * 65])
async def test_an_unknown_workflow_is_none_whatever_its_id(filled: WorkflowStore, odd: str) -> None:
    """What cannot be an id is simply not there."""
    assert None is await filled.get(odd)
    assert [] == await filled.history(odd)


async def test_a_row_that_cannot_be_read_is_named(filled: WorkflowStore, database: Database) -> None:
    """Somebody's hand was in the table: the error says where, and what mends it."""
    async with database.writing() as connection:
        await connection.execute(sa.text("UPDATE workflows SET record = '{}' WHERE id = 'wf-0003'"))
    with pytest.raises(DamagedRecord, match=r"'wf-0003'.*lastword db rebuild"):
        await filled.get("wf-0003")


async def _ids(store: WorkflowStore, query: WorkflowQuery) -> list[str]:
    """Return the ids of all pages from `query` on."""
    found: list[str] = []
    while True:
        page = await store.page(query)
        assert len(page.items) <= query.limit
        found += [item.entry.record.id for item in page.items]
        if page.next_cursor is None:
            return found
        query = msgspec.structs.replace(query, cursor=page.next_cursor)


def _searched(entry: Entry) -> Sequence[str]:
    record = entry.record
    error = record.error.message if record.error else None
    return [part for part in (record.id, record.title, record.definition, record.executor, error) if part]


def _first(value: Any) -> tuple[bool, Any]:
    """Order what has no value before everything."""
    return (value is not None, value)


def _held(entry: Entry) -> Held:
    return Held(id=entry.record.id, lease=entry.lease or entry.record.lease or 0)


async def _beat(store: WorkflowStore, entry: Entry) -> Any:
    stored = await store.get(entry.record.id)
    assert stored is not None
    return stored.last_heartbeat_at
