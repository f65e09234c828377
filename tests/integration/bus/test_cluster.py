"""Three NATS nodes: every stream has three copies; one node may die, and without two everyone is told so."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from lastword.actors.queues import job_queue
from lastword.bus import AppendUncertain, Outputs, StatusLog, Unavailable, ensure_streams
from lastword.contracts import subjects
from lastword.contracts.permissions import STREAMS
from tests.integration.backends import ClusterBackend
from tests.integration.http.conftest import kinds, next_frame, told
from tests.integration.live.stage import LiveEdge, open_stage, until
from tests.integration.postgres import PrivatePostgres
from tests.integration.servers import ClusterServer, make_record, run_cluster

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncGenerator[ClusterServer, None]:
    """Run three nodes, and nothing else."""
    async with run_cluster(tmp_path / "cluster") as server:
        yield server


@pytest.mark.slow
async def test_a_leader_may_die(cluster: ClusterServer) -> None:
    """Streams, consumers and results are kept three times; an append finds the new leader by itself."""
    async with (
        cluster.open("supervisor") as bus,
        cluster.open("executor") as executor,
        cluster.open("edge") as edge,
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

        cluster.cluster.kill(leader)

        second = await log.append(make_record(version=2), expected=first.position)
        assert [first.position, second.position] == [entry.position for entry in await log.records("w-1")]
        assert b'"tides"' == await Outputs(edge).result(kept)


async def test_streams_are_made_once_all_nodes_are_up(cluster: ClusterServer) -> None:
    """Three copies need three nodes: a start while one is down waits for it, and says what is missing."""
    cluster.cluster.kill("nats-2")
    async with cluster.open("supervisor") as bus:
        with pytest.raises(Unavailable):
            await ensure_streams(bus, partitions=2, patience_s=0.0)
        ensuring = asyncio.create_task(ensure_streams(bus, partitions=2, patience_s=60.0))
        await asyncio.wait({ensuring}, timeout=0.5)
        assert not ensuring.done()
        await cluster.start()
        await ensuring
        assert {3} == {
            (await bus.ask_api(f"STREAM.INFO.{name}"))["config"]["num_replicas"] for name in STREAMS
        }


@pytest.mark.slow
async def test_without_a_majority_nothing_is_acknowledged_and_all_goes_on_with_it(
    cluster: ClusterServer,
) -> None:
    """Two of three are gone: an append is said to be uncertain; it is there at most once afterwards."""
    async with cluster.open("supervisor", request_timeout_s=0.5, append_timeout_s=2.0) as bus:
        await ensure_streams(bus, partitions=2)
        log = StatusLog(bus)
        first = await log.append(make_record(version=1), expected=0)
        cluster.cluster.kill("nats-1", "nats-2")
        with pytest.raises(AppendUncertain):
            await log.append(make_record(version=2), expected=first.position)
        with pytest.raises(Unavailable):
            await log.read("w-1")
        await cluster.start()
    async with cluster.open("supervisor") as bus:
        log = StatusLog(bus)
        second = await log.append(make_record(version=2), expected=first.position)
        assert [first.position, second.position] == [entry.position for entry in await log.records("w-1")]


@pytest.mark.slow
async def test_without_a_majority_clients_are_told_to_come_back(
    cluster: ClusterServer, postgres: PrivatePostgres, tmp_path: Path
) -> None:
    """A command gets 503 with Retry-After; a stream that was open tells the rest once a majority is back."""
    database = ClusterBackend(postgres).database(tmp_path)
    async with open_stage(cluster, tmp_path, database=database) as stage:
        edge = await stage.open_edge()
        await edge.ready()
        play = await stage.play().run()
        async with connect(f"{edge.ws}/ws/workflows/{play.id}") as socket:
            await next_frame(socket, "snapshot")
            cluster.cluster.kill("nats-1", "nats-2")
            await until(lambda: _is_refused(edge))
            await cluster.start()
            await until(lambda: _begins(edge))
            await play.end()
            await until(lambda: _has_ended(edge, play.id))
            frames, code = await told(socket)
            assert (["status", "end"], 1000) == (kinds(frames)[-2:], code)


async def _is_refused(edge: LiveEdge) -> bool:
    """Tell whether a command is refused as it should be; one that was under way may be answered otherwise."""
    answer = await edge.client.post("/workflows", json={"definition": "played", "inputs": {}})
    return (answer.status_code, answer.json().get("code")) == (503, "unavailable") and int(
        answer.headers["retry-after"]
    ) >= 1


async def _has_ended(edge: LiveEdge, workflow_id: str) -> bool:
    answer = await edge.client.get(f"/workflows/{workflow_id}")
    return bool(answer.json().get("status") == "success")


async def _begins(edge: LiveEdge) -> bool:
    answer = await edge.client.post("/workflows", json={"definition": "played", "inputs": {}})
    return answer.status_code == 201
