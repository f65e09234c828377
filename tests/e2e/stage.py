"""A whole system whose workflows a test holds in its hand: it says when and how each of them ends."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from tests.integration.system.harness import START_S, System, free_port

__all__ = ["ACTS", "NAMES", "Stage"]

ACTS: Final = Path(__file__).with_name("project")
NAMES: Final = ("add", "steps", "raises", "dies", "held", "quiet", "tells", "fails-at-length", "shapeless")
BRISK: Final = {
    "LASTWORD_HTTP__PING_S": "2",  # a silent stream is lost after five seconds; by default after 37
    "LASTWORD_HTTP__POLL_S": "0.5",  # by default two seconds
    "LASTWORD_EXECUTOR__SLOTS": "32",
}


class Stage(System):
    """A system with workflows that go on until they are told to end."""

    def __init__(self, folder: Path, **environ: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, config="e2e.toml", **{**BRISK, **environ})
        shutil.copytree(ACTS, folder, dirs_exist_ok=True)
        self._gates: dict[str, Path] = {}
        self._edges: list[subprocess.Popen[bytes]] = []

    def post_json(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a body; return the answer, which must be a good one."""
        answer = httpx.post(f"{self.url}{path}", json=dict(body), timeout=15.0).raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    def hold(self, definition: str = "held", **start: Any) -> str:
        """Start a workflow that runs until `let_go` or `kill_process`; return its id once it runs."""
        gate = self.folder / f"gate-{len(self._gates)}"
        workflow = self.begin(definition, gate=str(gate), **start)
        self._gates[workflow] = gate
        self.await_status(workflow, "running")
        self.until(lambda: self._pid(workflow), f"the process of {workflow}", 20.0)
        return workflow

    def let_go(self, *workflows: str) -> float:
        """Let the work end well; return when that was, in seconds since 1970."""
        at = time.time()
        for workflow in workflows:
            self._gates[workflow].touch()
        return at

    def kill_process(self, *workflows: str) -> float:
        """Kill the processes with -9; return when that was."""
        at = time.time()
        for workflow in workflows:
            os.kill(self._pid(workflow), signal.SIGKILL)
        return at

    def kill_executor(self) -> float:
        """Kill the executor with -9, and its processes with it; return when that was."""
        at = time.time()
        self.kill("executor")
        return at

    def restart_edge(self) -> None:
        """Kill the edge with -9; what keeps the roles starts another on the same port."""
        self.kill("edge")

    def second_edge(self, **settings: str) -> str:
        """Start another edge of this system with settings of its own (`WS="false"`); return its address."""
        port = str(free_port())
        environ = {f"LASTWORD_HTTP__{name}": value for name, value in {**settings, "PORT": port}.items()}
        with (self.folder / "edges.log").open("ab") as log:
            edge = subprocess.Popen(
                [sys.executable, "-m", "lastword", "run", "edge"],
                cwd=self.folder,
                env={**self.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._edges.append(edge)
        url = f"http://127.0.0.1:{port}"
        self.until(lambda: httpx.get(f"{url}/health/ready").is_success, "a second edge", START_S)
        return url

    def destroy(self) -> None:
        """Make sure that nothing is left."""
        for edge in self._edges:
            edge.kill()
            edge.wait()
        super().destroy()

    def await_ends(self, workflows: Iterable[str]) -> None:
        """Return once all of them have ended."""
        for workflow in workflows:
            self.await_end(workflow, limit_s=40.0)

    def _pid(self, workflow: str) -> int:
        at = self._gates[workflow].with_suffix(".pid")
        return int(at.read_text("utf-8") or 0) if at.exists() else 0
