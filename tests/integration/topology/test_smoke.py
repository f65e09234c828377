"""The whole topology under clients: whatever dies or is replaced behind the proxy, they are told the truth."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from lastword.bus import open_bus
from lastword.contracts import subjects
from lastword.contracts.permissions import User, inbox
from tests.topology.audience import Audience, open_audience
from tests.topology.compose import ROOT
from tests.topology.container import Container
from tests.topology.topology import Topology, open_topology

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
async def topology() -> AsyncGenerator[Topology, None]:
    """Run what `make topology` runs, without what only looks on."""
    async with open_topology(
        environ={"LASTWORD_WORK": str(ROOT / "tests/topology/work")},
        without=("grafana", "prometheus"),
        grace_s=1.0,
    ) as running:
        yield running


async def leader(topology: Topology) -> Container:
    """Return the server that leads the log."""
    settings = topology.bus_settings(User.SUPERVISOR)
    async with open_bus(settings, name="census", inbox_prefix=inbox(User.SUPERVISOR)) as bus:
        told: dict[str, Any] = await bus.ask_api(f"STREAM.INFO.{subjects.LOG_STREAM}")
    return topology.containers[told["cluster"]["leader"]]


async def holder(topology: Topology, audience: Audience, workflow: str) -> Container:
    """Return the executor that runs a workflow."""
    name = (await audience.see(workflow, "running"))["executor"]
    executors = (await audience.get("/executors"))["items"]
    pid = next(one["pid"] for one in executors if one["executor"] == name)
    return next(one for one in topology.of("executor") if one.pid == pid)


async def test_clients_notice_nothing_but_the_truth(topology: Topology) -> None:
    """Killed: an executor, a supervisor, the leader of NATS. Replaced, one by one: everything of ours."""
    began_s = time.monotonic()

    def mark(what: str) -> None:
        print(f"{time.monotonic() - began_s:6.1f} s  {what}", flush=True)

    async with open_audience(topology) as audience:
        # An executor is killed: what it ran has failed, what the other runs goes on.
        long = [await audience.begin("wait", seconds=25) for _ in range(4)]
        victim = await holder(topology, audience, long[0])
        held = {one: await holder(topology, audience, one) for one in long}
        victim.kill()
        lost = [one for one in long if held[one] is victim]
        for one in lost:
            found = await audience.see(one, "failed")
            assert "executor_lost" == found["error"]["code"]
        mark("executor killed")

        # A supervisor is killed in the middle of it: the other does the work.
        supervisor = topology.of("supervisor")[0]
        supervisor.kill()
        words = await audience.begin("count-words", text="the last word is the last word")
        await audience.see(words, "success")
        mark("supervisor killed")

        # The server that leads the log is killed: another does, and what was said stays said.
        node = await leader(topology)
        node.kill()
        cancelled = await audience.begin("wait", seconds=60)
        await audience.see(cancelled, "running")
        await audience.cancel(cancelled)
        await audience.see(cancelled, "cancelled")
        mark("leader killed")
        await asyncio.gather(*(one.revive() for one in (victim, supervisor, node)))
        mark("revived")

        # Everything is replaced, in the order of an upgrade; each time, work begins and ends.
        for service in ("supervisor", "auditor", "executor", "edge-1", "edge-2", "proxy"):
            for container in topology.of(service):
                assert 0 == await container.roll(), container.said[-2000:]
                mark(container.name)
            await audience.begin("count-words", text=service)
        for service in ("nats-1", "nats-2", "nats-3"):
            (container,) = topology.of(service)
            await container.roll()
            await audience.begin("count-words", text=service)
            mark(service)

        for one in set(long) - set(lost):
            assert "success" == (await audience.see(one, "success", "failed"))["status"]
        assert [] == await audience.judge()
        mark("judged")
        assert {"sse", "ws", "polling"} <= {one.wire for one in audience.recorders if one.ends}
        assert any(one.breaks for one in audience.recorders)
