"""The system under the ordeals, and what is looked at after each."""

import shutil
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from msgspec import Struct

from lastword.settings import read_settings
from tests.integration.system.harness import System
from tests.overload.bounds import allowances_mb
from tests.overload.memory import Meter

__all__ = ["PATIENCE_S", "Outcome", "Stage", "open_stage"]

PROJECT: Final = Path(__file__).with_name("project")
DEFINITIONS: Final = ("add", "prints", "bulky", "ticks", "holds")
ENDED: Final = {"success", "failed", "cancelled"}
PLAIN_S: Final = 30.0  # within which a plain workflow ends, on a machine that others use too; 0.1 is usual
PATIENCE_S: Final = 120.0


class Outcome(Struct, kw_only=True):
    """How an ordeal went."""

    name: str
    told: str
    """What was asked and answered, in a few words."""
    took_s: float = 0.0
    faults: list[str] = []
    """What must not be."""
    peak: dict[str, float] = {}
    """Megabytes, by process."""
    allowed: dict[str, float] = {}
    after: dict[str, float] = {}
    plain_s: float = 0.0
    """How long a plain workflow took afterwards, from the request to its end."""


class Stage:
    """One `lastword up`, with its defaults."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.settings = read_settings(system.environ, system.folder)
        self.meter = Meter(system.run_file["pids"])
        self.port = int(system.environ["LASTWORD_HTTP__PORT"])

    @contextmanager
    def ordeal(self, name: str, *, connections: int = 0, waiting: int = 0) -> Generator[Outcome, None, None]:
        """Measure what happens in the block, then see that all is as it was before."""
        outcome = Outcome(name=name, told="")
        began_s = time.monotonic()
        with self.meter.measuring():
            yield outcome
            outcome.took_s = time.monotonic() - began_s
        self._look(outcome, connections=connections, waiting=waiting)

    def _look(self, outcome: Outcome, *, connections: int, waiting: int) -> None:
        allowances = allowances_mb(self.settings, connections=connections, waiting=waiting)
        outcome.allowed = {role: held + allowances[role] for role, held in self.meter.rest.items()}
        outcome.peak = dict(self.meter.peak)
        outcome.faults += [
            f"{role} held {held:.0f} MB of {outcome.allowed[role]:.0f}"
            for role, held in outcome.peak.items()
            if held > outcome.allowed[role]
        ]
        began_s = time.monotonic()
        ended = self.system.await_end(self.start_patiently("add", a=40), limit_s=PATIENCE_S)
        outcome.plain_s = time.monotonic() - began_s
        if ended["status"] != "success" or outcome.plain_s > PLAIN_S:
            outcome.faults.append(f"a plain workflow was {ended['status']} after {outcome.plain_s:.1f} s")
        outcome.after = self.meter.now()
        pids = self.system.run_file["pids"]
        if pids != {**pids, **self.meter.pids}:
            outcome.faults.append("a process was restarted")
        for event in ("task.failed", "role.ended", "edge.request_failed", "command.crashed"):
            outcome.faults += [f"{event}: {str(line)[:300]}" for line in self.system.logged(event)[:3]]
        if self.system.get("/health/ready").status_code != 200:
            outcome.faults.append("the edge is not ready")

    def start_patiently(self, definition: str, **inputs: Any) -> str:
        """Start a workflow, as often as the edge says to ask again; return its id."""
        until = time.monotonic() + PATIENCE_S
        while True:
            body = {"definition": definition, "inputs": inputs}
            answer = httpx.post(f"{self.system.url}/workflows", json=body, timeout=30.0)
            if answer.status_code == 201:
                return str(answer.json()["id"])
            assert answer.status_code == 503, answer.text
            assert time.monotonic() < until, answer.text
            time.sleep(int(answer.headers["retry-after"]))

    def read_patiently(self, path: str, *, until: Callable[[httpx.Response], bool]) -> httpx.Response:
        """Return what the edge says, once it says 200 and `until` agrees, or when patience has ended."""
        limit = time.monotonic() + PATIENCE_S
        while True:
            answer = httpx.get(f"{self.system.url}{path}", timeout=30.0)
            if (answer.status_code == 200 and until(answer)) or time.monotonic() > limit:
                return answer
            time.sleep(int(answer.headers.get("retry-after", "1")))

    def lost(self, workflow_ids: Sequence[str], limit_s: float) -> list[str]:
        """Wait until all have ended; return those that have not in time."""
        left = set(workflow_ids)
        until = time.monotonic() + limit_s
        while left and time.monotonic() < until:
            left -= self._ended(left)
            if left:
                time.sleep(0.2)
        return sorted(left)

    def statuses(self, workflow_ids: Sequence[str]) -> dict[str, str]:
        """Return how each stands, as the list shows it."""
        return {one["id"]: one["status"] for one in self._list(set(workflow_ids))}

    def _ended(self, wanted: set[str]) -> set[str]:
        return {one["id"] for one in self._list(wanted) if one["status"] in ENDED}

    def _list(self, wanted: set[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = None
        while len(found) < len(wanted):
            given = {"limit": "200", **({"cursor": cursor} if cursor else {})}
            page = self.system.get("/workflows", params=given).json()
            found += [one for one in page["items"] if one["id"] in wanted]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        return found


@contextmanager
def open_stage(folder: Path, **environ: str) -> Generator[Stage, None, None]:
    """Start a system with loads to run."""
    system = System(folder, config="loads.toml", **environ)
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
    for name in ("LASTWORD_EXECUTOR__HEARTBEAT_INTERVAL_S", "LASTWORD_AUDITOR__HEARTBEAT_TIMEOUT_S"):
        del system.environ[name]  # the short ones of tests would be missed on a busy machine
    try:
        system.start().await_definitions(*DEFINITIONS)
        system.await_end(system.begin("add", a=1))
        yield Stage(system)
        system.stop()
    finally:
        system.destroy()
