"""The official JavaScript client hears what lastword's own subscribers hear."""

import signal
from pathlib import Path

import pytest

from tests.integration.outside.conftest import find_program, run
from tests.integration.system.harness import System

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("node") / "listen.mjs"


def test_a_listener_without_credentials_is_told_each_status_once(system: System, tmp_path: Path) -> None:
    """In order, the terminal one last; also after the server was killed under it."""
    node = find_program("node")
    assert node is not None
    with run(node, SCRIPT, system.nats_url, folder=tmp_path) as listener:
        listener.until(lambda line: line == "listening")
        added = system.begin("add", a=1)
        told = listener.records(added, "success")
        assert ["pending", "running", "success"] == [record["status"] for record in told]
        system.kill("nats", signal.SIGKILL)
        system.until(lambda: system.get("/health/ready").status_code == 200, "the edge to be back", 20)
        killed = system.begin("dies", how="kill")
        told = listener.records(killed, "failed")
        assert "abrupt_exit" == told[-1]["error"]["code"]
