"""Spans and what carries them; where nobody asks for them, nothing at all."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from structlog.testing import capture_logs

from lastword.bus.connection import _traced
from lastword.telemetry import traces
from lastword.telemetry.otel import OpenTelemetry

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def sent() -> InMemorySpanExporter:
    """Return where spans end up."""
    return InMemorySpanExporter()


@pytest.fixture
def tracing(sent: InMemorySpanExporter) -> OpenTelemetry:
    """Return what makes them, and sends each at its end."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(sent))
    return OpenTelemetry(provider)


def by_name(sent: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """Return the spans that have ended."""
    return {span.name: span for span in sent.get_finished_spans()}


def test_where_nobody_asked_a_span_is_nothing() -> None:
    """The same object each time, and no header."""
    with traces.span("a", carrier={"traceparent": PARENT}) as step:
        step.tell("b", c=1)
        assert (traces.OFF, {}, None) == (step, traces.carrier(), _traced("lastword.log.w-1", None))
    assert not traces.is_on()


def test_a_span_goes_on_where_its_carrier_comes_from(
    tracing: OpenTelemetry, sent: InMemorySpanExporter
) -> None:
    """And one within it goes on from there; both have what was said of them."""
    with traces.use(tracing):
        with traces.span("outer", "server", carrier={"traceparent": PARENT, "tracestate": "v=1"}):
            headers = _traced("lastword.log.w-1", {"Nats-Msg-Id": "1"})
            with traces.span("inner", lastword__workflow="w-1") as step:
                step.tell("renamed", http__response__status_code=201)
        assert {} == traces.carrier()
    outer, inner = by_name(sent)["outer"], by_name(sent)["renamed"]
    assert outer.context is not None
    assert outer.parent is not None
    assert inner.parent is not None
    assert ("00f067aa0ba902b7", outer.context.span_id) == (
        f"{outer.parent.span_id:016x}",
        inner.parent.span_id,
    )
    assert {
        "Nats-Msg-Id": "1",
        "traceparent": f"00-4bf92f3577b34da6a3ce929d0e0e4736-{outer.context.span_id:016x}-01",
        "tracestate": "v=1",
    } == headers
    assert {"lastword.workflow": "w-1", "http.response.status_code": 201} == dict(inner.attributes or {})


def test_what_came_without_a_carrier_begins_a_trace(
    tracing: OpenTelemetry, sent: InMemorySpanExporter
) -> None:
    """Even where another span happens to be current: it is no part of that."""
    with traces.use(tracing), traces.span("outer"), traces.span("letter", carrier={}):
        pass
    assert by_name(sent)["letter"].parent is None


def test_only_our_own_subjects_carry_it(tracing: OpenTelemetry) -> None:
    """The server's API has no use for it."""
    with traces.use(tracing), traces.span("a"):
        assert _traced("$JS.API.STREAM.INFO.LASTWORD_LOG", None) is None
        assert _traced("lastword.report.w-1", None) == traces.carrier()


def test_a_state_that_is_too_long_is_left_behind(tracing: OpenTelemetry) -> None:
    """The log has room for half a kilobyte of headers, and a caller may send as much of this alone."""
    with (
        traces.use(tracing),
        traces.span("a", carrier={"traceparent": PARENT, "tracestate": f"v={'x' * 250}"}),
    ):
        assert ["traceparent"] == list(traces.carrier())


def test_an_error_is_told_and_goes_on(tracing: OpenTelemetry, sent: InMemorySpanExporter) -> None:
    """A span hides nothing."""
    with traces.use(tracing), pytest.raises(ValueError, match="broken"), traces.span("a"):
        raise ValueError("broken")
    assert StatusCode.ERROR is by_name(sent)["a"].status.status_code


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False),
    ],
)
def test_the_environment_turns_traces_on(environ: dict[str, str], *, wanted: bool) -> None:
    """By OpenTelemetry's own variables."""
    assert wanted is traces._is_wanted(environ)


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
    ],
)
def test_what_cannot_be_sent_is_said_and_stops_nothing(environ: dict[str, str]) -> None:
    """Traces are no reason not to start."""
    with capture_logs() as logs:
        traces.configure_traces("edge", "1", environ)()
    assert ["traces.unavailable"] == [line["event"] for line in logs]
    assert not traces.is_on()
