"""Which workflows a stream by filter shows."""

import pytest

from lastword.contracts.statuses import Status
from lastword.http.filters import Filter
from tests.samples import entry_at


@pytest.mark.parametrize(
    ("wanted", "status", "holds", "tells"),
    [
        (Filter(), Status.PENDING, True, True),
        (Filter(statuses=frozenset({Status.RUNNING})), Status.RUNNING, True, True),
        (Filter(statuses=frozenset({Status.RUNNING})), Status.PENDING, False, False),
        (Filter(statuses=frozenset({Status.RUNNING})), Status.SUCCESS, False, True),  # leaves by this record
        (Filter(statuses=frozenset({Status.PENDING})), Status.SUCCESS, False, False),
        (Filter(definition="research-brief"), Status.PENDING, True, True),
        (Filter(definition="other"), Status.PENDING, False, False),
        (Filter(executor="host-1"), Status.PENDING, False, False),
        (Filter(executor="host-1"), Status.RUNNING, True, True),
        (Filter(retry_of="w-0"), Status.RUNNING, False, False),
        (Filter(q="TIDE"), Status.RUNNING, True, True),
        (Filter(q="search-b"), Status.RUNNING, True, True),
        (Filter(q="winds"), Status.RUNNING, False, False),
    ],
)
def test_a_filter_holds_and_tells(wanted: Filter, status: Status, *, holds: bool, tells: bool) -> None:
    """It holds what belongs to it by now, and tells of what did until this record too."""
    entry = entry_at(status)
    assert (holds, tells) == (wanted.holds(entry), wanted.tells(entry))
