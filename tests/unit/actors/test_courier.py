"""Final reports, while the disk is not needed; for the rest see the integration tests."""

from pathlib import Path

import msgspec

from lastword.actors.courier import Courier
from lastword.bus import MAX_INLINE_RESULT
from lastword.contracts import subjects
from lastword.contracts.events import Error, Failed, Succeeded
from lastword.contracts.messages import Report
from lastword.contracts.statuses import ErrorCode
from tests.samples import second
from tests.unit.actors.fakes import FakePost, FakeResults

NOWHERE = Path("/nonexistent/outbox")
SUBJECT = subjects.report("w-1")


def _report(event: Succeeded | Failed) -> Report:
    return Report(id="w-1", event=event, event_id="w-1.12.outcome", actor="host-1", at=second(9))


def _success(result: object) -> Report:
    return _report(Succeeded(lease=12, finished_at=second(8), result=result))


async def test_a_report_goes_to_the_stream_at_once() -> None:
    """Under its event's id, by which a repetition is recognised."""
    post = FakePost()
    await Courier(post, FakeResults(), NOWHERE).deliver(_success({"brief": "Tides turn."}))
    [stored] = post.stored
    assert (SUBJECT, "w-1.12.outcome") == (stored.subject, stored.message_id)
    assert {"brief": "Tides turn."} == post.payloads(SUBJECT)[0]["event"]["result"]


async def test_a_report_delivered_twice_is_stored_once() -> None:
    """The stream knows it."""
    post = FakePost()
    courier = Courier(post, FakeResults(), NOWHERE)
    await courier.deliver(_success(1))
    await courier.deliver(_success(1))
    assert 1 == len(post.stored)


async def test_a_large_result_goes_to_the_bucket() -> None:
    """The report carries where it lies, not what it is."""
    post, results = FakePost(), FakeResults()
    large = msgspec.Raw(msgspec.json.encode("x" * MAX_INLINE_RESULT))
    await Courier(post, results, NOWHERE).deliver(_success(large))
    [report] = post.payloads(SUBJECT)
    assert bytes(large) == results.kept["w-1.12.json"]
    assert report["event"].get("result") is None
    assert ("w-1.12.json", MAX_INLINE_RESULT + 2) == (
        report["event"]["result_ref"]["name"],
        report["event"]["result_ref"]["size"],
    )


async def test_a_result_at_the_limit_stays_in_the_report() -> None:
    """256 KiB is not over 256 KiB."""
    post, results = FakePost(), FakeResults()
    await Courier(post, results, NOWHERE).deliver(_success("x" * (MAX_INLINE_RESULT - 2)))
    assert {} == results.kept
    assert MAX_INLINE_RESULT - 2 == len(post.payloads(SUBJECT)[0]["event"]["result"])


async def test_a_report_that_is_too_large_is_delivered_without_its_bulk() -> None:
    """How it ended is told, whatever the error holds."""
    post = FakePost(max_payload=50_000)
    error = Error(code=ErrorCode.EXCEPTION, message="It broke.", output="x" * 90_000)
    await Courier(post, FakeResults(), NOWHERE).deliver(
        _report(Failed(lease=12, finished_at=second(8), error=error))
    )
    [report] = post.payloads(SUBJECT)
    assert ("exception", "It broke.") == (
        report["event"]["error"]["code"],
        report["event"]["error"]["message"],
    )


async def test_an_empty_outbox_leaves_nothing_to_deliver() -> None:
    """A host that has never had a bad day has no folder for it."""
    post = FakePost()
    await Courier(post, FakeResults(), NOWHERE).deliver_leftovers()
    assert [] == post.stored
