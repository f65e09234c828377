"""A program that projects a log into a database until it is killed, or done; see `test_crash`.

Arguments: the URL, how many workflows the log has, entries a batch, and a position to hold at (0: none).  It
begins at the database's position, as a supervisor does, and writes each position that it reached to standard
output.  Where it holds, it has written all the rest of the log, has not committed it, and never will.
"""

import asyncio
import sys
from pathlib import Path

from lastword.storage import WorkflowStore, open_database
from lastword.storage.projection import apply
from lastword.storage.settings import StorageSettings
from tests.integration.storage.logs import EPOCH, make_log


async def project(url: str, workflows: int, size: int, hold_at: int) -> None:
    """Follow the log to its end."""
    log = make_log(workflows)
    async with open_database(StorageSettings(url=url), Path()) as database:
        store = WorkflowStore(database)
        _, position = await store.position()
        while position < len(log):
            if hold_at and position >= hold_at:
                async with database.writing() as connection:
                    print(await apply(database, connection, log, position), flush=True)  # noqa: T201
                    await asyncio.Event().wait()
            position = await store.project(log[position : position + size], epoch=EPOCH, after=position)
            print(position, flush=True)  # noqa: T201  the test reads it


if __name__ == "__main__":
    asyncio.run(project(sys.argv[1], *map(int, sys.argv[2:5])))
