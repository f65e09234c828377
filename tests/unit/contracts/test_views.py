"""A workflow as clients see it."""

import msgspec
import pytest

from lastword.contracts.events import Progress, Succeeded, Usage
from lastword.contracts.messages import ProgressMade
from lastword.contracts.statuses import LIVE, TERMINAL, Status
from lastword.contracts.views import Workflow, view
from tests.samples import LEASE, append, entry_at, event_of, second

FIELDS = """
    id definition status isTerminal version position created_at started_at finished_at updated_at
    last_heartbeat_at heartbeat error progress waiting_for executor title started_by warnings usage
    inputs result retry_of
""".split()  # noqa: SIM905  23 lines of quotes would tell no more


def made(lease: int = LEASE) -> ProgressMade:
    """Return some progress under a lease."""
    return ProgressMade(
        id="w-1",
        at=second(20),
        lease=lease,
        revision=4,
        progress=Progress(done=1, total=3, label="write"),
        usage=Usage(total_tokens=7),
        waiting_for="approval",
    )


@pytest.mark.parametrize("status", list(Status))
def test_a_view_shows_the_record_and_its_place(status: Status) -> None:
    """Every field of the record that clients may see, unchanged."""
    entry = entry_at(status)
    record, shown = entry.record, view(entry)
    own = set(Workflow.__struct_fields__) & set(record.__struct_fields__)
    assert {name: getattr(record, name) for name in own} == {name: getattr(shown, name) for name in own}
    assert (entry.position, record.at) == (shown.position, shown.updated_at)
    assert (status in TERMINAL) == shown.is_terminal


def test_the_json_has_every_promised_field() -> None:
    """The names that clients rely on are all there, null where nothing is known."""
    shown = msgspec.to_builtins(view(entry_at(Status.PENDING)))
    assert [] == [name for name in FIELDS if name not in shown]


def test_what_is_for_the_supervisor_alone_is_not_shown() -> None:
    """The fingerprint of a request and the ids of messages say nothing to a client."""
    assert not {"fingerprint", "event", "lease"} & set(msgspec.to_builtins(view(entry_at(Status.RUNNING))))


@pytest.mark.parametrize("status", sorted(LIVE))
def test_progress_of_the_standing_lease_is_laid_over(status: Status) -> None:
    """How far it got, what it used, what it waits for."""
    shown = view(entry_at(status), made=made(), heartbeat="fresh", last_heartbeat_at=second(21))
    assert (made().progress, made().usage, "approval") == (shown.progress, shown.usage, shown.waiting_for)
    assert ("fresh", second(21)) == (shown.heartbeat, shown.last_heartbeat_at)


@pytest.mark.parametrize("lease", [LEASE - 1, LEASE + 1])
def test_progress_of_another_lease_is_not_shown(lease: int) -> None:
    """A late message of somebody else says nothing about this run."""
    shown = view(entry_at(Status.RUNNING), made=made(lease))
    assert (None, None, None) == (shown.progress, shown.usage, shown.waiting_for)


@pytest.mark.parametrize("status", [Status.PENDING, *sorted(TERMINAL)])
def test_nothing_beats_or_waits_before_the_start_or_after_the_end(status: Status) -> None:
    """A heartbeat beside `success` would be the very thing that users complained of."""
    shown = view(entry_at(status), made=made(), heartbeat="stale", last_heartbeat_at=second(21))
    assert (None, None) == (shown.heartbeat, shown.waiting_for)


def test_after_the_end_the_records_own_progress_is_shown() -> None:
    """The final count comes with the outcome, and late progress does not overwrite it."""
    entry = append(entry_at(Status.RUNNING), event_of(Succeeded), position=20)
    shown = view(entry, made=made())
    assert (entry.record.progress, entry.record.usage) == (shown.progress, shown.usage)
    assert shown.progress is not None
    assert 3 == shown.progress.done
