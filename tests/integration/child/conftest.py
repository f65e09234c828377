"""One pool for all these tests, since CrewAI takes seconds to import, and the offline model beside it."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest_asyncio

from lastword.child.pool import ChildPool
from lastword.child.process import Child
from lastword.child.protocol import Description, Ended, Lines, Message, Progressed, Returned, Target, Work
from lastword.offline import PROVIDER_PATTERNS, OfflineModel, provider_configured, serve

TARGETS = Path(__file__).parent / "targets"


class Stage:
    """Starts processes for one test, and sees to it that none is left."""

    def __init__(self, pool: ChildPool, model: OfflineModel, folder: Path) -> None:
        self.pool = pool
        self.folder = folder
        self._model = model
        self._children: list[Child] = []

    async def spawn(self, run: str, *, base_dir: Path = TARGETS, **inputs: Any) -> Child:
        """Start a process for one of the targets."""
        return await self.start(Target(run=run, base_dir=str(base_dir)), inputs)

    async def start(self, target: Target, inputs: dict[str, Any] | None = None, **more: Any) -> Child:
        """Start a process."""
        work = Work(
            workflow_id="test",
            target=target,
            inputs=inputs or {},
            run_dir=str(self.folder / "run"),
            fallback_environment=self._model.environment(os.environ),
            fallback_unless=PROVIDER_PATTERNS,
            **more,
        )
        child = await self.pool.spawn(work)
        self._children.append(child)
        return child

    async def run(self, run: str, **inputs: Any) -> Ended:
        """Run one of the targets to its end."""
        return await (await self.spawn(run, **inputs)).ended()

    async def describe(self, run: str, *, base_dir: Path = TARGETS) -> Description:
        """Describe one of the targets."""
        return await self.pool.describe(Target(run=run, base_dir=str(base_dir)))

    async def close(self) -> None:
        """Kill what is left."""
        for child in self._children:
            child.kill()
            await child.ended()


def result_of(ended: Ended) -> Any:
    """Return the result, decoded; fail the test where there is none."""
    assert ended.error is None
    assert isinstance(ended.final, Returned)
    return msgspec.json.decode(ended.final.result)


async def until(child: Child, condition: Callable[[Message], bool]) -> Message:
    """Read messages until one fits."""
    async for message in child.messages():
        if condition(message):
            return message
    raise AssertionError(f"it ended before: {await child.ended()}")


async def until_label(child: Child, label: str) -> None:
    """Read messages until the progress says `label`."""

    def fits(message: Message) -> bool:
        return isinstance(message, Progressed) and label in (message.progress.label or "")

    await until(child, fits)


async def read_all(child: Child) -> tuple[list[Message], list[str]]:
    """Return all messages, and all lines as `stream: text`."""
    messages = [message async for message in child.messages()]
    lines = [
        f"{line.stream}: {line.text}"
        for message in messages
        if isinstance(message, Lines)
        for line in message.lines
    ]
    return messages, lines


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def model() -> AsyncGenerator[OfflineModel, None]:
    """Serve the offline model, which answers at once."""
    async with serve(0.0) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pool() -> AsyncGenerator[ChildPool, None]:
    """Return the pool that the tests share, in an environment without a provider."""
    environ = {name: value for name, value in os.environ.items() if not provider_configured({name: value})}
    shared = ChildPool(environ)
    yield shared
    await shared.close()


@pytest_asyncio.fixture(loop_scope="session")
async def stage(pool: ChildPool, model: OfflineModel, tmp_path: Path) -> AsyncGenerator[Stage, None]:
    """Return what starts processes."""
    one = Stage(pool, model, tmp_path)
    yield one
    await one.close()


async def ends(pid: int, within_s: float = 10.0) -> bool:
    """Tell whether a process ends in time, or has ended; the kernel is waited for, not the clock."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), within_s)
    except TimeoutError:
        return False
    else:
        return True
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


def is_alive(pid: int) -> bool:
    """Tell whether a process with that number runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}
