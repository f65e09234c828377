"""The database: whether it can be used, its revision, its clock, and how far it has followed the log."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

from lastword.bus import Head
from lastword.cli.checks.findings import Finding, compare_clocks, fail, fine, warn
from lastword.settings import Settings
from lastword.storage import Database, NeedsUpgrade, StorageError, WorkflowStore, open_database

__all__ = ["examine_database"]

FAR_BEHIND: Final = 1_000
"""Records; a supervisor projects thousands a second, so this many means that nobody does."""


async def examine_database(settings: Settings, head: Head | None) -> AsyncIterator[Finding]:
    """Look at the database; `head` is where the log ends, where that is known."""
    check = "database"
    try:
        async with open_database(settings.storage, settings.data) as database:
            yield fine(check, f"{database.shown}, at this version's revision")
            async for finding in _compare(database):
                yield finding
            if head is not None:
                yield _projection(*await WorkflowStore(database).position(), head)
    except NeedsUpgrade as error:
        yield fail(check, str(error), "Run `lastword db upgrade`.")
    except StorageError as error:
        yield fail(check, str(error), "See storage.url (LASTWORD_STORAGE__URL).")


def _projection(epoch: str | None, position: int, head: Head) -> Finding:
    check = "projection"
    if epoch is not None and epoch != head.epoch:
        return fail(check, "the database follows another log than this one", "Run `lastword db rebuild`.")
    behind = head.position - position
    if behind > FAR_BEHIND:
        remedy = "See whether supervisors run, and what they log of `projection`."
        return warn(check, f"the database is {behind} records behind the log", remedy)
    return fine(check, f"at position {position} of {head.position}")


async def _compare(database: Database) -> AsyncIterator[Finding]:
    """Compare clocks where the database is another host's process, which SQLite is not."""
    if not database.has_clock:
        return
    async with database.reading() as connection:
        begun_s = time.monotonic()
        theirs = await connection.scalar(sa.select(sa.func.clock_timestamp()))
        taken_s = time.monotonic() - begun_s
    if isinstance(theirs, datetime):
        ahead_s = (theirs - datetime.now(UTC)).total_seconds() + taken_s / 2
        yield compare_clocks("the database", ahead_s, taken_s / 2)
