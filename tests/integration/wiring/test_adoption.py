"""An edge that starts knows what executors hold, however far behind the log the database is."""

import asyncio
from pathlib import Path

import pytest

from lastword.bus import Bus, StatusLog
from lastword.contracts.records import Entry
from lastword.contracts.statuses import Status
from lastword.http.hub import Hub
from lastword.storage import WorkflowStore, open_database, upgrade
from lastword.storage.settings import StorageSettings
from lastword.wiring.adoption import adopt_live
from tests.integration.backends import Backend
from tests.integration.servers import make_record


async def _append(log: StatusLog, workflow_id: str, versions: int) -> list[Entry]:
    """Append a workflow's first statuses."""
    entries: list[Entry] = []
    for version in range(1, versions + 1):
        expected = entries[-1].position if entries else 0
        entries.append(await log.append(make_record(workflow_id, version), expected=expected))
    return entries


@pytest.mark.parametrize("projected", [0, 2, 3])
async def test_what_ended_unseen_by_the_database_is_not_shown_as_running(
    bus: Bus, backend: Backend, tmp_path: Path, projected: int
) -> None:
    """The database names what may be live; how it stands is asked of the log."""
    log, url = StatusLog(bus), backend.database(tmp_path)
    await upgrade(url)
    ended = await _append(log, "ended", 3)
    held = await _append(log, "held", 2)
    queued = await _append(log, "queued", 1)
    head = await log.head()
    hub = Hub(stale_after_s=9, now=asyncio.get_running_loop().time)
    hub.synced(head.epoch, head.position)

    async with open_database(StorageSettings(url=url), tmp_path) as database:
        store = WorkflowStore(database)
        await store.project(ended[:projected], epoch=head.epoch)
        await adopt_live(hub, store, log)

    cell = hub.find("ended")
    assert cell is None or Status.SUCCESS is cell.standing.record.status
    assert [("held", held[-1].position)] == [(cell.id, cell.standing.position) for cell in hub.live()]
    assert hub.find(queued[-1].record.id) is None
