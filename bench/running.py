"""The system under measurement: `lastword up`, as its user starts it, with the default bounds."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

__all__ = ["Running", "running_system"]

PROJECT = Path(__file__).with_name("project")


class Running:
    """Where it is."""

    def __init__(self, data: Path, url: str) -> None:
        self._data = data
        self.url = url

    @property
    def told(self) -> dict[str, Any]:
        """What run.json says."""
        said: dict[str, Any] = json.loads((self._data / "run.json").read_text("utf-8"))
        return said

    def pid(self, role: str) -> int:
        """Return the process of a role."""
        return int(self.told["pids"][role])

    async def until_serving(self, definition: str) -> None:
        """Return when an executor that lives serves the definition."""
        async with httpx.AsyncClient(base_url=self.url, timeout=5) as http:
            for _ in range(600):
                try:
                    items: list[dict[str, Any]] = (await http.get("/executors")).json()["items"]
                    pid = self.pid("executor")
                except (httpx.HTTPError, OSError, ValueError):
                    items, pid = [], 0
                if any(one["pid"] == pid and definition in one["definitions"] for one in items):
                    return
                await asyncio.sleep(0.05)
        raise TimeoutError(f"nobody serves {definition}")


@asynccontextmanager
async def running_system(
    *, warm: bool = False, environ: Mapping[str, str] | None = None
) -> AsyncGenerator[Running, None]:
    """Start everything in a folder of its own, and stop it at the end; with `warm`, CrewAI is imported."""
    with tempfile.TemporaryDirectory(prefix="lastword-bench-") as name:
        folder = Path(name)
        shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
        if warm:
            shutil.copy(folder / "warm.toml", folder / "lastword.toml")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        variables = {
            **{key: value for key, value in os.environ.items() if not key.startswith("LASTWORD_")},
            "LASTWORD_HTTP__PORT": str(port),
            "LASTWORD_BUS__PORT": "0",
            **(environ or {}),
        }
        with (folder / "up.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "lastword", "up"],
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            running = Running(folder / ".lastword", f"http://127.0.0.1:{port}")
            await running.until_serving("parked")
            if warm:
                await running.until_serving("brief")
            yield running
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 20)
