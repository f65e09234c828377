"""What can happen to a workflow: past participles, told by their tag."""

import msgspec
import pytest

from lastword.contracts.events import Error, Event, Lost, Submitted, Succeeded
from lastword.contracts.moves import EVENTS
from lastword.contracts.statuses import ErrorCode
from tests.samples import LEASE, event_of

TAGS = {
    "submitted",
    "claimed",
    "cancel_requested",
    "succeeded",
    "failed",
    "cancelled",
    "lost",
    "queue_timed_out",
}


def test_every_event_has_a_word_of_its_own() -> None:
    """The word is a record's `cause`, which people filter by."""
    assert TAGS == {kind.__struct_config__.tag for kind in EVENTS}
    assert {"event"} == {kind.__struct_config__.tag_field for kind in EVENTS}


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_an_event_cannot_be_changed(kind: type[Event]) -> None:
    """What happened has happened."""
    event = event_of(kind)
    with pytest.raises(AttributeError):
        setattr(event, kind.__struct_fields__[0], None)


def test_a_lease_is_asked_of_those_who_hold_one() -> None:
    """Users and the queue's clock hold none; everyone else names the lease that they speak of."""
    without = {kind.__struct_config__.tag for kind in EVENTS if "lease" not in kind.__struct_fields__}
    assert {"submitted", "claimed", "cancel_requested", "queue_timed_out"} == without


def test_a_request_without_inputs_gets_its_own_empty_ones() -> None:
    """A shared default would let one workflow write into another."""
    assert Submitted(definition="d").inputs is not Submitted(definition="d").inputs


def test_defaults_are_left_out_of_the_line() -> None:
    """A report says what there is to say."""
    event = Lost(lease=LEASE, error=Error(code=ErrorCode.EXECUTOR_LOST, message="Gone."))
    assert b'{"event":"lost","lease":12,"error":{"code":"executor_lost","message":"Gone."}}' == (
        msgspec.json.encode(event)
    )


@pytest.mark.parametrize("result", [None, 0, "", [], {"a": [1.5, None]}, "ünï\ncode"])
def test_any_json_is_a_result(result: object) -> None:
    """What the work returned comes back as it was, the empty kinds included."""
    event = event_of(Succeeded, result=result)
    assert result == msgspec.json.decode(msgspec.json.encode(event), type=Succeeded).result


def test_the_error_codes_are_closed() -> None:
    """Programs switch on these ten; a new one is a new release of the contracts."""
    assert [
        "exception",
        "abrupt_exit",
        "exit_without_result",
        "heartbeat_timeout",
        "executor_lost",
        "deadline_exceeded",
        "queue_timeout",
        "spawn_failed",
        "shutdown",
        "invalid_inputs",
    ] == [*ErrorCode]
    with pytest.raises(msgspec.ValidationError, match="made_up"):
        msgspec.json.decode(b'{"code":"made_up","message":"m"}', type=Error)
