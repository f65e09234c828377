"""The surveyor: counts what waits in the queues and what the streams hold, for whoever looks at metrics.

NATS shows no metrics of its own to Prometheus, and an exporter beside each server would be one more thing to
run, to trust and to scrape.  What lastword needs to know of NATS it can ask as any client does.
"""

import asyncio
from itertools import count
from typing import Any, Final

from lastword.actors.catalogue import Catalogue
from lastword.actors.ports import Post
from lastword.contracts import subjects
from lastword.contracts.permissions import STREAMS
from lastword.telemetry.metrics import Metrics

__all__ = ["Surveyor"]

EVERY_S: Final = 5.0  # seconds; as often as metrics are told
STREAMS_EVERY: Final = 3  # turns; they are ten requests, and change slowly


class Surveyor:
    """Asks the server, again and again."""

    def __init__(self, post: Post, catalogue: Catalogue, metrics: Metrics) -> None:
        self._post = post
        self._catalogue = catalogue
        self._metrics = metrics

    async def run(self) -> None:
        """Measure until cancelled; raise `Unavailable` where nobody answers."""
        for turn in count():
            await self.measure_queues()
            if turn % STREAMS_EVERY == 0:
                await self.measure_streams()
            await asyncio.sleep(EVERY_S)

    async def measure_queues(self) -> None:
        """Count the jobs that wait, by definition."""
        info = await self._post.ask_api(
            f"STREAM.INFO.{subjects.JOB_STREAM}", {"subjects_filter": subjects.job()}
        )
        found: dict[str, int] = info.get("state", {}).get("subjects") or {}
        waiting = {subjects.last_token(name): jobs for name, jobs in found.items()}
        for definition in {*self._catalogue.names, *waiting}:
            self._metrics.queued(definition, waiting.get(definition, 0))

    async def measure_streams(self) -> None:
        """Tell how much each stream holds, and how many of its copies are not what they should be."""
        for name in STREAMS:
            info = await self._post.ask_api(f"STREAM.INFO.{name}")
            if "error" not in info:
                state = info["state"]
                self._metrics.stream(name, int(state["messages"]), int(state["bytes"]), _behind(info))


def _behind(info: dict[str, Any]) -> int:
    """Return how many replicas are offline, or behind the leader; one server alone has none."""
    cluster: dict[str, Any] = info.get("cluster") or {}
    replicas: list[dict[str, Any]] = cluster.get("replicas") or []
    return sum(bool(peer.get("offline")) or not peer.get("current", False) for peer in replicas)
