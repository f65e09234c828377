"""Reading what others wrote: it may be anything, and nothing of it may do harm."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from lastword.bus.inspector import Doorkeeper, Inspector
from lastword.contracts.events import Succeeded
from lastword.contracts.messages import (
    MAX_LEASES,
    Cancel,
    Claim,
    Definition,
    Held,
    Job,
    Logged,
    LogLine,
    ProgressMade,
    Pulse,
    Reconcile,
    RefusedReport,
    Report,
    Start,
)
from lastword.contracts.moves import Refusal
from lastword.contracts.nesting import MESSAGE_NESTING, nesting_of
from lastword.contracts.records import Record
from lastword.contracts.statuses import Status
from lastword.telemetry.metrics import Kind
from tests.samples import LEASE, entry_at, event_of, second
from tests.unit.actors.fakes import counted, fresh_metrics
from tests.unit.contracts.test_messages import WHOLE

SHAPES: Final[dict[Kind, type[Any]]] = {
    "report": Report,
    "record": Record,
    "job": Job,
    "pulse": Pulse,
    "progress": ProgressMade,
    "logline": Logged,
    "definition": Definition,
}
COMMANDS: Final = (Start, Claim, Cancel, Reconcile)
_METRICS: Final = fresh_metrics()
READERS: Final = {kind: Inspector(kind, shape, _METRICS) for kind, shape in SHAPES.items()}
CLERKS: Final = [Inspector("command", shape, _METRICS) for shape in COMMANDS]
KNOWN: Final = [msgspec.json.encode(one) for one in (*WHOLE, entry_at(Status.SUCCESS).record)]
REPORT: Final = Report(id="w-1", event=event_of(Succeeded), event_id="e-1", actor="host-1", at=second(9))

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.sampled_from(
        ["w-1", "success", "succeeded", "2026-01-02T03:04:05Z", "lastword.log.>", "\x00", "x" * 300]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


def _subject_of(report: Report) -> str:
    return report.id


def _inspector(kind: Kind = "report", **given: Any) -> tuple[Inspector[Any], Callable[[str], float]]:
    metrics = fresh_metrics()

    def refused(why: str) -> float:
        return counted(metrics, "refused_messages_total", kind=kind, reason=why)

    return Inspector(kind, SHAPES[kind], metrics, **given), refused


def _report(result: bytes) -> bytes:
    """Return a report with a result that need be no JSON."""
    event = msgspec.structs.replace(REPORT.event, result=msgspec.Raw(result))
    return msgspec.json.encode(msgspec.structs.replace(REPORT, event=event))


def test_what_is_such_a_message_is_read() -> None:
    """And nothing is counted."""
    inspector, refused = _inspector(name_of=_subject_of)
    assert REPORT == inspector.read("lastword.report.0.w-1", msgspec.json.encode(REPORT))
    assert [0, 0, 0] == [refused(why) for why in ("malformed", "misaddressed", "oversize")]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"\xff"',
        b'{"id":"w-1"}',
        _report(b"1")[:-1],
        _report(b"1").replace(b'"lease":', b'"lease":-'),
        _report(b"1").replace(b'"succeeded"', b'"submitted"'),
        _report(b"1").replace(b'"w-1"', b'"w.1"'),
        _report(b"1").replace(b'"w-1"', b'"w-1\\n"'),
        _report(b"1").replace(b'"w-1"', b'"' + b"w" * 65 + b'"'),
        _report(b"1").replace(b'"e-1"', b'"' + b"e" * 256 + b'"'),
        _report(b"1").replace(b'"host-1"', b'"' + b"h" * 256 + b'"'),
        _report(b"[" * 130 + b"]" * 130),
        _report(b"[" * 50_000),
    ],
    ids=[
        *("nothing", "half", "null", "list", "no UTF-8", "parts missing", "cut", "impossible number"),
        *("another event", "two tokens", "a line's end", "long id", "long event id", "long actor", "deep"),
        "very deep",
    ],
)
def test_what_is_none_is_malformed(payload: bytes) -> None:
    """It is counted, and not read."""
    inspector, refused = _inspector()
    assert inspector.read("lastword.report.0.w-1", payload) is None
    assert 1 == refused("malformed")


def test_a_newer_sender_may_say_more() -> None:
    """Fields that are not known are no fault: versions work side by side."""
    inspector, refused = _inspector()
    payload = msgspec.json.encode(REPORT)
    newer = payload.replace(b'{"id"', b'{"version":7,"id"', 1)
    assert payload != newer
    assert REPORT == inspector.read("lastword.report.0.w-1", newer)
    assert 0 == refused("malformed")


def test_subject_and_content_must_agree() -> None:
    """The server lets a sender use the subject, and knows nothing of the content."""
    inspector, refused = _inspector(name_of=_subject_of)
    assert inspector.read("lastword.report.0.w-2", msgspec.json.encode(REPORT)) is None
    assert 1 == refused("misaddressed")


def test_what_is_too_long_is_not_even_decoded() -> None:
    """Where no honest sender needs so much."""
    inspector, refused = _inspector(max_bytes=10)
    assert inspector.read("lastword.report.0.w-1", b"x" * 11) is None
    assert 1 == refused("oversize")


def test_a_beat_lists_a_bounded_number_of_leases() -> None:
    """One forged beat could otherwise hold a megabyte of them."""
    inspector, refused = _inspector("pulse")
    held = tuple(Held(id=f"w-{number}", lease=LEASE) for number in range(MAX_LEASES + 1))
    pulse = Pulse(executor="host-1", at=second(1), leases=held[1:])
    assert pulse == inspector.read("lastword.pulse.host-1", msgspec.json.encode(pulse))
    many = msgspec.structs.replace(pulse, leases=held)
    assert inspector.read("lastword.pulse.host-1", msgspec.json.encode(many)) is None
    assert 1 == refused("malformed")


def test_a_flood_is_said_once_a_second() -> None:
    """All of it is counted; the log tells how much was left out, and repeats little of what was sent."""
    now, metrics = [100.0], fresh_metrics()
    doorkeeper = Doorkeeper("pulse", metrics, now=lambda: now[0])
    with capture_logs() as lines:
        for _ in range(1_000):
            doorkeeper.turn_away("malformed", "lastword.pulse." + "x" * 4_000, "y" * 100_000)
        doorkeeper.turn_away("excess", "lastword.pulse.x")
        now[0] += 1.0
        doorkeeper.turn_away("malformed", "lastword.pulse.x")
    assert [("malformed", 0), ("excess", 0), ("malformed", 999)] == [
        (line["reason"], line["since_last"]) for line in lines
    ]
    assert max(len(str(line)) for line in lines) < 700
    assert 1_001 == counted(metrics, "refused_messages_total", kind="pulse", reason="malformed")


@given(payload=st.binary(max_size=200) | JSON.map(msgspec.json.encode))
def test_nothing_that_is_sent_breaks_a_reader(payload: bytes) -> None:
    """Of any kind: it is read or turned away."""
    for reader in READERS.values():
        reader.read("lastword.x.w-1", payload)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """Return a message of which something was changed: a field of it, or bytes."""
    payload = draw(st.sampled_from(KNOWN))
    if draw(st.booleans()):
        whole: dict[str, Any] = msgspec.json.decode(payload)
        part = whole
        while draw(st.booleans()):
            names = sorted(name for name, value in part.items() if isinstance(value, dict) and value)
            if not names:
                break
            part = part[draw(st.sampled_from(names))]
        part[draw(st.sampled_from(sorted(part)) | st.text(max_size=5))] = draw(JSON)
        return msgspec.json.encode(whole)
    start = draw(st.integers(0, len(payload)))
    return payload[:start] + draw(st.binary(max_size=8)) + payload[start + draw(st.integers(0, 8)) :]


@given(payload=spoilt())
def test_what_is_read_can_be_passed_on(payload: bytes) -> None:
    """Whatever one actor takes, it can write again, as evidence too, and every other can read that."""
    for kind, shape in SHAPES.items():
        read = READERS[kind].read("lastword.x.w-1", payload)
        if read is not None:
            text = msgspec.json.encode(read)
            assert msgspec.json.encode(msgspec.json.decode(text, type=shape)) == text
            if isinstance(read, Report):
                evidence = RefusedReport(
                    id=read.id, reason=Refusal.LEASE, status=None, position=None, report=read, at=second(1)
                )
                assert nesting_of(msgspec.json.encode(evidence), MESSAGE_NESTING) <= MESSAGE_NESTING + 1


@given(payload=spoilt() | st.binary(max_size=100))
def test_commands_are_read_or_turned_away(payload: bytes) -> None:
    """As messages are."""
    for reader in CLERKS:
        reader.read("lastword.command.x", payload)


def test_a_line_may_be_as_long_as_a_process_can_make_it() -> None:
    """Honest output is never taken for too much."""
    inspector, refused = _inspector("logline")
    line = LogLine(at=second(1), stream="stdout", text="\x00" * 8_192)
    logged = Logged(id="w-1", lines=(line,) * 16, dropped=3)
    assert logged == inspector.read("lastword.logline.w-1", msgspec.json.encode(logged))
    assert 0 == refused("malformed")
