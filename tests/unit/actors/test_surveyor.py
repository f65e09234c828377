"""What is asked of NATS, and what becomes of the answers."""

from typing import Any

from lastword.actors.catalogue import Catalogue
from lastword.actors.surveyor import Surveyor
from lastword.contracts import subjects
from lastword.contracts.messages import Definition
from lastword.telemetry.metrics import Metrics
from tests.unit.actors.fakes import FakePost, fresh_metrics


def _surveyor(answers: dict[str, dict[str, Any]]) -> tuple[Surveyor, Metrics]:
    post, metrics = FakePost("supervisor-1"), fresh_metrics()
    catalogue = Catalogue(metrics)
    post.api = lambda subject, _request: answers.get(
        subject.removeprefix("STREAM.INFO."), {"error": {"code": 404}}
    )
    catalogue.define(Definition(name="idle", kind="function", input_schema={}))
    return Surveyor(post, catalogue, metrics), metrics


async def test_every_queue_has_its_length() -> None:
    """Those of definitions that nobody serves any more too; where nothing waits, it is 0."""
    held = {subjects.job("brief"): 3, subjects.job("gone"): 1}
    surveyor, metrics = _surveyor({subjects.JOB_STREAM: {"state": {"subjects": held}}})
    await surveyor.measure_queues()
    value = metrics.registry.get_sample_value
    assert (3.0, 1.0, 0.0) == tuple(
        value("lastword_queued_jobs", {"definition": name}) for name in ("brief", "gone", "idle")
    )


async def test_a_replica_that_is_offline_or_behind_is_counted() -> None:
    """One server alone has none, and a stream that is not there yet is left out."""
    state = {"messages": 7, "bytes": 4096}
    replicas = [{"current": True}, {"current": False}, {"current": True, "offline": True}]
    surveyor, metrics = _surveyor(
        {
            subjects.LOG_STREAM: {"state": state, "cluster": {"leader": "n1", "replicas": replicas}},
            subjects.JOB_STREAM: {"state": state, "cluster": {"leader": "n1"}},
        }
    )
    await surveyor.measure_streams()
    value = metrics.registry.get_sample_value
    log, jobs, pulses = (
        {"stream": name} for name in (subjects.LOG_STREAM, subjects.JOB_STREAM, subjects.PULSE_STREAM)
    )
    assert (7.0, 4096.0) == (value("lastword_stream_messages", log), value("lastword_stream_bytes", log))
    assert (2.0, 0.0) == tuple(value("lastword_stream_lagging_replicas", stream) for stream in (log, jobs))
    assert value("lastword_stream_messages", pulses) is None
