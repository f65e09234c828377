"""The coroner: reads what workflows' processes say of themselves, and has the kernel tell of their ends."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any, Final

from tests.chaos.history import Lived

__all__ = ["Coroner"]

LOOK_EVERY_S: Final = 0.03


class Coroner:
    """Watches a folder in which each process writes into a file of its own, `<workflow>.<pid>`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._living: dict[str, int] = {}
        """Pidfds by file name."""
        self._ended: dict[str, float] = {}

    async def watch(self) -> None:
        """Watch until cancelled."""
        while True:
            for entry in os.scandir(self.folder):
                if entry.name not in self._living and entry.name not in self._ended:
                    self._meet(entry.name)
            await asyncio.sleep(LOOK_EVERY_S)

    def living(self) -> list[tuple[str, int]]:
        """Return the processes that have not ended, as workflow and pid."""
        return [(workflow, int(pid)) for workflow, _, pid in (name.partition(".") for name in self._living)]

    def report(self) -> tuple[Lived, ...]:
        """Return what is known of each process."""
        return tuple(self._lived(path) for path in sorted(self.folder.iterdir()))

    def _meet(self, name: str) -> None:
        try:
            pidfd = os.pidfd_open(int(name.partition(".")[2]))
        except ProcessLookupError:  # it was quicker than we look
            self._ended[name] = time.monotonic()
            return
        self._living[name] = pidfd
        asyncio.get_running_loop().add_reader(pidfd, self._bury, name, pidfd)

    def _bury(self, name: str, pidfd: int) -> None:
        self._ended[name] = time.monotonic()
        asyncio.get_running_loop().remove_reader(pidfd)
        os.close(pidfd)
        del self._living[name]

    def _lived(self, path: Path) -> Lived:
        workflow, _, pid = path.name.partition(".")
        said: list[dict[str, Any]] = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return Lived(
            workflow=workflow,
            pid=int(pid),
            began_s=said[0]["at_s"],
            word=said[1]["word"] if len(said) > 1 else None,
            ended_s=self._ended.get(path.name),
        )
