"""The record that follows each legal move, field by field."""

from typing import Any

import msgspec
import pytest

from lastword.contracts.events import (
    Cancelled,
    CancelRequested,
    Claimed,
    Ending,
    Event,
    Failed,
    Lost,
    QueueTimedOut,
    ResultReference,
    Submitted,
    Succeeded,
)
from lastword.contracts.moves import MOVES, IllegalMove, Moves, Refusal
from lastword.contracts.records import Entry, Record, advance
from lastword.contracts.statuses import LIVE, Status
from tests.samples import LEASE, append, entry_at, event_of, second

LEGAL = [(status, kind) for status, row in MOVES.items() if status is not None for kind in row]
FROM_OUTSIDE = ("id", "definition", "created_at", "inputs", "title", "started_by", "retry_of")
LIMITS = ("deadline_s", "queue_timeout_s", "fingerprint")


def follow(entry: Entry | None, event: Event) -> Record:
    """Return what follows, said by `someone` at second 60."""
    return advance(entry, event, workflow_id="w-1", event_id="e-9", actor="someone", at=second(60))


def test_the_first_record_holds_all_that_was_asked() -> None:
    """Nothing of the request is lost, and nothing is claimed that has not happened."""
    asked = event_of(Submitted, retry_of="w-0", queue_timeout_s=30.0, fingerprint="f" * 64)
    record = follow(None, asked)
    assert {
        "id": "w-1",
        "status": Status.PENDING,
        "at": second(60),
        "version": 1,
        "definition": "research-brief",
        "previous": None,
        "cause": "submitted",
        "actor": "someone",
        "event": "e-9",
        "created_at": second(60),
        "started_at": None,
        "finished_at": None,
        "executor": None,
        "lease": None,
        "error": None,
        "title": "Tides",
        "started_by": "ada",
        "retry_of": "w-0",
        "deadline_s": 900.0,
        "queue_timeout_s": 30.0,
        "warnings": (),
        "usage": None,
        "progress": None,
        "fingerprint": "f" * 64,
        "inputs": {"topic": "tidal power"},
        "result": None,
        "result_ref": None,
    } == msgspec.structs.asdict(record)


@pytest.mark.parametrize(("status", "kind"), LEGAL)
def test_every_move_signs_its_record(status: Status, kind: type[Event]) -> None:
    """Who moved it, when, why, from where: the line of the log that an operator reads."""
    standing = entry_at(status)
    record = follow(standing, event_of(kind))
    signed = {
        "id": "w-1",
        "status": MOVES[status][kind],
        "previous": status,
        "version": standing.record.version + 1,
        "at": second(60),
        "cause": kind.__struct_config__.tag,
        "actor": "someone",
        "event": "e-9",
    }
    assert signed == {name: getattr(record, name) for name in signed}


@pytest.mark.parametrize(("status", "kind"), LEGAL)
def test_every_move_keeps_what_was_asked(status: Status, kind: type[Event]) -> None:
    """Each record is the whole workflow; a move changes nothing that it has no say in."""
    standing = entry_at(status)
    record = follow(standing, event_of(kind))
    for name in (*FROM_OUTSIDE, *LIMITS):
        assert getattr(standing.record, name) == getattr(record, name), name


@pytest.mark.parametrize(("status", "kind"), LEGAL)
def test_every_move_changes_the_times_that_it_should(status: Status, kind: type[Event]) -> None:
    """`started_at` comes with the claim, `finished_at` with the end, from whoever saw it."""
    standing = entry_at(status)
    record = follow(standing, event_of(kind))
    started = second(60) if kind is Claimed else standing.record.started_at
    finished = None
    if record.status.is_terminal:
        finished = second(8.5) if issubclass(kind, Ending) else second(60)
    assert (started, finished) == (record.started_at, record.finished_at)


@pytest.mark.parametrize(("status", "kind"), LEGAL)
def test_every_move_keeps_lease_and_executor(status: Status, kind: type[Event]) -> None:
    """The claim names the executor; its record is the lease, which all later ones repeat."""
    standing = entry_at(status)
    record = follow(standing, event_of(kind))
    if kind is Claimed:
        assert ("host-1", None) == (record.executor, record.lease)
    else:
        assert (standing.record.executor, standing.lease) == (record.executor, record.lease)


ENDS: list[tuple[Status, type[Event], dict[str, Any]]] = [
    (Status.RUNNING, Succeeded, {"result": {"brief": "Tides turn."}}),
    (Status.CANCELLING, Succeeded, {"result": {"brief": "Tides turn."}}),
    (Status.RUNNING, Failed, {"error": "exception"}),
    (Status.CANCELLING, Failed, {"error": "exception"}),
    (Status.CANCELLING, Cancelled, {}),
    (Status.RUNNING, Lost, {"error": "executor_lost"}),
    (Status.CANCELLING, Lost, {"error": "executor_lost"}),
    (Status.PENDING, QueueTimedOut, {"error": "queue_timeout"}),
    (Status.PENDING, CancelRequested, {}),
]


@pytest.mark.parametrize(("status", "kind", "wanted"), ENDS)
def test_an_end_says_how(status: Status, kind: type[Event], wanted: dict[str, Any]) -> None:
    """A success brings its result, a failure its error, and neither brings the other."""
    event = event_of(kind)
    record = follow(entry_at(status), event)
    assert wanted.get("result") == record.result
    assert wanted.get("error") == (record.error.code if record.error else None)
    if isinstance(event, Ending):
        told = (event.usage, event.progress, event.warnings)
        assert told == (record.usage, record.progress, record.warnings)
    else:
        assert (None, None, ()) == (record.usage, record.progress, record.warnings)


def test_all_ways_to_end_are_in_the_list_above() -> None:
    """A new way to end cannot be added without saying what it leaves behind."""
    ends = {(status, kind) for status, kind in LEGAL if MOVES[status][kind].is_terminal}
    assert ends == {(status, kind) for status, kind, _ in ENDS}


def test_a_large_result_is_kept_by_reference() -> None:
    """The record then carries the name, the size and the digest, and no result."""
    reference = ResultReference(name="w-1", size=300_000, digest="SHA-256=abc")
    event = event_of(Succeeded, result=None, result_ref=reference)
    record = follow(entry_at(Status.RUNNING), event)
    assert (None, reference) == (record.result, record.result_ref)


@pytest.mark.parametrize(
    ("status", "lease"),
    [
        (Status.PENDING, None),
        (Status.RUNNING, LEASE),
        (Status.CANCELLING, LEASE),
        (Status.SUCCESS, None),
        (Status.FAILED, None),
        (Status.CANCELLED, None),
    ],
)
def test_a_lease_stands_while_the_workflow_lives(status: Status, lease: int | None) -> None:
    """It is the position of the `running` record, and nobody holds it before or after."""
    assert lease == entry_at(status).lease


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("kind", [Succeeded, Failed, Cancelled, Lost])
def test_another_lease_is_refused_and_nothing_changes(status: Status, kind: type[Event]) -> None:
    """What is refused raises; the entry, being frozen, is what it was."""
    standing = entry_at(status)
    before = msgspec.json.encode(standing)
    with pytest.raises(IllegalMove) as refused:
        follow(standing, event_of(kind, lease=LEASE + 1))
    assert (Refusal.TERMINAL if status.is_terminal else Refusal.LEASE) == refused.value.reason
    assert before == msgspec.json.encode(standing)


@pytest.mark.parametrize("status", sorted(LIVE))
def test_a_record_is_found_again_from_its_json(status: Status) -> None:
    """What lies in the log decodes to what was decided."""
    record = entry_at(status).record
    assert record == msgspec.json.decode(msgspec.json.encode(record), type=Record)


def test_people_see_id_status_and_time_first() -> None:
    """A line of `nats sub` begins with what one looks for."""
    assert list(Record.__struct_fields__[:3]) == ["id", "status", "at"]
    assert msgspec.json.encode(entry_at(Status.RUNNING).record).startswith(
        b'{"id":"w-1","status":"running","at":"2026-01-02T03:04:17Z",'
    )


def test_a_table_that_begins_with_another_event_is_a_bug() -> None:
    """Only `Submitted` says what the first record needs; a broken table crashes rather than guesses."""
    broken: Moves = {**MOVES, None: {Claimed: Status.RUNNING}}
    with pytest.raises(TypeError, match="Claimed cannot begin a workflow"):
        advance(None, event_of(Claimed), workflow_id="w", event_id="e", actor="a", at=second(0), moves=broken)


def test_two_workflows_do_not_share_their_inputs() -> None:
    """A default dictionary that two records shared would let one workflow write into another."""
    first, other = (append(None, event_of(Submitted, inputs={}), 1).record for _ in range(2))
    assert first.inputs is not other.inputs
