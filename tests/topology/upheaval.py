"""What befalls a topology: killed and replaced, one after the other, under the eyes of its audience."""

import asyncio
from typing import Any

import structlog

from lastword.bus import open_bus
from lastword.contracts import subjects
from lastword.contracts.permissions import User, inbox
from tests.chaos.checker import VERDICTS
from tests.topology.audience import Audience
from tests.topology.container import Container
from tests.topology.topology import Topology

__all__ = ["LASTS_S", "kill_some", "replace_all"]

log = structlog.get_logger(__name__)

LASTS_S = 25.0
"""How long the work takes that outlives the killing; no longer than an executor may drain."""
REPLACED = ("supervisor", "auditor", "executor", "edge-1", "edge-2", "proxy", "nats-1", "nats-2", "nats-3")
"""In the order of an upgrade; each time, work is begun."""


async def kill_some(topology: Topology, audience: Audience) -> list[str]:
    """Kill an executor, a supervisor and the leader of NATS; return the workflows that survived them."""
    long = [await audience.begin("wait", seconds=LASTS_S) for _ in range(4)]
    held = {workflow: await _holder(topology, audience, workflow) for workflow in long}
    executor = held[long[0]]
    executor.kill()
    lost = [workflow for workflow in long if held[workflow] is executor]
    for workflow in lost:
        found = await audience.see(workflow, "failed")
        assert found["error"]["code"] in VERDICTS, found[
            "error"
        ]  # which one is a matter of the first evidence
    log.info("topology.killed", victim=executor.name, lost=len(lost))

    supervisor = topology.of("supervisor")[0]
    supervisor.kill()
    words = await audience.begin("count-words", text="the last word is the last word")
    await audience.see(words, "success")
    log.info("topology.killed", victim=supervisor.name)

    node = await _leader(topology)
    node.kill()
    cancelled = await audience.begin("wait", seconds=60)
    await audience.see(cancelled, "running")
    await audience.cancel(cancelled)
    await audience.see(cancelled, "cancelled")
    log.info("topology.killed", victim=node.name)
    await asyncio.gather(*(one.revive() for one in (executor, supervisor, node)))
    return [workflow for workflow in long if workflow not in lost]


async def replace_all(topology: Topology, audience: Audience) -> None:
    """Replace every container as an upgrade does, one by one, and begin work after each."""
    for service in REPLACED:
        for container in topology.of(service):
            code = await container.roll()
            assert code == 0 or service.startswith("nats-"), container.said[-2000:]  # it says 1 to SIGTERM
            log.info("topology.replaced", name=container.name)
            await audience.begin("count-words", text=service)


async def _leader(topology: Topology) -> Container:
    """Return the server that leads the log."""
    settings = topology.bus_settings(User.SUPERVISOR)
    async with open_bus(settings, name="census", inbox_prefix=inbox(User.SUPERVISOR)) as bus:
        told: dict[str, Any] = await bus.ask_api(f"STREAM.INFO.{subjects.LOG_STREAM}")
    return topology.containers[told["cluster"]["leader"]]


async def _holder(topology: Topology, audience: Audience, workflow: str) -> Container:
    """Return the executor that runs a workflow."""
    name = (await audience.see(workflow, "running"))["executor"]
    executors = (await audience.get("/executors"))["items"]
    pid = next(one["pid"] for one in executors if one["executor"] == name)
    return next(one for one in topology.of("executor") if one.pid == pid)
