"""What travels on the subjects: found again as it was sent, by newer and by older decoders."""

import inspect
from collections.abc import Callable
from typing import Any, cast, get_args

import msgspec
import pytest
from msgspec import Struct

from lastword.contracts import messages
from lastword.contracts.events import (
    Cancelled,
    CancelRequested,
    Failed,
    Lost,
    Progress,
    QueueTimedOut,
    Succeeded,
    TaskProgress,
    Usage,
)
from lastword.contracts.messages import (
    Accepted,
    Answer,
    Cancel,
    Claim,
    Definition,
    FieldError,
    Held,
    Job,
    Logged,
    LogLine,
    Problem,
    ProgressMade,
    Pulse,
    Question,
    Reconcile,
    RefusedReport,
    Reply,
    Report,
    ReportedEvent,
    Start,
)
from lastword.contracts.moves import Refusal
from lastword.contracts.records import Record
from lastword.contracts.statuses import Status
from tests.samples import LEASE, entry_at, event_of, second
from tests.unit.contracts.oldest import OLDEST

HELD = Held(id="w-1", lease=LEASE)
LINE = LogLine(at=second(3), stream="stdout", text="two\nlines \u2028 and a tab\t")
PROGRESS = Progress(
    done=1,
    total=3,
    label="write",
    tasks=(TaskProgress(label="read", started_at=second(1), finished_at=second(2)),),
)
ENTRY = entry_at(Status.RUNNING)
ACCEPTED = Accepted(position=LEASE, stored_at=second(12), record=ENTRY.record, created=True)
REPORTED: list[ReportedEvent] = [
    event_of(Succeeded),
    event_of(Failed),
    event_of(Cancelled),
    event_of(Lost),
    event_of(QueueTimedOut),
    event_of(CancelRequested),
]
REPORTS = [Report(id="w-1", event=event, event_id="e-1", actor="host-1", at=second(9)) for event in REPORTED]
PROBLEM = Problem(
    status=409,
    code="already_ended",
    title="The workflow has ended",
    detail="It ended with success.",
    type="urn:lastword:already_ended",
    instance="/workflows/w-1",
    errors=(FieldError(field="inputs.topic", message="is missing"),),
    known=("research-brief",),
    retry_after_s=1,
    workflow=ENTRY.record,
    position=LEASE,
)
WHOLE: list[Struct] = [
    *REPORTS,
    RefusedReport(
        id="w-1",
        reason=Refusal.LEASE,
        status=Status.RUNNING,
        position=LEASE,
        report=REPORTS[0],
        at=second(9),
    ),
    Job(id="w-1", definition="research-brief", position=11),
    HELD,
    Pulse(
        executor="host-1",
        at=second(4),
        state="draining",
        beat=7,
        leases=(HELD,),
        slots=8,
        definitions=("research-brief",),
        host="host",
        pid=4711,
        started_at=second(0),
        version="0.1.0",
    ),
    ProgressMade(
        id="w-1",
        at=second(4),
        lease=LEASE,
        revision=2,
        progress=PROGRESS,
        usage=Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3, calls=1),
        waiting_for="approval",
    ),
    LINE,
    Logged(id="w-1", lines=(LINE,), dropped=3),
    Definition(
        name="research-brief",
        kind="crew",
        input_schema={"type": "object", "required": ["topic"]},
        description="Writes a brief.",
        deadline_s=900.0,
        queue_timeout_s=60.0,
        source="examples.research:crew",
        error="ImportError",
        announced_by="host-1",
        announced_at=second(0),
    ),
    Start(
        definition="research-brief",
        inputs={"topic": "tides", "depth": 3, "notes": [None, 1.5, {"a": True}]},
        title="Tides",
        started_by="ada",
        retry_of="w-0",
        idempotency_key="order-66",
    ),
    Claim(id="w-1", executor="host-1", event_id="e-1"),
    Cancel(id="w-1", by="ada"),
    Reconcile(id="w-1"),
    Question(leases=(HELD,)),
    Answer(executor="host-1", held=(HELD,)),
    FieldError(field="inputs.topic", message="is missing"),
    PROBLEM,
    ACCEPTED,
    Reply(accepted=ACCEPTED),
    Reply(problem=PROBLEM),
    *(entry_at(status).record for status in Status),
]


def name(value: object) -> str:
    """Name a sample by its type."""
    if isinstance(value, Report):
        return f"Report-{type(value.event).__name__}"
    if isinstance(value, Record):
        return f"Record-{value.status}"
    if isinstance(value, Reply):
        return f"Reply-{'accepted' if value.accepted else 'problem'}"
    return type(value).__name__


USERS_OWN = {"inputs", "result", "input_schema"}  # where a field that is added is rightly kept


def changed(value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return JSON with `change` made to each object in it, but not to what users put there."""
    if isinstance(value, list | tuple):
        return [changed(each, change) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    return change({k: v if k in USERS_OWN else changed(v, change) for k, v in fields.items()})


@pytest.mark.parametrize("message", WHOLE, ids=name)
def test_a_message_is_found_again_as_it_was_sent(message: Struct) -> None:
    """Every field, with something in it."""
    assert message == msgspec.json.decode(msgspec.json.encode(message), type=type(message))


@pytest.mark.parametrize("message", WHOLE, ids=name)
def test_a_message_is_one_line(message: Struct) -> None:
    """A payload can be read by a line-oriented tool, whatever text is in it."""
    assert b"\n" not in msgspec.json.encode(message)


@pytest.mark.parametrize("message", WHOLE, ids=name)
def test_fields_that_are_not_known_are_ignored(message: Struct) -> None:
    """A newer sender's additions do not stop an older receiver, at any depth."""
    plain = msgspec.json.decode(msgspec.json.encode(message))
    later = changed(plain, lambda fields: fields | {"added_later": {"deep": [1]}})
    assert message == msgspec.json.decode(msgspec.json.encode(later), type=type(message))


@pytest.mark.parametrize(("kind", "payload"), OLDEST, ids=lambda each: getattr(each, "__name__", None))
def test_the_oldest_payload_still_decodes(kind: type[Struct], payload: bytes) -> None:
    """Fields are only ever added, with a default."""
    assert isinstance(msgspec.json.decode(payload, type=kind), kind)


@pytest.mark.parametrize(("kind", "payload"), OLDEST, ids=lambda each: getattr(each, "__name__", None))
def test_the_oldest_payload_holds_what_is_needed_and_no_more(kind: type[Struct], payload: bytes) -> None:
    """Each of its fields is required, so the list above says exactly what a sender may rely on."""
    plain = msgspec.json.decode(payload)
    assert set(plain) == {field.name for field in msgspec.structs.fields(kind) if field.required}


def test_every_message_has_a_sample_and_an_oldest_payload() -> None:
    """A new message cannot be forgotten."""
    kinds = {
        kind
        for kind in vars(messages).values()
        if inspect.isclass(kind) and issubclass(kind, Struct) and kind.__module__ == messages.__name__
    }
    assert kinds | {Record} == {type(message) for message in WHOLE}
    assert kinds | {Record} == {kind for kind, _ in OLDEST}
    assert {type(event) for event in REPORTED} == set(get_args(ReportedEvent))


@pytest.mark.parametrize("kind", [kind for kind, _ in OLDEST][5:], ids=lambda each: each.__name__)
def test_a_message_cannot_be_changed(kind: type[Struct]) -> None:
    """Two readers of one message cannot disturb each other."""
    assert kind.__struct_config__.frozen


@pytest.mark.parametrize(
    ("payload", "culprit"),
    [
        (b'{"id":"a b","lease":1}', r"\$\.id"),
        (b'{"id":"a\\n","lease":1}', r"\$\.id"),
        (b'{"id":"w","lease":-1}', r"\$\.lease"),
        (b'{"id":"w","lease":"1"}', r"\$\.lease"),
        (b'{"id":"w"}', "lease"),
    ],
)
def test_a_bad_message_is_refused_with_the_path_of_the_culprit(payload: bytes, culprit: str) -> None:
    """Decoded once, at the border, where the sender can still be told."""
    with pytest.raises(msgspec.ValidationError, match=culprit):
        msgspec.json.decode(payload, type=Held)


def test_a_time_without_its_zone_is_refused() -> None:
    """Nobody has to guess whose noon it was."""
    with pytest.raises(msgspec.ValidationError, match="timezone"):
        msgspec.json.decode(b'{"at":"2026-01-02T03:04:05","stream":"stdout","text":""}', type=LogLine)


def test_an_event_is_told_by_its_tag() -> None:
    """A report of an event that nobody knows is refused, never taken for another one."""
    payload = msgspec.json.encode(REPORTS[0]).replace(b"succeeded", b"exploded")
    with pytest.raises(msgspec.ValidationError, match="exploded"):
        msgspec.json.decode(payload, type=Report)
