"""What a starting edge must know of the past: the workflows that executors held before it listened.

Their silence counts too, and nothing new may ever be said of them.  The database names them, and no more
than that: it follows the log and may be behind, as where the last supervisor stopped between a record and its
projection.  Taken at its word, it would have a workflow that ended in that moment shown as running until the
edge's next start.  So the log's own records since the database's position are read as well, and how each
workflow stands is asked of the log's leader.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

from lastword.contracts.records import Entry
from lastword.contracts.statuses import LIVE
from lastword.http.hub import Hub
from lastword.http.ports import Lists
from lastword.storage import WorkflowQuery

__all__ = ["ReplayedLog", "adopt_live"]

AT_ONCE: Final = 64  # reads in flight
PAGE: Final = 200  # rows of the database at a time


class ReplayedLog(Protocol):
    """The log, as `lastword.bus.StatusLog` reads it."""

    async def read(self, workflow_id: str) -> Entry | None:
        """Return the last record, from the leader."""
        ...

    def replay(self, after: int = 0) -> AsyncIterator[list[Entry]]:
        """Yield the records after a position, up to where the log ends now."""
        ...


async def adopt_live(hub: Hub, lists: Lists, log: ReplayedLog) -> None:
    """Let the hub remember every workflow that an executor holds, as the log has it."""
    named = sorted(await _named_live(lists, log))
    for start in range(0, len(named), AT_ONCE):
        for entry in await asyncio.gather(*map(log.read, named[start : start + AT_ONCE])):
            if entry is not None:
                hub.adopt(entry)


async def _named_live(lists: Lists, log: ReplayedLog) -> set[str]:
    """Return the ids of the workflows that may be live: at least those that are."""
    _, position = await lists.position()  # before the rows: what moves meanwhile is read twice, not missed
    named: set[str] = set()
    cursor: str | None = None
    while True:
        page = await lists.page(WorkflowQuery(status=LIVE, limit=PAGE, cursor=cursor))
        named.update(item.entry.record.id for item in page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    async for entries in log.replay(position):
        for entry in entries:
            if entry.record.status in LIVE:
                named.add(entry.record.id)
            else:
                named.discard(entry.record.id)
    return named
