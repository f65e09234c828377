"""An edge without a system behind it, fed by hand: what is measured is the edge alone."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry

from lastword.contracts.events import Claimed, Progress, Submitted
from lastword.contracts.messages import ProgressMade
from lastword.contracts.records import Entry, advance
from lastword.contracts.views import ClientConfig
from lastword.http.app import create_app
from lastword.http.hub import Hub
from lastword.http.operations import Catalogue
from lastword.http.server import open_edge
from lastword.http.settings import HttpSettings

__all__ = ["AT", "made", "open_bare_edge", "workflow_ids"]

AT: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class _Absent:
    """Stands for the log, commands, output and database, none of which is asked here."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def workflow_ids(count: int) -> list[str]:
    """Return the ids of the edge's workflows."""
    return [f"research-brief-{number:08}" for number in range(1, count + 1)]


def made(workflow_id: str, lease: int, revision: int) -> ProgressMade:
    """Return how far a workflow got, a little further each time."""
    progress = Progress(done=revision % 3, total=3, label="Write the brief")
    return ProgressMade(id=workflow_id, at=AT, lease=lease, revision=revision, progress=progress)


@asynccontextmanager
async def open_bare_edge(workflows: int, **given: Any) -> AsyncGenerator[tuple[Hub, int], None]:
    """Run an edge that knows `workflows` running ones; yields its hub and port.

    The lease of the n-th workflow of `workflow_ids` is 2n.
    """
    settings = HttpSettings(port=0, **given)
    hub = Hub(stale_after_s=600)
    absent: Any = _Absent()
    config = ClientConfig(
        version="0", ws=True, sse=True, stale_after_s=9, heartbeat_interval_s=3, heartbeat_timeout_s=15,
        ping_s=15, poll_s=2, epoch="",
    )  # fmt: skip
    app = create_app(
        settings=settings, config=config, hub=hub, catalogue=Catalogue(), log=absent, commands=absent,
        outputs=absent, lists=absent, registry=CollectorRegistry(),
    )  # fmt: skip
    position = 0
    for workflow_id in workflow_ids(workflows):
        entry: Entry | None = None
        for event in (
            Submitted(definition="research-brief", inputs={"topic": "tidal power"}),
            Claimed(executor="host-1"),
        ):
            position += 1
            record = advance(
                entry, event, workflow_id=workflow_id, event_id=f"e{position}", actor="host-1", at=AT
            )
            entry = Entry(position=position, stored_at=AT, record=record)
            hub.accept(entry, msgspec.json.encode(record))
    hub.synced("bench", position)
    async with open_edge(app, hub=hub, settings=settings) as server:
        yield hub, int(server.url.rpartition(":")[2])
