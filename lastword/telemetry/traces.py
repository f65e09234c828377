"""Traces: one per workflow, from the request over every hop to the record of its end.

The context travels as W3C `traceparent`: in HTTP headers, in the headers of NATS messages (the log's records
included, so whoever follows the log can go on with it), and in the process's variable `TRACEPARENT`.

They are off unless OpenTelemetry's own variables name an exporter and `lastword[otel]` is installed.  Off, a
span is one shared object that does nothing, and no header is added; nothing of OpenTelemetry is imported.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self

import structlog

__all__ = ["OFF", "Kind", "Span", "Tracing", "carrier", "configure_traces", "is_on", "span", "use"]

log = structlog.get_logger(__name__)

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int]

EXPORTER: Final = "OTEL_TRACES_EXPORTER"
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Span(Protocol):
    """A step under way."""

    def tell(self, name: str | None = None, **attributes: str | int) -> None:
        """Say what is known only now; `__` in an attribute's name stands for a dot."""
        ...


class Tracing(Protocol):
    """What makes spans, where traces are on."""

    def span(
        self, name: str, kind: Kind, carrier: Mapping[str, str] | None, attributes: Attributes
    ) -> AbstractContextManager[Span]:
        """Return a span under the current one or, with a `carrier`, under that which came with it."""
        ...

    def carrier(self) -> dict[str, str]:
        """Return the headers that carry the current span; none where there is none."""
        ...

    def close(self) -> None:
        """Send what has not been sent."""
        ...


class _Off:
    """A span that nobody looks at."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def tell(self, name: str | None = None, **attributes: str | int) -> None:
        """See `Span`."""


OFF: Final = _Off()
"""The span that is made where nobody looks."""
_tracing: Tracing | None = (
    None  # as structlog and OpenTelemetry do it: one process tells of itself in one way
)


def configure_traces(role: str, version: str, environ: Mapping[str, str]) -> Callable[[], None]:
    """Begin to trace where the environment asks for it; return what sends the last spans.

    Call it in the process that is to be traced, after any fork: it starts a thread.
    """
    if not _is_wanted(environ):
        return _nothing
    try:
        from lastword.telemetry.otel import OpenTelemetry
    except ImportError as error:
        log.warning("traces.unavailable", why=str(error), remedy="install lastword[otel]")
        return _nothing
    try:
        tracing = OpenTelemetry.from_environ(role, version, environ)
    except (ImportError, ValueError) as error:
        log.warning("traces.unavailable", why=str(error))
        return _nothing
    global _tracing  # noqa: PLW0603  see above
    _tracing = tracing
    return tracing.close


@contextmanager
def use(tracing: Tracing) -> Generator[None, None, None]:
    """Trace by `tracing` until the block is left: for tests."""
    global _tracing  # noqa: PLW0603  see above
    before, _tracing = _tracing, tracing
    try:
        yield
    finally:
        _tracing = before


def is_on() -> bool:
    """Whether anybody looks: where finding out what to say of a span costs something."""
    return _tracing is not None


def span(
    name: str,
    kind: Kind = "internal",
    *,
    carrier: Mapping[str, str] | None = None,
    **attributes: str | int,
) -> AbstractContextManager[Span]:
    """Return a span, to be held by `with`; `carrier` are the headers of what it follows from.

    An error that leaves the block is told with it.  `__` in an attribute's name stands for a dot.
    """
    if _tracing is None:
        return OFF
    return _tracing.span(name, kind, carrier, attributes)


def carrier() -> dict[str, str]:
    """Return the headers that carry the current span to another process; none where traces are off."""
    return {} if _tracing is None else _tracing.carrier()


def _is_wanted(environ: Mapping[str, str]) -> bool:
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environ.get(EXPORTER, "")
    return exporter != "none" and bool(exporter or any(environ.get(name) for name in ENDPOINTS))


def _nothing() -> Any:
    """Send nothing."""
