"""Real processes, killed in the middle of projecting: nothing is lost, and nothing is there twice."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import sqlalchemy as sa

from lastword.storage import Database, WorkflowStore, digest, digest_of
from lastword.storage.tables import workflow_statuses
from tests.integration.storage.logs import EPOCH, make_log

WORKFLOWS = 200
ROOT = Path(__file__).parents[3]


async def test_a_projector_killed_while_it_writes_loses_nothing(url: str, database: Database) -> None:
    """What it said to be written is there, and the next one goes on from where the database is."""
    log = make_log(WORKFLOWS)
    process = await _start(url, size=3)
    told = await _read_until(process, 100)
    process.kill()
    assert -9 == await process.wait()
    _, position = await WorkflowStore(database).position()
    assert len(log) > position >= told >= 100
    assert digest_of(log[:position]) == await digest(database)
    process = await _start(url, size=50)
    assert len(log) == await _read_until(process, len(log))
    assert 0 == await process.wait()
    assert digest_of(log) == await digest(database)
    assert len(log) == await _history_length(database)


async def test_a_projector_killed_before_it_commits_leaves_nothing(url: str, database: Database) -> None:
    """A rival, who waited for it, writes what it had; all is there once."""
    log = make_log(WORKFLOWS)
    store = WorkflowStore(database)
    victim = await _start(url, size=30, hold_at=60)
    assert len(log) == await _read_until(victim, len(log))
    assert digest_of(log[:60]) == await digest(database)
    async with asyncio.TaskGroup() as group:
        rival = group.create_task(store.project(log[60:], epoch=EPOCH, after=60))
        assert (EPOCH, 60) == await store.position()
        assert not rival.done()
        victim.kill()
    assert -9 == await victim.wait()
    assert len(log) == rival.result()
    assert digest_of(log) == await digest(database)
    assert len(log) == await _history_length(database)


async def _start(url: str, *, size: int, hold_at: int = 0) -> Process:
    command = (sys.executable, "-m", "tests.integration.storage.projector", url)
    numbers = map(str, (WORKFLOWS, size, hold_at))
    return await asyncio.create_subprocess_exec(*command, *numbers, cwd=ROOT, stdout=PIPE)


async def _read_until(process: Process, position: int) -> int:
    """Return the first position at or beyond `position` that the process tells, or its last."""
    assert process.stdout is not None
    told = 0
    async for line in process.stdout:
        told = int(line)
        if told >= position:
            break
    return told


async def _history_length(database: Database) -> int:
    async with database.reading() as connection:
        count = await connection.scalar(sa.select(sa.func.count()).select_from(workflow_statuses))
    return int(count or 0)
