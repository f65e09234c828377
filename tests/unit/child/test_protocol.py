"""How an end is judged."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from lastword.child.protocol import Ended, Raised, Returned, Spoken, Stopped
from lastword.contracts.events import Error
from lastword.contracts.statuses import ErrorCode


def ended(**fields: Any) -> Ended:
    """Return an end at some time."""
    return Ended(finished_at=datetime(2025, 1, 1, tzinfo=UTC), ended_at_s=1.0, **fields)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"exit_code": 0}, ErrorCode.EXIT_WITHOUT_RESULT),
        ({"exit_code": 3}, ErrorCode.ABRUPT_EXIT),
        ({"signal": "SIGKILL"}, ErrorCode.ABRUPT_EXIT),
        ({"exit_code": 1, "final": Stopped()}, ErrorCode.ABRUPT_EXIT),
    ],
)
def test_no_result_is_no_success(fields: dict[str, Any], code: ErrorCode) -> None:
    """Whatever the exit code says."""
    error = ended(**fields, last_lines=("one", "two")).error
    assert error is not None
    assert (code, "one\ntwo") == (error.code, error.output)


def test_a_result_is_a_success_however_the_process_went_on() -> None:
    """It was said, and nothing takes it back."""
    assert ended(signal="SIGKILL", final=Returned()).error is None


def test_the_work_s_own_error_goes_first() -> None:
    """It knows best what happened."""
    error = Error(code=ErrorCode.EXCEPTION, message="ValueError: no")
    assert error is ended(exit_code=1, final=Raised(error=error)).error


def test_a_result_is_passed_on_as_it_came() -> None:
    """Its JSON is neither decoded nor written anew."""
    said = msgspec.json.decode(b'{"says":"returned","result":{"a": [1, 2]}}', type=Returned)
    assert b'{"a": [1, 2]}' == bytes(said.result)


def test_what_a_newer_process_says_is_still_understood() -> None:
    """Fields that are not known are passed over."""
    said = msgspec.json.decode(b'{"says":"started","kind":"flow","new":1}', type=Spoken)
    assert "flow" == getattr(said, "kind", None)
