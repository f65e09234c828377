"""Whatever a process writes, an executor's memory and its loop stay its own."""

import asyncio
import resource
import time

import pytest

from lastword.child.output import MAX_LINES
from lastword.child.protocol import Lines, Progressed
from tests.integration.child.conftest import Stage, read_all, result_of

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),  # the first of them waits for CrewAI's import
]


def peak_memory() -> int:
    """Return the most memory that this process ever held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def test_a_hundred_megabytes_that_nobody_reads_cost_next_to_nothing(stage: Stage) -> None:
    """Lines beyond the bound are dropped and counted, and the newest are kept."""
    before = peak_memory()
    child = await stage.spawn("work:write", megabytes=100)
    ended = await child.ended()
    assert 100 == result_of(ended)
    messages, lines = await read_all(child)
    batches = [message for message in messages if isinstance(message, Lines)]
    assert 1_000_001 == sum(batch.dropped for batch in batches) + len(lines)
    assert MAX_LINES >= len(lines)
    assert "stdout: " + "x" * 99 == lines[-1]
    assert 32 * 1024 * 1024 > peak_memory() - before


async def test_a_flood_leaves_the_loop_free(stage: Stage) -> None:
    """Another task gets its turns all the while: several times for each megabyte."""
    child = await stage.spawn("work:write", megabytes=50)
    waiting = asyncio.create_task(child.ended())
    turns = 0
    while not waiting.done():
        turns += 1
        await asyncio.sleep(0)
    assert 50 == result_of(await waiting)
    assert 500 < turns


async def test_every_line_reaches_one_who_reads(stage: Stage) -> None:
    """A reader that keeps up gets all of them, in order, in bounded messages."""
    child = await stage.spawn("work:write_and_die")
    messages, lines = await read_all(child)
    assert 2_001 == len(lines)
    assert all(512 >= len(message.lines) for message in messages if isinstance(message, Lines))


async def test_odd_lines_are_made_readable(stage: Stage) -> None:
    """Overwritten lines keep their last state, bad UTF-8 is replaced, a last line needs no end."""
    child = await stage.spawn("work:write_oddly")
    _, lines = await read_all(child)
    assert ["stdout: 100%", "stdout: windows", "stdout: \ufffd\ufffd no UTF-8", "stdout: no end"] == [
        line for line in lines if line.startswith("stdout")
    ]
    assert "stderr: to the other" in lines


async def test_a_flood_of_progress_ends_with_the_latest(stage: Stage) -> None:
    """It is thinned where it arises, so that few messages travel; the last one always does."""
    began = time.monotonic()
    child = await stage.spawn("work:flood", count=100_000)
    messages, _ = await read_all(child)
    took_s = time.monotonic() - began
    progressed = [message for message in messages if isinstance(message, Progressed)]
    assert len(progressed) <= took_s / 0.05 + 2
    assert (100_000, 100_000) == (progressed[-1].progress.done, progressed[-1].progress.total)
    ended = await child.ended()
    assert ended.progress == progressed[-1].progress == child.progress


async def test_progress_is_of_the_kind_that_was_told(stage: Stage) -> None:
    """Counts and label, as `lastword.progress` was given them."""
    ended = await stage.run("work:greet", name="Ada")
    assert ended.progress is not None
    assert (1, 2, "greeting") == (ended.progress.done, ended.progress.total, ended.progress.label)
