"""What takes too long for `make test`: the topology with TLS, with a crew, and over several rounds."""

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.topology.audience import open_audience
from tests.topology.compose import PLAIN, ROOT, WITH_TLS
from tests.topology.topology import ONLOOKERS, open_topology
from tests.topology.upheaval import kill_some, replace_all

QUICK = {"DEPLOY_WORK": str(ROOT / "tests" / "topology" / "work")}


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
        assert {
            "wait": "function",
            "count-words": "function",
            "research-brief": "crew",
            "canary": "function",
        } == offered
        await audience.begin("count-words", text="one two two")
        assert [] == await audience.judge()


async def test_it_can_be_saved_as_it_runs() -> None:
    """By the service that a person starts, whose key reads everything; a folder with a manifest is whole."""
    async with (
        open_topology(PLAIN, environ=QUICK, without=ONLOOKERS) as topology,
        open_audience(topology) as audience,
    ):
        await audience.see(await audience.begin("count-words", text="one two two"), "success")
        room = await topology.run_by_hand("backup", "backup", "/backups/saved")
        assert room.path("/backups/saved/manifest.json").exists()
        assert [] == await audience.judge()


async def test_it_tells_where_everything_is_and_leaves_nothing_behind() -> None:
    """What `make topology` prints is what is there; after Ctrl-C it is gone, to the last process."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.topology"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout is not None
    said: dict[str, str] = {}
    async with asyncio.timeout(240):
        while b"Ctrl-C" not in (line := await program.stdout.readline()):
            assert line or program.returncode is None
            words, _, value = line.decode().strip().rpartition(" ")
            said[words.strip()] = value
    token = said["a viewer's token"]
    bearer = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False, headers=bearer) as client:
        summary = await client.get(f"{said['the app and the API']}/summary")
        assert summary.status_code == 200
        scraped = (await client.get(f"{said['Prometheus']}/api/v1/targets")).json()["data"]["activeTargets"]
    assert {"lastword", "lastword-canary", "prometheus"} == {target["labels"]["job"] for target in scraped}
    program.send_signal(signal.SIGINT)
    assert await program.wait() == 0
    folder = said["logs, one folder each"]
    assert (False, []) == _left(folder)


def _left(folder: str) -> tuple[bool, list[Path]]:
    """Return whether the folder is there, and who works in it."""
    return Path(folder).exists(), [
        path for path in Path("/proc").glob("[0-9]*/cwd") if folder in _target(path)
    ]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""
