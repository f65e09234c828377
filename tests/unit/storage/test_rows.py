"""What is searched, and how a row comes back as the entry that it was made from."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastword.contracts.events import Claimed, Error, Failed, Submitted
from lastword.contracts.records import Entry, advance
from lastword.contracts.statuses import ErrorCode
from lastword.storage.exceptions import DamagedRecord
from lastword.storage.rows import entry_of, folded, record_of, searchable, status_row, workflow_row
from lastword.storage.tables import workflow_statuses, workflows

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


class FakeRow:
    """A row as the database gives it back."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


def _entry(title: str | None = "A Title", message: str = "it broke") -> Entry:
    entry: Entry | None = None
    events = (
        Submitted(definition="triage", inputs={"n": 1}, title=title, started_by="ann"),
        Claimed(executor="executor-a"),
        Failed(lease=2, finished_at=NOW, error=Error(code=ErrorCode.EXCEPTION, message=message)),
    )
    for position, event in enumerate(events, start=1):
        record = advance(entry, event, workflow_id="w1", event_id=f"e{position}", actor="a", at=NOW)
        entry = Entry(position=position, stored_at=NOW, record=record)
    assert entry is not None
    return entry


@given(title=st.none() | st.text(), message=st.text())
def test_a_row_comes_back_as_the_very_entry(title: str | None, message: str) -> None:
    """Whatever is in it; and no column beside the record holds what PostgreSQL's text cannot."""
    entry = _entry(title, message)
    row = workflow_row(entry)
    given_back: Any = FakeRow(row)
    assert entry == entry_of(given_back)
    assert not any(
        "\0" in value for value in (*row.values(), *status_row(entry).values()) if isinstance(value, str)
    )


def test_rows_have_the_tables_columns() -> None:
    """All but the heartbeat, which is not from the log."""
    assert {column.name for column in workflows.c} - {"last_heartbeat_at"} == set(workflow_row(_entry()))
    assert {column.name for column in workflow_statuses.c} == set(status_row(_entry()))


def test_five_parts_are_searched() -> None:
    """Without case, and apart from each other."""
    assert ["w1", "a title", "triage", "executor-a", "it broke"] == searchable(_entry().record).split("\x1f")
    assert ["w1", "triage", "executor-a", "no \x20 part"] == searchable(
        _entry(None, "no \x1f part").record
    ).split("\x1f")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("ŁÓDŹ", "łódź"),
        ("e\N{COMBINING ACUTE ACCENT}", "É"),
        ("\N{LATIN SMALL LIGATURE FI}n", "FIN"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A}", "a"),
    ],
)
def test_spellings_of_the_same_are_found_by_each_other(one: str, other: str) -> None:
    """In any alphabet, and however a keyboard composes it."""
    assert folded(one) == folded(other)


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    """What was stored folded is found by what is asked folded."""
    assert folded(text) == folded(folded(text))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"id": 5}', '{"id": "a b"}'])
def test_what_is_no_record_is_named(text: str) -> None:
    """With the workflow and the remedy."""
    with pytest.raises(DamagedRecord, match=r"'w1'.*lastword db rebuild"):
        record_of("w1", text)
