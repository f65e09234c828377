"""How much memory each process holds, and held at most: what is shared counts in parts (PSS)."""

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["ROLES", "Meter", "held_mb"]

ROLES: Final = ("supervisor", "auditor", "executor", "edge", "nats")
EVERY_S: Final = 0.1
MB: Final = 1_000_000


def held_mb(pid: int) -> float:
    """Return what a process holds, in megabytes; 0 where it has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    except OSError:
        return 0.0
    pss = next((line for line in rollup.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return int(pss.split()[1]) * 1024 / MB


class Meter:
    """Watches the processes of a system."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self.pids = {role: pids[role] for role in ROLES}
        self.rest = self.now()
        """Megabytes before anything was asked."""
        self.peak = dict(self.rest)
        """The most that was seen since `measuring` began."""

    def now(self) -> dict[str, float]:
        """Return what each holds now."""
        return {role: held_mb(pid) for role, pid in self.pids.items()}

    @contextmanager
    def measuring(self) -> Generator[None, None, None]:
        """Keep the peaks of what happens in the block."""
        self.peak = self.now()
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(over,), name="meter")
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(EVERY_S):
            for role, held in self.now().items():
                self.peak[role] = max(self.peak[role], held)
