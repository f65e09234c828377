"""The whole topology under clients: whatever dies or is replaced behind the proxy, they hear the truth."""

import pytest

from tests.topology.audience import open_audience
from tests.topology.compose import ROOT
from tests.topology.topology import ONLOOKERS, open_topology
from tests.topology.upheaval import kill_some, replace_all


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_clients_notice_nothing_but_the_truth() -> None:
    """Killed: an executor, a supervisor, the leader of NATS. Replaced, one by one: everything of ours.

    Over every wire each of them is told how all of it ended, once, and never steps back.
    """
    environ = {"DEPLOY_WORK": str(ROOT / "tests" / "topology" / "work")}
    async with (
        open_topology(environ=environ, without=ONLOOKERS, grace_s=1.0) as topology,
        open_audience(topology) as audience,
    ):
        survivors = await kill_some(topology, audience)
        await replace_all(topology, audience)
        for workflow in survivors:
            assert "success" == (await audience.see(workflow, "success", "failed"))["status"]
        assert [] == await audience.judge()
        assert {"sse", "ws", "polling"} <= {one.wire for one in audience.recorders if one.ends}
        assert any(one.breaks for one in audience.recorders)
