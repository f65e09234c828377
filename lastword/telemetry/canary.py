"""What a canary counts.  It tells that to whoever scrapes it, and never through what it watches."""

from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from lastword.telemetry.metrics import LAG_BUCKETS

__all__ = ["ENDINGS", "WIRES", "CanaryMetrics", "Ending", "Outcome", "Wire"]

Ending = Literal["success", "killed", "cancelled"]
Wire = Literal["ws", "sse"]
Outcome = Literal["told", "late", "untold", "stuck", "wrong", "unavailable"]

ENDINGS: Final[tuple[Ending, ...]] = ("success", "killed", "cancelled")
WIRES: Final[tuple[Wire, ...]] = ("ws", "sse")
OUTCOMES: Final[tuple[Outcome, ...]] = ("told", "late", "untold", "stuck", "wrong", "unavailable")


class CanaryMetrics:
    """Counts runs, and how late their ends were told."""

    def __init__(self, registry: CollectorRegistry, *, interval_s: float) -> None:
        self._runs = Counter(
            "lastword_canary_runs",
            "Workflows that a canary started and watched, by how they were to end, over which wire it "
            "watched, and what it was shown: `told` the truth; `late`; `untold` (polling showed the end, the "
            "stream did not); `stuck` (nothing showed an end that there was); `wrong` (another end, two, or "
            "a step back); `unavailable` (it could not be started, or nothing ran it).",
            ("ending", "wire", "outcome"),
            registry=registry,
        )
        self._lag = Histogram(
            "lastword_canary_lag_seconds",
            "From the moment at which a process ended by itself or was asked to, by the canary's own clock, "
            "to the frame that told it. How long the start took is part of it.",
            ("ending", "wire"),
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        self._interval = Gauge(
            "lastword_canary_interval_seconds", "Between the starts of two runs.", registry=registry
        )
        self._last_run = Gauge(
            "lastword_canary_last_run_timestamp_seconds", "When the last run was over.", registry=registry
        )
        self._interval.set(interval_s)
        self._last_run.set_to_current_time()  # it begins in time
        for ending in ENDINGS:
            for wire in WIRES:
                self._lag.labels(ending, wire)
                for outcome in OUTCOMES:
                    self._runs.labels(ending, wire, outcome)

    def ran(self, ending: Ending, wire: Wire, outcome: Outcome, lag_s: float | None) -> None:
        """Count a run; `lag_s` is how late its end was told, where it was."""
        self._runs.labels(ending, wire, outcome).inc()
        if lag_s is not None:
            self._lag.labels(ending, wire).observe(max(lag_s, 0.0))
        self._last_run.set_to_current_time()
