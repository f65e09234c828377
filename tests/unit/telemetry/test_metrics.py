"""What is counted, and under which labels."""

from datetime import UTC, datetime

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from lastword.contracts.moves import MOVES, Refusal
from lastword.contracts.records import Record
from lastword.contracts.statuses import ErrorCode, Status
from lastword.telemetry.metrics import Metrics

RECORD = Record(
    id="w-1",
    status=Status.RUNNING,
    at=datetime(2026, 1, 1, tzinfo=UTC),
    version=2,
    definition="w",
    previous=Status.PENDING,
    cause="claimed",
    actor="executor-1",
    event="e",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


@pytest.fixture
def metrics() -> Metrics:
    """Return metrics in a registry of their own."""
    return Metrics(CollectorRegistry())


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """Return one sample, or None where there is no such series."""
    return metrics.registry.get_sample_value(name, labels)


def test_every_legal_move_has_its_series_from_the_start(metrics: Metrics) -> None:
    """So that the first of its kind is an increase that `rate()` sees."""
    for moves in MOVES.values():
        for event, status in moves.items():
            labels = {"status": status.value, "cause": str(event.__struct_config__.tag)}
            assert 0.0 == value(metrics, "lastword_transitions_total", **labels)


def test_what_happens_is_counted_under_its_label(metrics: Metrics) -> None:
    """One call, one step of one series."""
    metrics.transition(RECORD)
    metrics.refused(Refusal.LEASE)
    metrics.heartbeat_timeout(ErrorCode.EXECUTOR_LOST)
    metrics.abrupt_exit("SIGKILL")
    metrics.abrupt_exit(None)
    metrics.command("start", "repeated")
    metrics.feed_reconnected()
    assert 1.0 == value(metrics, "lastword_transitions_total", status="running", cause="claimed")
    assert 1.0 == value(metrics, "lastword_refused_reports_total", reason="lease")
    assert 1.0 == value(metrics, "lastword_heartbeat_timeouts_total", code="executor_lost")
    assert 1.0 == value(metrics, "lastword_abrupt_exits_total", how="SIGKILL")
    assert 1.0 == value(metrics, "lastword_abrupt_exits_total", how="exit_code")
    assert 1.0 == value(metrics, "lastword_commands_total", verb="start", outcome="repeated")
    assert 1.0 == value(metrics, "lastword_feed_reconnects_total")


def test_a_value_outside_the_closed_set_counts_as_other(metrics: Metrics) -> None:
    """Nothing that comes over a wire can grow the number of series."""
    for n in range(100):
        metrics.abrupt_exit(f"SIG{n}")
        metrics.transition(msgspec.structs.replace(RECORD, cause=f"cause-{n}"))
    assert 100.0 == value(metrics, "lastword_abrupt_exits_total", how="other")
    assert 100.0 == value(metrics, "lastword_transitions_total", status="running", cause="other")


def test_gauges_show_what_was_set_last(metrics: Metrics) -> None:
    """A status that is absent from the counts has no workflows."""
    counts = {Status.PENDING: 4, Status.RUNNING: 2, Status.CANCELLING: 1, Status.SUCCESS: 9}
    metrics.workflows(counts, stale=2, stuck=1)
    assert 3.0 == value(metrics, "lastword_running_workflows")
    assert 2.0 == value(metrics, "lastword_stale_workflows")
    assert 1.0 == value(metrics, "lastword_stuck_workflows")
    assert 4.0 == value(metrics, "lastword_workflows", status="pending")
    metrics.workflows({}, stale=0, stuck=0)
    assert 0.0 == value(metrics, "lastword_workflows", status="pending")
    assert 0.0 == value(metrics, "lastword_running_workflows")
    metrics.queued("brief", 7)
    metrics.process("auditor", "1.2.3")
    metrics.running_children(2, 8)
    assert 7.0 == value(metrics, "lastword_queued_jobs", definition="brief")
    assert 1.0 == value(metrics, "lastword_process_info", role="auditor", version="1.2.3")
    assert 2.0 == value(metrics, "lastword_running_children")
    assert 8.0 == value(metrics, "lastword_executor_slots")


def test_a_definition_that_nobody_serves_any_more_has_no_executors(metrics: Metrics) -> None:
    """It does not keep the number that it had last."""
    metrics.executors({"brief": 2, "triage": 1})
    metrics.executors({"triage": 1})
    assert 0.0 == value(metrics, "lastword_definition_executors", definition="brief")
    assert 1.0 == value(metrics, "lastword_definition_executors", definition="triage")


def test_the_lag_of_the_database_is_measured_at_each_look(metrics: Metrics) -> None:
    """Not when something was written last, which may be long ago for this very reason."""
    lag = (3, 0.5)
    metrics.projection_lag(lambda: lag)
    assert 3.0 == value(metrics, "lastword_projection_lag_records")
    assert 0.5 == value(metrics, "lastword_projection_lag_seconds")
    lag = (4, 60.5)
    assert 4.0 == value(metrics, "lastword_projection_lag_records")
    assert 60.5 == value(metrics, "lastword_projection_lag_seconds")


def test_a_span_that_two_clocks_make_negative_counts_as_none(metrics: Metrics) -> None:
    """A sum that goes down would break `rate()`."""
    metrics.truth_lag("accepted", -1.0)
    metrics.truth_lag("accepted", 0.003)
    metrics.child_spawned(0.01)
    assert 2.0 == value(metrics, "lastword_truth_lag_seconds_count", stage="accepted")
    assert 0.003 == value(metrics, "lastword_truth_lag_seconds_sum", stage="accepted")
    assert 1.0 == value(metrics, "lastword_child_spawn_seconds_count")


def test_every_name_has_the_prefix_and_a_description(metrics: Metrics) -> None:
    """A stranger who reads `/metrics` knows whose they are and what they mean."""
    for family in metrics.registry.collect():
        assert family.name.startswith("lastword_")
        assert family.documentation.endswith(".")
