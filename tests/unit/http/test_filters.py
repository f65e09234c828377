"""Which workflows a stream by filter shows."""

import pytest

from lastword.contracts.statuses import Status
from lastword.http.filters import Filter
from tests.samples import entry_at


@pytest.mark.parametrize(
    ("wanted", "status", "shown"),
    [
        (Filter(), Status.PENDING, True),
        (Filter(statuses=frozenset({Status.RUNNING})), Status.RUNNING, True),
        (Filter(statuses=frozenset({Status.RUNNING})), Status.PENDING, False),
        (Filter(statuses=frozenset({Status.RUNNING})), Status.SUCCESS, True),  # it leaves by this record
        (Filter(statuses=frozenset({Status.PENDING})), Status.SUCCESS, False),
        (Filter(definition="research-brief"), Status.PENDING, True),
        (Filter(definition="other"), Status.PENDING, False),
        (Filter(executor="host-1"), Status.PENDING, False),
        (Filter(executor="host-1"), Status.RUNNING, True),
        (Filter(retry_of="w-0"), Status.RUNNING, False),
        (Filter(q="TIDE"), Status.RUNNING, True),
        (Filter(q="search-b"), Status.RUNNING, True),
        (Filter(q="winds"), Status.RUNNING, False),
    ],
)
def test_a_filter_shows(wanted: Filter, status: Status, *, shown: bool) -> None:
    """What belongs, and what did until this record."""
    assert shown == wanted.shows(entry_at(status))
