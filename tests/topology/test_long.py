"""What takes too long for `make test`: the topology with TLS, with a crew, and over several rounds."""

from contextlib import AsyncExitStack

import pytest

from tests.topology.audience import open_audience
from tests.topology.compose import PLAIN, ROOT, WITH_TLS
from tests.topology.topology import open_topology
from tests.topology.upheaval import kill_some, replace_all

ONLOOKERS = ("grafana", "prometheus")
QUICK = {"LASTWORD_WORK": str(ROOT / "tests" / "topology" / "work")}


async def test_tls_everywhere_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients reach the proxy by TLS, and every process NATS; the servers each other as well."""
    async with AsyncExitStack() as stack:
        topology = await stack.enter_async_context(open_topology(WITH_TLS, environ=QUICK, without=ONLOOKERS))
        monkeypatch.setenv("SSL_CERT_FILE", str(topology.secrets / "ca.pem"))  # whom clients here trust
        audience = await stack.enter_async_context(open_audience(topology))
        assert topology.url("proxy").startswith("https://")
        await kill_some(topology, audience)
        await replace_all(topology, audience)
        assert [] == await audience.judge()
        for node in ("nats-1", "nats-2", "nats-3"):
            assert "TLS required for client connections" in topology.containers[node].said


@pytest.mark.parametrize("rounds", [3])
async def test_round_after_round(rounds: int) -> None:
    """What was killed and replaced is killed and replaced again, and nothing wears out."""
    async with (
        open_topology(PLAIN, environ=QUICK, without=ONLOOKERS) as topology,
        open_audience(topology) as audience,
    ):
        for _ in range(rounds):
            await kill_some(topology, audience)
            await replace_all(topology, audience)
        assert [] == await audience.judge()


async def test_the_work_that_comes_with_it_is_offered() -> None:
    """Without a folder of one's own, executors serve what lies in deploy/work: a crew is among it."""
    async with open_topology(PLAIN, without=ONLOOKERS) as topology, open_audience(topology) as audience:
        offered = {one["name"]: one["kind"] for one in (await audience.get("/definitions"))["items"]}
        assert {"wait": "function", "count-words": "function", "research-brief": "crew"} == offered
        await audience.begin("count-words", text="one two two")
        assert [] == await audience.judge()
