"""Fork servers come and go; no process outlives its own, and none is lost."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import venv
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from lastword.child.errors import SpawnFailed
from lastword.child.pool import ChildPool
from lastword.child.protocol import Started, Target, Work
from lastword.child.server import ForkServer
from lastword.contracts.statuses import ErrorCode
from tests.integration.child.conftest import TARGETS, Stage, ends, is_alive, result_of, until, until_label

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),  # the first of them waits for CrewAI's import
]


@pytest_asyncio.fixture(loop_scope="session")
async def own_pool() -> AsyncGenerator[ChildPool, None]:
    """Return a pool whose fork servers a test may kill."""
    one = ChildPool()
    yield one
    await one.close()


def work(run: str, folder: Path, **inputs: object) -> Work:
    """Return work for one of the targets."""
    target = Target(run=run, base_dir=str(TARGETS))
    return Work(workflow_id="test", target=target, inputs=inputs, run_dir=str(folder / "run"))


def parent_of(pid: int) -> int:
    """Return the parent of a process."""
    stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    return int(stat.rpartition(")")[2].split()[1])


async def test_processes_die_with_their_fork_server(own_pool: ChildPool, tmp_path: Path) -> None:
    """So do the programs that they had started; it is noticed, and the next process has a new server."""
    child = await own_pool.spawn(work("work:hang_with_program", tmp_path, pid_file=str(tmp_path / "pid")))
    await until_label(child, "hanging")
    program = int((tmp_path / "pid").read_text("utf-8"))
    server = parent_of(child.pid)
    os.kill(server, signal.SIGKILL)
    ended = await asyncio.wait_for(child.ended(), 10)
    assert "SIGKILL" == ended.signal
    assert ended.error is not None
    assert "its fork server had died" in ended.error.message
    assert await ends(program)
    another = await own_pool.spawn(work("work:greet_later", tmp_path, name="Ada"))
    assert "hello Ada" == result_of(await another.ended())


async def test_a_fork_server_that_dies_while_all_is_in_flight_loses_nobody(
    own_pool: ChildPool, tmp_path: Path
) -> None:
    """Every spawn comes to an end: a process that ended, or a failure to spawn."""
    first = await own_pool.spawn(work("work:hang", tmp_path))
    server = parent_of(first.pid)

    async def one() -> str:
        try:
            child = await own_pool.spawn(work("work:greet_later", tmp_path, name="Ada"))
        except SpawnFailed as failure:
            return failure.error.code
        ended = await child.ended()
        return "success" if ended.error is None else ended.error.code

    spawning = [asyncio.create_task(one()) for _ in range(40)]
    for _ in range(20):
        await asyncio.sleep(0)
    os.kill(server, signal.SIGKILL)
    outcomes = await asyncio.wait_for(asyncio.gather(*spawning), 30)
    assert {"success", ErrorCode.ABRUPT_EXIT, ErrorCode.SPAWN_FAILED} >= set(outcomes)
    assert "SIGKILL" == (await first.ended()).signal


async def test_a_fork_server_that_died_unnoticed_is_replaced_or_told(
    own_pool: ChildPool, tmp_path: Path
) -> None:
    """The very next spawn has a new server or fails; a process that it gives is truly there."""
    first = await own_pool.spawn(work("work:hang", tmp_path))
    os.kill(parent_of(first.pid), signal.SIGKILL)
    with contextlib.suppress(SpawnFailed):
        next_one = await asyncio.wait_for(own_pool.spawn(work("work:hang", tmp_path)), 30)
        next_one.kill()
        assert "SIGKILL" == (await next_one.ended()).signal
    assert "SIGKILL" == (await first.ended()).signal
    after = await own_pool.spawn(work("work:greet_later", tmp_path, name="Ada"))
    assert "hello Ada" == result_of(await after.ended())


async def test_nothing_is_asked_of_a_fork_server_that_has_ended(tmp_path: Path) -> None:
    """Nobody would ever answer."""
    server = ForkServer(sys.executable, preload=(), environ=os.environ)
    server.launch()
    await server.ready()
    await server.close()
    with pytest.raises(SpawnFailed, match="has ended"):
        await server.fork(b"{}")


async def test_closing_does_not_wait_for_imports(tmp_path: Path) -> None:
    """A fork server that still imports has no process to lose, and is killed."""
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    server = ForkServer(sys.executable, preload=("slow",), environ={"PYTHONPATH": str(tmp_path)})
    server.launch()
    pid = server.pid
    await asyncio.wait_for(server.close(), 4)
    assert await ends(pid)
    with pytest.raises(SpawnFailed):
        await server.ready()


async def test_nothing_outlives_a_killed_executor(tmp_path: Path) -> None:
    """Its fork server sees the connection close, and ends every group."""
    program = f"""
import asyncio, sys
from lastword.child.pool import ChildPool
from lastword.child.protocol import Progressed, Target, Work
async def main():
    pool = ChildPool()
    target = Target(run="work:hang_with_program", base_dir={str(TARGETS)!r})
    inputs = {{"pid_file": {str(tmp_path / "pid")!r}}}
    child = await pool.spawn(Work(workflow_id="w", target=target, inputs=inputs, run_dir={str(tmp_path)!r}))
    async for message in child.messages():
        if isinstance(message, Progressed):
            sys.stdout.write(f"{{child.pid}}\\n")
            sys.stdout.flush()
asyncio.run(main())
"""
    executor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert executor.stdout is not None
    child = int(await executor.stdout.readline())
    server = parent_of(child)
    started = int((tmp_path / "pid").read_text("utf-8"))
    assert is_alive(child)
    executor.kill()
    await executor.wait()
    assert await ends(server)
    assert await ends(child)
    assert await ends(started)


async def test_closing_the_pool_leaves_nothing(tmp_path: Path) -> None:
    """What still runs is killed, the fork server ends, and no new process can be had."""
    pool = ChildPool()
    child = await pool.spawn(work("work:hang", tmp_path))
    await until_label(child, "hanging")
    server = parent_of(child.pid)
    await pool.close()
    assert "SIGKILL" == (await child.ended()).signal
    assert await ends(server)
    with pytest.raises(SpawnFailed, match="the pool is closed"):
        await pool.spawn(work("work:hang", tmp_path))


async def test_a_spawn_that_is_cancelled_leaves_no_process(own_pool: ChildPool, tmp_path: Path) -> None:
    """A process that comes too late is ended."""
    warm = await own_pool.spawn(work("work:hang", tmp_path))
    server = parent_of(warm.pid)
    spawning = asyncio.create_task(own_pool.spawn(work("work:hang", tmp_path)))
    while not len(children_of(server)) > 1:
        await asyncio.sleep(0)
        spawning.cancel()
        if spawning.done():
            break
    with contextlib.suppress(asyncio.CancelledError):
        (await spawning).kill()
    for pid in children_of(server):
        if pid != warm.pid:
            assert await ends(pid)


def children_of(pid: int) -> list[int]:
    """Return the children of a process."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(one) for one in listed.split()]


async def test_orphans_are_buried_by_the_fork_server(own_pool: ChildPool, tmp_path: Path) -> None:
    """A program that outlives its parent leaves no zombie behind."""
    child = await own_pool.spawn(work("work:leave_stray", tmp_path, pid_file=str(tmp_path / "pid")))
    await child.ended()
    stray = int((tmp_path / "pid").read_text("utf-8"))
    await ends(stray)
    # The next end of a child makes the server look at its children again.
    await (await own_pool.spawn(work("work:greet_later", tmp_path, name="Ada"))).ended()
    assert not Path(f"/proc/{stray}").exists()  # noqa: ASYNC240  the kernel's table, not a disk


async def test_work_runs_where_its_user_would_stand(stage: Stage, tmp_path: Path) -> None:
    """Own group and session, nothing to read on stdin, the folder of lastword.toml, its own variables."""
    target = Target(run="work:surroundings", base_dir=str(TARGETS))
    names = ["COLOUR", "CREWAI_STORAGE_DIR", "LASTWORD_WORKFLOW_ID", "OPENAI_API_KEY"]
    child = await stage.start(target, {"names": names}, environment={"COLOUR": "blue"})
    found = result_of(await child.ended())
    assert {"COLOUR": "blue", "OPENAI_API_KEY": "offline"}.items() <= found["environment"].items()
    assert str(tmp_path / "run") == found["environment"]["CREWAI_STORAGE_DIR"]
    assert "test" == found["environment"]["LASTWORD_WORKFLOW_ID"]
    assert str(TARGETS) == found["cwd"]
    assert (True, True, "") == (found["group"], found["session"], found["stdin"])
    assert not found["has_crewai"]


async def test_passwords_of_lastword_stay_with_it(tmp_path: Path) -> None:
    """A workflow sees none of the settings, except where the edge is."""
    environ = {**os.environ, "LASTWORD_BUS__PASSWORD": "secret", "LASTWORD_URL": "http://127.0.0.1:8484"}
    pool = ChildPool(environ)
    names = ["LASTWORD_BUS__PASSWORD", "LASTWORD_URL"]
    child = await pool.spawn(work("work:surroundings", tmp_path, names=names))
    found = result_of(await child.ended())
    assert {"LASTWORD_BUS__PASSWORD": None, "LASTWORD_URL": "http://127.0.0.1:8484"} == found["environment"]
    await pool.close()


async def test_a_provider_in_the_environment_overrules_the_offline_model(stage: Stage) -> None:
    """The fallback is taken only where nothing else is configured."""
    target = Target(run="work:surroundings", base_dir=str(TARGETS))
    own = {"ANTHROPIC_API_KEY": "mine"}
    child = await stage.start(target, {"names": ["OPENAI_API_KEY"]}, environment=own)
    assert {"OPENAI_API_KEY": None} == result_of(await child.ended())["environment"]


async def test_another_interpreter_needs_neither_lastword_nor_msgspec(
    stage: Stage, own_pool: ChildPool, tmp_path: Path
) -> None:
    """An empty environment of its own runs a function, with progress, checks of simple types, and errors."""
    venv.create(tmp_path / "env", symlinks=True, with_pip=False)
    (tmp_path / "mine.py").write_text(
        "import importlib.util, sys, lastword\n"
        "def work(count: int, name: str = 'x') -> dict:\n"
        "    'Work elsewhere.'\n"
        "    lastword.progress(1, count)\n"
        "    return {'prefix': sys.prefix, 'msgspec': importlib.util.find_spec('msgspec') is not None}\n"
    )
    target = Target(run="mine:work", python="env", base_dir=str(tmp_path))
    description = await own_pool.describe(target)
    assert ("function", "Work elsewhere.") == (description.kind, description.description)
    assert {"type": "integer"} == description.input_schema["properties"]["count"]
    child = await own_pool.spawn(
        Work(workflow_id="w", target=target, inputs={"count": 2}, run_dir=str(tmp_path))
    )
    ended = await child.ended()
    assert {"prefix": str(tmp_path / "env"), "msgspec": False} == result_of(ended)
    assert ended.progress is not None
    assert 2 == ended.progress.total
    bad = Work(workflow_id="w", target=target, inputs={"count": "2"}, run_dir=str(tmp_path))
    error = (await (await own_pool.spawn(bad)).ended()).error
    assert error is not None
    assert "count: Expected `int`, got `str`" == error.message


async def test_an_interpreter_that_is_not_there_is_named(own_pool: ChildPool, tmp_path: Path) -> None:
    """Both to who describes the target and to who runs it."""
    target = Target(run="work:hang", python="./nowhere/python", base_dir=str(tmp_path))
    description = await own_pool.describe(target)
    assert "broken" == description.kind
    assert "nowhere/python" in (description.error or "")
    with pytest.raises(SpawnFailed, match="nowhere/python") as failure:
        await own_pool.spawn(Work(workflow_id="w", target=target, run_dir=str(tmp_path)))
    assert ErrorCode.SPAWN_FAILED == failure.value.error.code


async def test_an_interpreter_that_is_none_is_told(own_pool: ChildPool, tmp_path: Path) -> None:
    """A program that is no Python ends before it is ready; what it said is kept."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho I am no snake\nexit 7\n")
    program.chmod(0o755)
    target = Target(run="work:hang", python=str(program), base_dir=str(tmp_path))
    with pytest.raises(SpawnFailed, match="ended with exit code 7") as failure:
        await own_pool.spawn(Work(workflow_id="w", target=target, run_dir=str(tmp_path)))
    assert "I am no snake\n" == failure.value.error.output


async def test_many_processes_start_and_end_side_by_side(stage: Stage) -> None:
    """Each gets its own inputs and its own end."""

    async def one(number: int) -> object:
        return result_of(await stage.run("work:greet_later", name=str(number)))

    results = await asyncio.gather(*(one(number) for number in range(30)))
    assert [f"hello {number}" for number in range(30)] == results


async def test_started_says_what_it_is(stage: Stage) -> None:
    """A function heeds no request to stop; a crew does."""
    plain = await until(await stage.spawn("work:hang"), lambda one: isinstance(one, Started))
    crew = await until(await stage.spawn("crews:hanging_tool"), lambda one: isinstance(one, Started))
    assert Started(kind="function") == plain
    assert Started(kind="crew", heeds_cancel=True) == crew
