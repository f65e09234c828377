"""One scrape shows the whole system.

Every process tells its metrics on NATS every few seconds, and an edge shows them beside its own, each series
under the label `process`.  So Prometheus needs the edges' addresses only, wherever supervisors, auditors and
executors run; what is shown of another process is at most `TELL_EVERY_S` old, and gone after `FORGET_S`.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from nats.aio.msg import Msg
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from lastword.bus import Bus, Doorkeeper
from lastword.bus.connection import TRANSIENT
from lastword.contracts import subjects
from lastword.telemetry.metrics import Metrics

__all__ = ["Neighbours", "telling_metrics"]

TELL_EVERY_S: Final = 5.0
FORGET_S: Final = 3 * TELL_EVERY_S
MAX_PROCESSES: Final = 256
MAX_TEXT: Final = 131_072  # bytes; a process tells some 20 KB


@asynccontextmanager
async def telling_metrics(bus: Bus, registry: CollectorRegistry) -> AsyncGenerator[None, None]:
    """Tell this process's metrics until the block is left."""

    async def tell() -> None:
        while True:
            with suppress(*TRANSIENT):
                await bus.client.publish(subjects.metrics(bus.name), generate_latest(registry))
            await asyncio.sleep(TELL_EVERY_S)

    task = asyncio.create_task(tell(), name="metrics")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Neighbours(Collector):
    """The metrics of all other processes, as they told them last."""

    def __init__(self, metrics: Metrics) -> None:
        self._doorkeeper = Doorkeeper("metrics", metrics)
        self._told: dict[str, tuple[float, str]] = {}

    @asynccontextmanager
    async def listening(self, bus: Bus) -> AsyncGenerator[None, None]:
        """Listen until the block is left."""

        async def hear(message: Msg) -> None:
            self.hear(subjects.last_token(message.subject), message.data)

        subscription = await bus.client.subscribe(subjects.metrics(), cb=hear)
        try:
            yield
        finally:
            with suppress(*TRANSIENT):
                await subscription.unsubscribe()

    def hear(self, process: str, data: bytes) -> None:
        """Keep what a process tells, unless it is too much."""
        now_s = time.monotonic()
        if len(data) > MAX_TEXT:
            self._doorkeeper.turn_away("oversize", process, f"it has {len(data)} bytes")
            return
        if process not in self._told and len(self._told) >= MAX_PROCESSES:
            self._forget(now_s)
            if len(self._told) >= MAX_PROCESSES:
                self._doorkeeper.turn_away("excess", process, f"{MAX_PROCESSES} tell theirs")
                return
        self._told[process] = (now_s, data.decode("utf-8", "replace"))

    def _forget(self, now_s: float) -> None:
        self._told = {name: told for name, told in self._told.items() if now_s - told[0] < FORGET_S}

    def describe(self) -> Iterator[Metric]:
        """Describe nothing beforehand: what others count is known when they tell it."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Return each family once, with the series of every process that has told them lately."""
        self._forget(time.monotonic())
        families: dict[str, Metric] = {}
        for process, (_, text) in sorted(self._told.items()):
            with suppress(ValueError):  # a text that cannot be read shows nothing
                for family in text_string_to_metric_families(text):
                    joined = families.setdefault(
                        family.name, Metric(family.name, family.documentation, family.type)
                    )
                    for sample in family.samples:
                        joined.samples.append(sample._replace(labels={**sample.labels, "process": process}))
        return iter(families.values())
