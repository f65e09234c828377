"""An executor that dies takes its processes with it, and nobody is left to say so: the auditor finds out."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import nats
import pytest

from lastword.bus import BusSettings, EmbeddedServer
from lastword.contracts import subjects
from lastword.contracts.events import Succeeded
from lastword.contracts.messages import RefusedReport, Report
from tests.integration.system.harness import System, free_port


async def _running(system: System, count: int) -> list[str]:
    """Start some long workflows; return their ids once they run."""
    ids = [system.begin("steps", count=2_000) for _ in range(count)]
    for workflow_id in ids:
        await asyncio.to_thread(system.await_status, workflow_id, "running")
    return ids


async def test_killed_executor_is_noticed_within_three_seconds(system: System) -> None:
    """With the server's disconnect events, kill -9 of the executor ends its workflows in 3 s."""
    system.start().await_definitions("steps")
    ids = await _running(system, 3)
    killed_at = time.monotonic()

    system.kill("executor")
    ended = [await asyncio.to_thread(system.await_end, workflow_id) for workflow_id in ids]

    assert time.monotonic() - killed_at < 3.0
    assert {"executor_lost"} == {workflow["error"]["code"] for workflow in ended}


async def test_processes_of_a_killed_executor_die_with_it(system: System) -> None:
    """No orphan goes on working, unseen."""
    system.start().await_definitions("steps")
    await _running(system, 1)
    (started,) = system.logged("workflow.process_started")

    system.kill("executor")

    system.until(lambda: not Path(f"/proc/{started['pid']}").exists(), "the process to end", 5)


async def test_work_goes_on_after_an_executor_was_killed(system: System) -> None:
    """The keeper starts another executor, which takes the next workflow."""
    system.start().await_definitions("add")
    first = system.run_file["pids"]["executor"]

    system.kill("executor")
    system.until(lambda: system.run_file["pids"]["executor"] != first, "another executor", 10)
    workflow = system.await_end(system.begin("add", a=1))

    assert "success" == workflow["status"]


@pytest.fixture
async def plain_server(tmp_path: Path) -> AsyncGenerator[EmbeddedServer, None]:
    """Give a server whose system account nobody tells lastword of."""
    server = EmbeddedServer(BusSettings(port=free_port()), tmp_path / "server")
    await server.start()
    yield server
    await server.stop()


async def test_without_disconnect_events_the_heartbeat_bound_holds(
    tmp_path: Path, plain_server: EmbeddedServer
) -> None:
    """With pulses alone, the verdict comes after the timeout, and not before."""
    system = System(
        tmp_path / "system",
        LASTWORD_BUS__URL=plain_server.url,
        LASTWORD_BUS__USER=plain_server.credentials.actor.user,
        LASTWORD_BUS__PASSWORD=plain_server.credentials.actor.password,
    )
    try:
        system.start().await_definitions("steps")
        ids = await _running(system, 2)
        await asyncio.sleep(3.0)  # the auditor's own grace after its start is over: what follows is the bound
        killed_at = time.monotonic()

        system.kill("executor")
        ended = [await asyncio.to_thread(system.await_end, workflow_id) for workflow_id in ids]

        # heartbeat timeout 2 s, at most a beat (0.5 s) of it gone by, marker 0.4 s late, two questions
        assert 1.0 < time.monotonic() - killed_at < 2.0 + 0.4 + 3 * 0.5 + 1.0
        assert {"heartbeat_timeout"} == {workflow["error"]["code"] for workflow in ended}
    finally:
        system.destroy()


async def test_report_under_another_lease_changes_nothing(system: System) -> None:
    """A zombie's success is refused with the reason `lease`, kept as evidence, and told to nobody."""
    system.start().await_definitions("steps")
    (workflow_id,) = await _running(system, 1)
    standing = system.workflow(workflow_id)
    user, password = system.administrator
    client = await nats.connect(system.nats_url.split(","), user=user, password=password)
    try:
        evidence = await client.subscribe(subjects.refused(workflow_id))
        now = datetime.now(UTC)
        event = Succeeded(lease=standing["position"] - 1, finished_at=now, result="a lie")
        report = Report(id=workflow_id, event=event, event_id="zombie", actor="zombie", at=now)
        await client.jetstream().publish(subjects.report(workflow_id), msgspec.json.encode(report))
        refused = msgspec.json.decode((await evidence.next_msg(timeout=5)).data, type=RefusedReport)
    finally:
        await client.close()

    assert "lease" == refused.reason
    assert standing["position"] == system.workflow(workflow_id)["position"]
    assert "running" == system.workflow(workflow_id)["status"]


async def test_stopped_executor_is_lost_and_fenced_when_it_wakes(system: System) -> None:
    """SIGSTOP for longer than the timeout fails the work; when the executor goes on, it ends the zombie."""
    import signal

    system.start().await_definitions("steps")
    (workflow_id,) = await _running(system, 1)
    (started,) = system.logged("workflow.process_started")

    executor = system.kill("executor", signal.SIGSTOP)
    ended = await asyncio.to_thread(system.await_end, workflow_id)
    os.kill(executor, signal.SIGCONT)

    assert "heartbeat_timeout" == ended["error"]["code"]
    system.until(lambda: not Path(f"/proc/{started['pid']}").exists(), "the zombie to be fenced", 10)
    assert ended["position"] == system.workflow(workflow_id)["position"]
