"""The canary, outside of a real system: content with the truth, and not deceived by an edge that lies."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.integration.system.harness import System, free_port


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Give a system that serves the canary's workflow."""
    system = System(tmp_path_factory.mktemp("canary"), config="canary.toml")
    try:
        yield system.start().await_definitions("canary")
        assert [] == system.logged("bus.permission_denied")
    finally:
        system.destroy()


class LyingEdge:
    """Stands before an edge and passes on what it says; of what streams say, what and when it likes."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rpartition(":")[2])
        self.delay_s: float | None = 0.0
        """How late it passes on what a stream says; None: never."""

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[str, None]:
        """Give the URL at which it listens."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = await reader.readuntil(b"\r\n\r\n")
        their_writer.write(head)
        is_stream = head.startswith((b"GET /ws/", b"GET /events/"))
        back = self._pass_late if is_stream else self._pass_on
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(reader, their_writer))
                both.create_task(back(their_reader, writer))
        except* OSError:
            pass  # one side has gone, and the other goes with it
        finally:
            writer.close()
            their_writer.close()

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while some := await source.read(65_536):
            target.write(some)
            await target.drain()
        target.close()

    async def _pass_late(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Greet at once, so that the link looks well, and then be late with everything."""
        target.write(await source.readuntil(b"\r\n\r\n"))
        while some := await source.read(65_536):
            if self.delay_s is not None:
                asyncio.get_running_loop().call_later(self.delay_s, target.write, some)
        if self.delay_s is not None:
            await asyncio.sleep(self.delay_s)
        target.close()


@asynccontextmanager
async def canary(system: System, url: str, *arguments: str) -> AsyncGenerator[str, None]:
    """Run a canary against an edge; give the URL of its metrics, and see it end well when it is asked to."""
    port = free_port()
    command = [sys.executable, "-m", "lastword", "canary", "--url", url, "--interval", "1"]
    with (system.folder / "canary.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220  it only starts it
            [*command, "--listen", f"127.0.0.1:{port}", *arguments],
            env=system.environ,
            cwd=system.folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"http://127.0.0.1:{port}/metrics"
        process.send_signal(signal.SIGTERM)
        assert 0 == await asyncio.to_thread(process.wait, 20)
    finally:
        process.kill()
        process.wait()


async def runs(metrics_url: str) -> dict[str, float]:
    """Return how many runs had which outcome."""
    async with httpx.AsyncClient() as http:
        try:
            text = (await http.get(metrics_url)).text
        except httpx.TransportError:
            return {}
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("lastword_canary_runs_total{"):
            labels, _, value = line.rpartition(" ")
            outcome = labels.partition('outcome="')[2].partition('"')[0]
            found[outcome] = found.get(outcome, 0.0) + float(value)
    return {outcome: count for outcome, count in found.items() if count}


async def until_run(metrics_url: str, system: System, outcome: str) -> None:
    """Return once a run had this outcome; fail with what the canary says where none has."""
    try:
        async with asyncio.timeout(40):
            while outcome not in await runs(metrics_url):  # noqa: ASYNC110  another process tells it
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError((system.folder / "canary.log").read_text("utf-8")) from None


def test_every_ending_is_told_over_every_wire(system: System) -> None:
    """`--once` says so by its exit code, and how late by its log."""
    done = system.cli("canary", "--once", "--late", "10", limit_s=55)
    sung = [json.loads(line) for line in done.stdout.splitlines()]
    assert 0 == done.returncode, done.stdout + done.stderr
    assert [(wire, ending) for wire in ("ws", "sse") for ending in ("success", "killed", "cancelled")] == [
        (song["wire"], song["ending"]) for song in sung
    ]
    assert {"told"} == {song["outcome"] for song in sung}
    assert all(0 < song["lag_s"] < 10 for song in sung)


async def test_an_edge_that_begins_to_lie_is_found_out(system: System) -> None:
    """Told, then late, then never, while the link stands and polling shows the truth."""
    lying = LyingEdge(system.url)
    async with lying.open() as url, canary(system, url, "--late", "2", "--patience", "4") as metrics_url:
        await until_run(metrics_url, system, "told")
        lying.delay_s = 2.5
        await until_run(metrics_url, system, "late")
        lying.delay_s = None
        await until_run(metrics_url, system, "untold")
        assert "wrong" not in await runs(metrics_url)  # `stuck` is no lie, and a busy machine may be it
