"""Whatever is stopped and started again, in whatever order, the truth comes out."""

import asyncio
import itertools
import os
import signal

import pytest

from tests.integration.system.harness import System
from tests.integration.system.witnesses import nats_witness

ROLES = ("supervisor", "auditor", "edge", "nats")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("order", list(itertools.permutations(("supervisor", "auditor", "nats")))[::2])
async def test_killing_everything_but_the_executor_loses_nothing(
    system: System, order: tuple[str, ...]
) -> None:
    """Kill -9 of supervisor, auditor, edge and server in any order: the work ends as if nothing had been."""
    system.start().await_definitions("steps", "raises", "add")
    long = system.begin("steps", count=60)
    failing = [system.begin("raises", message=f"number {number}") for number in range(5)]

    for role in (*order, "edge"):
        before = system.pid(role)
        system.kill(role)
        failing.append(await asyncio.to_thread(_begin_patiently, system))
        system.until(lambda role=role, before=before: system.pid(role) != before, f"a new {role}", 15)

    ended = await asyncio.to_thread(system.await_end, long, 40.0)
    assert ("success", "walked") == (ended["status"], ended["result"])
    for workflow_id in failing:
        assert "exception" == (await asyncio.to_thread(system.await_end, workflow_id, 20.0))["error"]["code"]


def _begin_patiently(system: System) -> str:
    """Start a workflow as a client does that is told to try again."""
    return str(system.until(lambda: _begin(system), "a start", 15))


def _begin(system: System) -> str | None:
    try:
        return system.begin("raises")
    except AssertionError:
        return None


async def test_stopping_everything_and_starting_again_tells_how_it_ended(system: System) -> None:
    """Ctrl-C while a workflow runs ends it as `shutdown`, leaves no process, and the next start knows it."""
    system.start().await_definitions("steps")
    workflow_id = system.begin("steps", count=600)
    system.await_status(workflow_id, "running")

    assert 0 == system.stop()
    assert [] == system.leftovers()
    assert [] == system.logged("role.killed")
    system.start()

    shown = system.await_end(workflow_id)
    assert ("failed", "shutdown") == (shown["status"], shown["error"]["code"])


async def test_closing_the_terminal_is_a_stop_like_any_other(system: System) -> None:
    """Its window is closed, which is told to the keeper and the roles alike: nobody dies of it unheard."""
    window, terminal = os.openpty()
    system.start(terminal=terminal).await_definitions("steps")
    os.close(terminal)
    workflow_id = system.begin("steps", count=600)
    system.await_status(workflow_id, "running")

    os.close(window)
    assert system.process is not None
    assert 0 == await asyncio.to_thread(system.process.wait, 20)
    assert [] == system.leftovers()
    assert not (system.data / "run.json").exists()
    assert [] == system.logged("role.ended")
    system.start()

    shown = system.await_end(workflow_id)
    assert ("failed", "shutdown") == (shown["status"], shown["error"]["code"])


async def test_a_power_cut_leaves_nobody_running_for_ever(system: System) -> None:
    """Kill -9 of the keeper takes every process along; after the next start the auditor tells the truth."""
    system.start().await_definitions("steps")
    workflow_id = system.begin("steps", count=600)
    system.await_status(workflow_id, "running")

    system.pull_the_plug()
    system.until(lambda: not system.leftovers(), "all processes to end", 5)
    system.start()

    shown = await asyncio.to_thread(system.await_end, workflow_id, 20.0)
    assert "failed" == shown["status"]
    assert shown["error"]["code"] in {"heartbeat_timeout", "executor_lost"}


async def test_a_pending_workflow_survives_and_runs_once_an_executor_is_there(system: System) -> None:
    """Work that nobody could take is taken after a restart, once."""
    system.start().await_definitions("add")
    system.kill("executor", signal.SIGSTOP)
    async with nats_witness(system.nats_url) as witness:
        workflow_id = system.begin("add", a=1)
        system.kill("executor", signal.SIGKILL)
        ended = await asyncio.to_thread(system.await_end, workflow_id, 20.0)
        assert "success" == ended["status"]
        assert ["pending", "running", "success"] == witness.statuses(workflow_id)


async def test_a_lost_database_is_written_anew_from_the_log(system: System) -> None:
    """The database is a copy: emptied while everything runs, it comes back whole."""
    system.start().await_definitions("add", "raises")
    ids = [system.begin("add", a=number) for number in range(5)] + [system.begin("raises")]
    for workflow_id in ids:
        system.await_end(workflow_id)
    system.sql("DELETE FROM workflow_statuses")
    system.sql("DELETE FROM workflows")
    assert [] == system.get("/workflows").json()["items"]

    done = system.cli("db", "rebuild")

    assert 0 == done.returncode, done.stderr
    assert set(ids) == {item["id"] for item in system.get("/workflows").json()["items"]}
    assert 3 == len(system.get(f"/workflows/{ids[0]}/history").json()["items"])


async def test_a_database_that_is_kept_from_us_holds_up_lists_and_nothing_else(system: System) -> None:
    """The truth is made and told without the database, which catches up when it is back."""
    system.start().await_definitions("add")
    supervisor = system.pid("supervisor")
    with system.without_database():
        workflow_id = system.begin("add", a=40)
        ended = await asyncio.to_thread(system.await_end, workflow_id)
        assert ("success", 42) == (ended["status"], ended["result"])
        system.until(lambda: system.logged("projection.waiting"), "the projection to wait", 30)

    def listed() -> bool:
        return any(item["id"] == workflow_id for item in system.get("/workflows").json()["items"])

    system.until(listed, "the list to show it", 20)
    assert supervisor == system.pid("supervisor")
