"""An edge as a deployment runs it: a process of its own, with real signals and memory of its own."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.integration.http.conftest import PLAIN
from tests.integration.live.stage import Stage, until

__all__ = ["EdgeProcess", "run_edge_process"]

START_S = 90.0  # two on a machine that does nothing else
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


class EdgeProcess:
    """`lastword run edge`, and what may be done to it."""

    def __init__(self, stage: Stage, folder: Path, **http: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        settings = stage.settings
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LASTWORD")}
        self._environ = {
            **kept,
            "LASTWORD_DATA_DIR": settings.data_dir,
            "LASTWORD_STORAGE__URL": str(settings.storage.url),
            "LASTWORD_BUS__URL": str(settings.bus.url),
            "LASTWORD_BUS__USER": str(settings.bus.user),
            "LASTWORD_BUS__PASSWORD": str(settings.bus.password),
            "LASTWORD_BUS__REPLICAS": str(settings.bus.replicas),
            "LASTWORD_HTTP__PORT": str(port),
            **{f"LASTWORD_HTTP__{name.upper()}": value for name, value in http.items()},
        }
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.AsyncClient(
            base_url=self.url,
            trust_env=False,
            verify=PLAIN,
            timeout=40,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    @property
    def ws(self) -> str:
        """The address for WebSocket."""
        return self.url.replace("http", "ws", 1)

    @property
    def rss_kb(self) -> int:
        """How much memory it holds."""
        statm = Path(f"/proc/{self._running.pid}/statm").read_text("ascii")
        return int(statm.split()[1]) * PAGE_KB

    async def start(self) -> None:
        """Start it, and return when it is ready."""
        with (self._folder / "edge.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "lastword", "run", "edge"),
                cwd=self._folder,
                env=self._environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        await until(self._is_ready, START_S)

    async def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        process = self._running
        process.send_signal(sent)
        async with asyncio.timeout(40):
            return await process.wait()

    async def close(self) -> None:
        """Make sure that nothing is left."""
        if self._process is not None and self._process.returncode is None:
            await self.stop(signal.SIGKILL)
        await self.client.aclose()

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    async def _is_ready(self) -> bool:
        assert self._running.returncode is None, (self._folder / "edge.log").read_text("utf-8")[-2_000:]
        try:
            return (await self.client.get("/health/ready")).status_code == 200
        except httpx.TransportError:
            return False


@asynccontextmanager
async def run_edge_process(stage: Stage, folder: Path, **http: str) -> AsyncGenerator[EdgeProcess, None]:
    """Run an edge until the block is left; `http` are its settings."""
    edge = EdgeProcess(stage, folder, **http)
    try:
        await edge.start()
        yield edge
    finally:
        await edge.close()
