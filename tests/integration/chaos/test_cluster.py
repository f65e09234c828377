"""Three NATS nodes: every stream has three copies, and the death of a leader loses nothing."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from lastword.actors.queues import job_queue
from lastword.bus import Bus, Outputs, StatusLog, ensure_streams, open_bus
from lastword.contracts import subjects
from lastword.contracts.permissions import STREAMS, User, inbox
from tests.chaos.deployment import Deployment
from tests.chaos.plan import Cast
from tests.integration.servers import make_record


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncGenerator[Deployment, None]:
    """Run three nodes, and nothing else."""
    deployment = Deployment(tmp_path, Cast(nodes=3, postgres=False), None, "")
    deployment.add_nodes()
    try:
        await deployment.start("nats")
        yield deployment
    finally:
        await deployment.close()


@pytest.mark.slow
async def test_a_leader_may_die(cluster: Deployment) -> None:
    """Streams, consumers and results are kept three times; an append finds the new leader by itself."""
    async with (
        _open(cluster, User.SUPERVISOR) as bus,
        _open(cluster, User.EXECUTOR) as executor,
        _open(cluster, User.EDGE) as edge,
    ):
        await ensure_streams(bus, partitions=2)
        await job_queue(bus, "some-work").ensure()
        log = StatusLog(bus)
        first = await log.append(make_record(version=1), expected=0)
        kept = await Outputs(executor).keep_result("w-1", 1, b'"tides"')
        copies = {
            name: (await bus.ask_api(f"STREAM.INFO.{name}"))["config"]["num_replicas"] for name in STREAMS
        }
        queue = await bus.ask_api(f"CONSUMER.INFO.{subjects.JOB_STREAM}.job-some-work")
        assert dict.fromkeys(STREAMS, 3) == copies
        assert 2 == len(queue["cluster"]["replicas"])  # besides its leader
        leader = (await bus.ask_api(f"STREAM.INFO.{subjects.LOG_STREAM}"))["cluster"]["leader"]

        cluster.places[leader].kill()

        second = await log.append(make_record(version=2), expected=first.position)
        assert [first.position, second.position] == [entry.position for entry in await log.records("w-1")]
        assert b'"tides"' == await Outputs(edge).result(kept)


def _open(cluster: Deployment, user: User) -> AbstractAsyncContextManager[Bus]:
    return open_bus(cluster.bus_settings(user), name=user, inbox_prefix=inbox(user))
