"""Rows from before lastword: nothing is claimed that nobody knows, whatever was in the four columns."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastword.contracts.ids import is_token
from lastword.contracts.records import Record
from lastword.contracts.statuses import ErrorCode, Status
from lastword.storage.migrations import legacy
from lastword.storage.rows import searchable

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


@pytest.mark.parametrize(
    ("found", "status", "code"),
    [
        ("success", "success", None),
        ("Done", "success", None),
        (" COMPLETED ", "success", None),
        ("WorkflowStatus.FINISHED", "success", None),
        ("canceled", "cancelled", None),
        ("Stopped", "cancelled", None),
        ("error", "failed", "exception"),
        ("Timed Out", "failed", "deadline_exceeded"),
        ("timed-out", "failed", "deadline_exceeded"),
        ("killed", "failed", "abrupt_exit"),
        ("running", "failed", "executor_lost"),
        ("In Progress", "failed", "executor_lost"),
        ("pending", "failed", "executor_lost"),
        ("cancelling", "failed", "executor_lost"),
        ("not done", "failed", "executor_lost"),
        ("", "failed", "executor_lost"),
        (None, "failed", "executor_lost"),
        (7, "failed", "executor_lost"),
    ],
)
def test_a_free_text_becomes_the_status_that_it_vouches_for(
    found: Any, status: str, code: str | None
) -> None:
    """An end that was recorded stands; everything else is lost, since no executor vouches for it."""
    became, error = legacy.status_of(found)
    assert (status, code) == (became, error["code"] if error else None)
    if error:
        assert repr(str(found if found is not None else "").strip()) in error["message"]


def test_every_word_leads_to_the_contracts() -> None:
    """The migration spells them out itself, so that it stays as it is; today they must agree."""
    assert set(legacy.FAILED.values()) <= set(ErrorCode)
    words = legacy.SUCCESS | legacy.CANCELLED | set(legacy.FAILED)
    assert {Status(legacy.status_of(word)[0]) for word in words} == {
        Status.SUCCESS,
        Status.CANCELLED,
        Status.FAILED,
    }
    assert not legacy.SUCCESS & legacy.CANCELLED
    assert not (legacy.SUCCESS | legacy.CANCELLED) & set(legacy.FAILED)


@pytest.mark.parametrize(
    ("found", "at"),
    [
        (datetime(2025, 5, 6, 7, 8, 9), datetime(2025, 5, 6, 7, 8, 9, tzinfo=UTC)),  # noqa: DTZ001  as drivers give it
        (datetime(2025, 5, 6, 7, tzinfo=timezone(timedelta(hours=2))), datetime(2025, 5, 6, 5, tzinfo=UTC)),
        (date(2025, 5, 6), datetime(2025, 5, 6, tzinfo=UTC)),
        ("2025-05-06 07:08:09", datetime(2025, 5, 6, 7, 8, 9, tzinfo=UTC)),
        (" 2025-05-06T07:08:09.25+02:00 ", datetime(2025, 5, 6, 5, 8, 9, 250_000, tzinfo=UTC)),
        ("2025-05-06T07:08:09Z", datetime(2025, 5, 6, 7, 8, 9, tzinfo=UTC)),
        (1_746_515_289, datetime(2025, 5, 6, 7, 8, 9, tzinfo=UTC)),
        (1_746_515_289_500, datetime(2025, 5, 6, 7, 8, 9, 500_000, tzinfo=UTC)),
        ("1746515289.5", datetime(2025, 5, 6, 7, 8, 9, 500_000, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        (None, None),
        (True, None),
        (float("nan"), None),
        (1e300, None),
        (b"2025", None),
        ("0001-01-01T00:00:00+10:00", None),
    ],
)
def test_a_time_is_read_if_it_is_clear(found: Any, at: datetime | None) -> None:
    """Naive times are UTC by custom; what is not clear is no time at all."""
    assert at == legacy.instant_of(found)


@pytest.mark.parametrize(
    ("found", "token"),
    [
        ("research-brief", "research-brief"),
        (12, "12"),
        ("daily report", "daily-report-48e2ac04"),
        ("a.b", "a-b-2e7336dc"),
        ("", "e3b0c442"),
        ("*", "684888c0"),
    ],
)
def test_an_id_that_is_no_token_is_mended(found: Any, token: str) -> None:
    """A digest keeps apart what looks the same after mending."""
    assert token == legacy.token_of(found, 48)


values = st.one_of(
    st.none(), st.text(), st.integers(), st.floats(), st.booleans(), st.binary(), st.datetimes(), st.dates()
)


@given(found=st.text(), longest=st.sampled_from([48, 64]))
def test_every_text_becomes_a_token(found: str, longest: int) -> None:
    """Of the length that there is room for, and the same each time."""
    token = legacy.token_of(found, longest)
    assert is_token(token)
    assert len(token) <= longest
    assert token == legacy.token_of(token, longest) == legacy.token_of(found, longest)


@given(id_=values, name=values, status=values, started_at=values)
def test_every_row_becomes_a_record(id_: Any, name: Any, status: Any, started_at: Any) -> None:
    """Nothing that a legacy table may hold stops the upgrade or makes a row that cannot be read."""
    row = legacy.row_of({"id": id_, "name": name, "status": status, "started_at": started_at}, NOW)
    record = msgspec.json.decode(row["record"], type=Record)
    assert (row["id"], row["name"], row["status"]) == (record.id, record.definition, record.status.value)
    assert record.status.is_terminal
    assert (row["started_at"], row["created_at"], NOW) == (record.started_at, record.created_at, record.at)
    assert row["error_code"] == (record.error.code if record.error else None)
    assert (record.status is Status.FAILED) == (record.error is not None)
    assert searchable(record) == row["search"]
    assert not any("\0" in value for value in row.values() if isinstance(value, str))
