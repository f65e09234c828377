"""Queries that make no sense are refused before any database is asked, and so are made-up cursors."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastword.contracts.statuses import Status
from lastword.storage.exceptions import BadCursor, BadQuery
from lastword.storage.queries import Sort, WorkflowQuery, page_statement, write_cursor

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
EARLIEST = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))  # before year 1 in UTC


class FakeRow:
    """A row with the values that a cursor may be made of."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


ROW: Any = FakeRow(
    id="w1",
    created_at=NOW,
    updated_at=NOW,
    started_at=None,
    finished_at=None,
    name="n",
    status="s",
    executor=None,
)


BAD: dict[str, tuple[str, WorkflowQuery]] = {
    "no rows": ("limit", WorkflowQuery(limit=0)),
    "too many rows": ("limit", WorkflowQuery(limit=201)),
    "fewer than none": ("limit", WorkflowQuery(limit=-1)),
    "long text": ("q", WorkflowQuery(q="x" * 257)),
    "zero in text": ("q", WorkflowQuery(q="a\0b")),
    "half a character": ("q", WorkflowQuery(q="\ud800")),
    "half a name": ("started_by", WorkflowQuery(started_by="\udfff")),
    "zero in executor": ("executor", WorkflowQuery(executor="\0")),
    "zero in id": ("retry_of", WorkflowQuery(retry_of="\0")),
    "zero in definition": ("definition", WorkflowQuery(definition=frozenset({"\0"}))),
    "many definitions": ("definition", WorkflowQuery(definition=frozenset(map(str, range(101))))),
    "naive time": ("since", WorkflowQuery(since=datetime(2026, 1, 1))),  # noqa: DTZ001  that is the point
    "time before time": ("until", WorkflowQuery(until=EARLIEST)),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_a_query_that_makes_no_sense_is_refused(case: str) -> None:
    """By the name of the field."""
    field, query = BAD[case]
    with pytest.raises(BadQuery) as caught:
        page_statement(query)
    assert field == caught.value.field


@pytest.mark.parametrize("descending", [True, False], ids=["descending", "ascending"])
@pytest.mark.parametrize("sort", list(Sort))
def test_a_cursor_belongs_to_its_query(sort: Sort, *, descending: bool) -> None:
    """It is taken back with the same filters and sort, in any order of them, and with no other."""
    query = WorkflowQuery(
        sort=sort, descending=descending, status=frozenset({Status.FAILED, Status.SUCCESS}), q="x"
    )
    cursor = write_cursor(query, ROW)
    assert len(cursor) < 300
    page_statement(msgspec.structs.replace(query, cursor=cursor, limit=7))
    for change in ({"q": "y"}, {"descending": not descending}, {"status": frozenset({Status.FAILED})}):
        with pytest.raises(BadCursor, match="another query"):
            page_statement(msgspec.structs.replace(query, cursor=cursor, **change))


@pytest.mark.parametrize("cursor", ["", "a", "abc", "äöü", "\0", "=", "W10", "bnVsbA", "A" * 600])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    """As what it is: the caller's mistake."""
    with pytest.raises(BadCursor, match=r"none of ours|too long"):
        page_statement(WorkflowQuery(cursor=cursor))


@given(st.text(max_size=80))
def test_no_text_does_more_than_be_refused(cursor: str) -> None:
    """Nothing that a client sends is an error of ours."""
    with pytest.raises(BadCursor):
        page_statement(WorkflowQuery(cursor=cursor))


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["2026-01-02T03:04:05Z"],
        ["2026-01-02T03:04:05Z", "w1", "w2"],
        [None, "w1"],
        ["2026-01-02T03:04:05", "w1"],
        ["0001-01-01T00:00:00+14:00", "w1"],
        ["no time", "w1"],
        ["2026-01-02T03:04:05Z", None],
        ["2026-01-02T03:04:05Z", "\0"],
        ["2026-01-02T03:04:05Z", 1],
    ],
)
def test_a_forged_cursor_is_refused(values: list[Any]) -> None:
    """The digest is no secret; what stands behind it is checked all the same."""
    query = WorkflowQuery()
    digest = json.loads(_unpack(write_cursor(query, ROW)))[0]
    forged = base64.urlsafe_b64encode(json.dumps([digest, *values]).encode()).rstrip(b"=").decode()
    with pytest.raises(BadCursor, match="none of ours"):
        page_statement(WorkflowQuery(cursor=forged))


def _unpack(cursor: str) -> bytes:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
