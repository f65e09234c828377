"""A process ends when it is told to, and nothing that it started outlives it."""

import asyncio
from pathlib import Path

import pytest

from lastword.child.protocol import Lines, Started, Stopped
from lastword.contracts.statuses import ErrorCode
from tests.integration.child.conftest import Stage, ends, is_alive, result_of, until, until_label

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),  # the first of them waits for CrewAI's import
]

PATIENT_S = 30.0
"""A grace that would be noticed if it were waited for."""


async def test_a_function_is_ended_by_sigterm_at_once(stage: Stage) -> None:
    """It knows no polite request, so no time is lost on one."""
    child = await stage.spawn("work:hang")
    await until_label(child, "hanging")
    ended = await child.cancel(grace_s=PATIENT_S)
    assert "SIGTERM" == ended.signal


async def test_one_that_is_deaf_to_sigterm_is_killed(stage: Stage) -> None:
    """After the grace comes the signal that cannot be ignored."""
    child = await stage.spawn("work:hang_deaf")
    await until_label(child, "hanging")
    ended = await child.cancel(grace_s=0.1)
    assert "SIGKILL" == ended.signal


async def test_a_crew_stops_between_its_steps(stage: Stage) -> None:
    """It says so itself, and no signal was needed."""
    child = await stage.spawn("crews:many_steps")
    await until(child, lambda message: isinstance(message, Started))
    ended = await child.cancel(grace_s=PATIENT_S)
    assert isinstance(ended.final, Stopped)
    assert (1, None) == (ended.exit_code, ended.signal)
    assert ended.error is not None
    assert ErrorCode.ABRUPT_EXIT == ended.error.code


async def test_a_hung_tool_does_not_hold_a_crew(stage: Stage) -> None:
    """A tool that never returns is ended by SIGTERM after the grace."""
    child = await stage.spawn("crews:hanging_tool")
    await until_label(child, "hanging")
    ended = await child.cancel(grace_s=0.2)
    assert "SIGTERM" == ended.signal


async def test_a_program_that_a_tool_started_ends_as_well(stage: Stage) -> None:
    """The whole process group gets the signals."""
    child = await stage.spawn("crews:hanging_program")
    await until_label(child, "hanging")
    pid = int((stage.folder / "run" / "pid").read_text("utf-8"))
    assert is_alive(pid)
    await child.cancel(grace_s=0.2)
    assert await ends(pid)


async def test_a_killed_process_takes_its_programs_along(stage: Stage, tmp_path: Path) -> None:
    """Also where the kill did not come from here."""
    child = await stage.spawn("work:hang_with_program", pid_file=str(tmp_path / "pid"))
    await until_label(child, "hanging")
    pid = int((tmp_path / "pid").read_text("utf-8"))
    child.kill()
    await child.ended()
    assert await ends(pid)


async def test_a_program_left_behind_is_ended_with_the_work(stage: Stage, tmp_path: Path) -> None:
    """A work that has returned leaves nothing running."""
    ended = await stage.run("work:leave_stray", pid_file=str(tmp_path / "pid"))
    assert "left" == result_of(ended)
    assert await ends(int((tmp_path / "pid").read_text("utf-8")))


async def test_cancelling_while_it_loads_ends_it(stage: Stage) -> None:
    """A module that hangs at its import is ended like any other work."""
    child = await stage.spawn("broken_slow:work")
    await until(child, lambda message: isinstance(message, Lines))
    ended = await child.cancel(grace_s=PATIENT_S)
    assert "SIGTERM" == ended.signal
    assert child.started is None


async def test_several_may_cancel_and_wait_at_once(stage: Stage) -> None:
    """Everyone is told the same end."""
    child = await stage.spawn("work:hang")
    await until_label(child, "hanging")
    first, second, third = await asyncio.gather(
        child.cancel(grace_s=1.0), child.cancel(grace_s=1.0), child.ended()
    )
    assert first == second == third
    child.kill()
    assert first == await child.cancel(grace_s=1.0)


async def test_one_who_stops_waiting_changes_nothing(stage: Stage) -> None:
    """Cancelling a task that awaits the end leaves the process alone."""
    child = await stage.spawn("work:hang")
    waiting = asyncio.create_task(child.ended())
    await until_label(child, "hanging")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert child.alive
