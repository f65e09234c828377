"""Spans by OpenTelemetry's SDK: the one module that imports it, and only where traces are on."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import context, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from lastword.telemetry.traces import EXPORTER, Attributes, Kind, Span

__all__ = ["OpenTelemetry"]

KINDS: Final[Mapping[Kind, SpanKind]] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
MAX_STATE: Final = 200  # characters of `tracestate`: the log has room for half a kilobyte of headers


class OpenTelemetry:
    """Makes spans, and sends them in the background."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("lastword")
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def from_environ(cls, role: str, version: str, environ: Mapping[str, str]) -> "OpenTelemetry":
        """Return what the `OTEL_*` variables ask for; raise `ImportError` or `ValueError` where it cannot be.

        The sampler, the limits, the exporter's address, headers and certificates are read by the SDK itself.
        """
        named = {} if environ.get("OTEL_SERVICE_NAME") else {"service.name": f"lastword-{role}"}
        resource = Resource.create({**named, "service.namespace": "lastword", "service.version": version})
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(BatchSpanProcessor(_exporter(environ)))
        return cls(provider)

    @contextmanager
    def span(
        self, name: str, kind: Kind, carrier: Mapping[str, str] | None, attributes: Attributes
    ) -> Generator[Span, None, None]:
        """See `Tracing`."""
        above = None if carrier is None else self._propagator.extract(carrier, context=context.Context())
        with self._tracer.start_as_current_span(
            name, context=above, kind=KINDS[kind], attributes=_dotted(attributes)
        ) as current:
            yield _Spanning(current)

    def carrier(self) -> dict[str, str]:
        """See `Tracing`."""
        headers: dict[str, str] = {}
        self._propagator.inject(headers)
        if len(headers.get("tracestate", "")) > MAX_STATE:
            del headers["tracestate"]
        return headers

    def close(self) -> None:
        """See `Tracing`."""
        self._provider.shutdown()


class _Spanning:
    """See `Span`."""

    def __init__(self, current: trace.Span) -> None:
        self._current = current

    def tell(self, name: str | None = None, **attributes: str | int) -> None:
        """See `Span`."""
        if name is not None:
            self._current.update_name(name)
        self._current.set_attributes(_dotted(attributes))


def _dotted(attributes: Attributes) -> dict[str, str | int]:
    return {name.replace("__", "."): value for name, value in attributes.items()}


def _exporter(environ: Mapping[str, str]) -> SpanExporter:
    wanted = environ.get(EXPORTER) or "otlp"
    if wanted != "otlp":
        raise ValueError(f"{EXPORTER} is {wanted!r}, and lastword sends traces by otlp alone")
    protocol = (
        environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "http/protobuf"
    )
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc

        return OverGrpc()
    if protocol != "http/protobuf":
        raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}, not http/protobuf or grpc")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OverHttp

    return OverHttp()
