"""The canary's judgement: what it says of each way in which an edge may deceive it."""

import httpx
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from lastword.cli.singing import Song, Sung
from lastword.contracts.events import Error
from lastword.contracts.statuses import ErrorCode, Status
from lastword.contracts.views import Workflow
from lastword.telemetry.canary import CanaryMetrics, Ending
from tests.unit.cli.fake_edge import (
    ID,
    FakeEdge,
    Step,
    client_of,
    end,
    hello,
    run_virtual,
    snapshot,
    status,
    workflow,
)

PENDING = workflow(Status.PENDING)
RUNNING = workflow(Status.RUNNING)
SUCCESS = workflow(Status.SUCCESS, position=14)
CANCELLED = workflow(Status.CANCELLED, position=14)
KILLED = workflow(
    Status.FAILED, position=14, error=Error(code=ErrorCode.ABRUPT_EXIT, message="killed", signal="SIGKILL")
)


def sing(
    *streams: list[Step],
    polled: Workflow,
    ending: Ending = "success",
    post: httpx.Response | BaseException | None = None,
) -> tuple[Sung, FakeEdge]:
    """Let a canary sing to an edge that says this on its streams, and that to a poll."""
    edge = FakeEdge(polled)
    edge.streams = list(streams)
    edge.answers["POST", "/workflows"] = [post or httpx.Response(201, content=msgspec.json.encode(PENDING))]
    edge.answers["POST", f"/workflows/{ID}/cancel"] = [
        httpx.Response(200, content=msgspec.json.encode(workflow(Status.CANCELLING)))
    ]

    async def sung() -> Sung:
        async with client_of(edge) as client:
            return await Song(client, ending, "sse", alive_s=1.0, late_s=2.0, patience_s=10.0).sing()

    return run_virtual(sung()), edge


def begun(after_s: float = 0.1) -> list[Step]:
    """Return how every stream begins: with the workflow pending, and running a moment later."""
    return [hello(), snapshot(PENDING), after_s, status(RUNNING)]


def ended(shown: Workflow) -> list[Step]:
    """Return how it ends."""
    return [status(shown), end(shown)]


@pytest.mark.parametrize(("ending", "shown"), [("success", SUCCESS), ("killed", KILLED)])
def test_an_end_that_is_told_in_time_is_the_truth(ending: Ending, shown: Workflow) -> None:
    """The lag counts from when it can have ended at the earliest, and so includes the start."""
    sung, _ = sing([*begun(), 1.2, *ended(shown)], polled=shown, ending=ending)
    assert "told" == sung.outcome
    assert sung.lag_s == pytest.approx(0.3)


def test_what_is_to_be_cancelled_is_cancelled_when_it_runs() -> None:
    """Once; and its lag counts from there."""
    again = [snapshot(RUNNING)]
    sung, edge = sing([*begun(5.0), *again, 0.4, *ended(CANCELLED)], polled=CANCELLED, ending="cancelled")
    assert ("told", 1) == (sung.outcome, len(edge.asked(f"/workflows/{ID}/cancel")))
    assert sung.lag_s == pytest.approx(0.4)


def test_an_end_that_is_told_late_is_late() -> None:
    """Even where the edge was as late with everything before."""
    sung, _ = sing([3.0, *begun(3.0), 1.0, *ended(SUCCESS)], polled=SUCCESS)
    assert "late" == sung.outcome
    assert sung.lag_s == pytest.approx(6.0)


def test_a_link_that_breaks_is_taken_up_again() -> None:
    """As any client does: that is no lie."""
    broken: list[Step] = [*begun(), httpx.ReadError("reset")]
    sung, _ = sing(broken, [hello(), snapshot(RUNNING), 0.8, *ended(SUCCESS)], polled=SUCCESS)
    assert "told" == sung.outcome


def test_an_end_that_only_polling_shows_is_untold() -> None:
    """The stream stands, and says nothing."""
    sung, _ = sing([*begun(), 600.0], polled=SUCCESS)
    assert ("untold", None) == (sung.outcome, sung.lag_s)


def test_an_end_that_nothing_shows_is_stuck() -> None:
    """It must have ended long ago, and is shown as running."""
    sung, _ = sing([*begun(), 600.0], polled=RUNNING)
    assert "stuck" == sung.outcome


def test_what_nobody_runs_is_not_stuck() -> None:
    """It has not begun, so it cannot have ended."""
    sung, _ = sing([hello(), snapshot(PENDING), 600.0], polled=PENDING)
    assert "unavailable" == sung.outcome


@pytest.mark.parametrize(
    ("frames", "polled"),
    [
        ([*ended(KILLED)], KILLED),  # another ending than there was
        ([*ended(SUCCESS)], RUNNING),  # polling knows nothing of it
        ([*ended(SUCCESS)], CANCELLED),  # polling tells another
        ([status(SUCCESS), status(KILLED), end(KILLED)], KILLED),  # two last words
        ([status(SUCCESS), status(workflow(Status.RUNNING, position=15))], SUCCESS),  # a revival
        ([snapshot(workflow(Status.RUNNING, position=1))], SUCCESS),  # a step back
        ([end(SUCCESS)], SUCCESS),  # an end, and not which
        ([*ended(SUCCESS), end(SUCCESS)], SUCCESS),  # two ends
    ],
)
def test_what_cannot_be_true_is_wrong(frames: list[Step], polled: Workflow) -> None:
    """Whatever else it is."""
    sung, _ = sing([*begun(), 1.0, *frames], polled=polled)
    assert "wrong" == sung.outcome, sung.why


@pytest.mark.parametrize(
    "post",
    [
        httpx.ConnectError("refused"),
        httpx.Response(503, content=b'{"status":503,"code":"no_leader","title":"No leader"}'),
    ],
)
def test_what_cannot_be_started_is_unavailable(post: httpx.Response | BaseException) -> None:
    """The edge is not there, or says that it cannot."""
    sung, _ = sing(polled=PENDING, post=post)
    assert ("unavailable", None) == (sung.outcome, sung.workflow_id)


def test_runs_are_counted_by_what_was_told() -> None:
    """Every series is there from the start, and only what was told has a lag."""
    registry = CollectorRegistry()
    metrics = CanaryMetrics(registry, interval_s=60.0)
    labels = {"ending": "killed", "wire": "ws"}
    assert 0.0 == registry.get_sample_value("lastword_canary_runs_total", {**labels, "outcome": "stuck"})
    metrics.ran("killed", "ws", "stuck", None)
    metrics.ran("killed", "ws", "told", 0.25)
    assert 1.0 == registry.get_sample_value("lastword_canary_runs_total", {**labels, "outcome": "stuck"})
    assert 1.0 == registry.get_sample_value("lastword_canary_lag_seconds_count", labels)
    assert 60.0 == registry.get_sample_value("lastword_canary_interval_seconds")
