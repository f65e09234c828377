"""A container without one: a process that is started again when it ends, and asked whether it works."""

import asyncio
import os
import re
import signal
from contextlib import suppress
from typing import Any, Final

from lastword.wiring.process import die_with_parent
from tests.topology import programs
from tests.topology.layout import Room

__all__ = ["Container"]

START_S: Final = 90.0
PAUSE_S: Final = 0.3  # before what has ended is started again
LOOK_S: Final = 0.5  # between two looks whether it works
SPAN: Final = re.compile(r"(?:(\d+)m)?(?:(\d+)s)?")


class Container:
    """One process after the other in one room."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.name = room.name
        self.number = 0
        """Counts the processes."""
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._may_run = asyncio.Event()
        self._account: dict[str, Any] = {}

    @property
    def grace_s(self) -> float:
        """How long it may take to stop."""
        found = SPAN.fullmatch(self.room.service.stop_grace_period)
        assert found is not None, self.room.service.stop_grace_period
        return 60.0 * int(found[1] or 0) + int(found[2] or 0)

    @property
    def pid(self) -> int:
        """The present process; 0 where there is none."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else 0

    @property
    def said(self) -> str:
        """All that its processes have written."""
        logs = self.room.folder.glob("*.log")
        return "".join(log.read_text("utf-8", "replace") for log in sorted(logs))

    async def run_once(self) -> int:
        """Run it to its end, as what is no server; return its exit code."""
        self._account = await asyncio.to_thread(programs.prepare, self.room)
        process = await self._spawn()
        return await process.wait()

    async def start(self) -> None:
        """Keep a process running from now on."""
        self._account = await asyncio.to_thread(programs.prepare, self.room)
        self._may_run.set()
        self._keeper = asyncio.create_task(self._keep(), name=self.name)

    async def works(self) -> None:
        """Return once the health check says that it works."""
        try:
            async with asyncio.timeout(START_S):
                while not (self.pid and await self._is_healthy()):  # noqa: ASYNC110  another process says so
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise AssertionError(f"{self.name} does not work; it said:\n{self.said[-3000:]}") from None

    def kill(self) -> None:
        """End it at once; it is started again when `revive` says so."""
        self._may_run.clear()
        self._signal(signal.SIGKILL)

    async def revive(self) -> None:
        """Start it again, and return once it works."""
        self._may_run.set()
        await self.works()

    async def roll(self) -> int:
        """Replace its process as an upgrade does; return the exit code of the old one."""
        process = self._process
        assert process is not None
        self._may_run.clear()
        self._signal(signal.SIGTERM)
        async with asyncio.timeout(self.grace_s):
            code = await process.wait()
        await self.revive()
        return code

    async def close(self, *, grace_s: float) -> None:
        """End it for good: politely, then not."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await process.wait()

    async def _is_healthy(self) -> bool:
        check = self.room.service.healthcheck
        if check is None:
            return True
        inside = [self.room.translate(word) for word in check.test[1:]]
        process = await asyncio.create_subprocess_exec(
            *programs.program(self.room, inside),
            env=self._environment(),
            cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return await process.wait() == 0

    def _signal(self, sent: signal.Signals) -> None:
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, sent)

    @property
    def _folder(self) -> str:
        inside = self.room.service.working_dir
        return str(self.room.path(inside) if inside is not None else self.room.folder)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.room.folder),
            **programs.image_variables(self.room),
            **self.room.environment(),
        }

    async def _spawn(self) -> asyncio.subprocess.Process:
        self.number += 1
        service = self.room.service
        inside = [self.room.translate(word) for word in service.command or ()]
        command = programs.STAND_INS[programs.image_of(self.room)](self.room, inside)
        with (self.room.folder / f"{self.number:03}.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self._folder,
                env=self._environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,  # it only makes one system call
                start_new_session=True,
                **self._account,
            )
        return self._process

    async def _keep(self) -> None:
        while True:
            await self._may_run.wait()
            process = await self._spawn()
            await process.wait()
            await asyncio.sleep(PAUSE_S)
