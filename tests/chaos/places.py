"""Places: processes that are killed, frozen and started again, as a container's keeper would do it."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from lastword.wiring.process import die_with_parent

__all__ = ["Place"]

START_S: Final = 90.0  # two on a machine that does nothing else
PAUSE_S: Final = 0.3  # before a process that has ended is started again


class Place:
    """One process after the other, under one name."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        *,
        ready: str,
        numbered: str | None = None,
    ) -> None:
        """`ready` stands in the log once it works; the variable `numbered` gets each one's own name."""
        self.name = name
        self._command = command
        self._folder = folder
        self._environ = environ
        self._ready = ready.encode()
        self._numbered = numbered
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._may_run = asyncio.Event()
        self.number = 0
        """Counts the processes."""
        self.exits: list[int] = []
        """The exit codes, in order."""

    @property
    def tenant(self) -> str:
        """The name of the present process."""
        return f"{self.name}-{self.number}"

    @property
    def log(self) -> Path:
        """What the present process says."""
        return self._folder / f"{self.tenant}.log"

    def start(self) -> None:
        """Keep a process running from now on."""
        self._may_run.set()
        self._keeper = asyncio.create_task(self._keep(), name=self.name)

    async def ready(self) -> None:
        """Return once a process works."""
        async with asyncio.timeout(START_S):
            while not self._is_ready():  # noqa: ASYNC110  another process writes the file
                await asyncio.sleep(0.05)

    def kill(self) -> None:
        """Be killed, and gone until it may run again."""
        self._may_run.clear()
        self._signal(signal.SIGKILL)

    async def die(self, for_s: float) -> None:
        """Be killed, and gone for a while; return once a new process works."""
        self.kill()
        await asyncio.sleep(for_s)
        await self.revive()

    async def revive(self) -> None:
        """Run again after `kill`; return once the new process works."""
        number = self.number
        self._may_run.set()
        async with asyncio.timeout(START_S):
            while self.number == number or not self._is_ready():  # noqa: ASYNC110  as in `ready`
                await asyncio.sleep(0.05)

    async def freeze(self, for_s: float) -> None:
        """Be stopped in its tracks, and go on after a while."""
        self._signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(for_s)
        finally:
            self._signal(signal.SIGCONT)

    async def close(self) -> None:
        """End for good: politely, then not."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(15):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    def _is_ready(self) -> bool:
        return self.number > 0 and self.log.exists() and self._ready in self.log.read_bytes()

    def _signal(self, sent: signal.Signals) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            os.kill(process.pid, sent)

    async def _keep(self) -> None:
        while True:
            await self._may_run.wait()
            self.number += 1
            own = {self._numbered: self.tenant} if self._numbered is not None else {}
            with self.log.open("wb") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    cwd=self._folder,
                    env={**self._environ, **own},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=die_with_parent,  # it only makes one system call
                    start_new_session=True,
                )
            self.exits.append(await self._process.wait())
            await asyncio.sleep(PAUSE_S)
