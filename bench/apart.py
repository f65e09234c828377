"""A fresh process for each measurement: what one leaves behind must not be counted with the next."""

import asyncio
import multiprocessing
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any, Final, TypeVar

import uvloop

__all__ = ["apart", "running_apart"]

SPAWN: Final = multiprocessing.get_context("spawn")
T = TypeVar("T")


async def apart(work: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Return what `work` returns in a process of its own, on uvloop; raise `RuntimeError` where it fails."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_work, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    loop = asyncio.get_running_loop()
    try:
        found: T = await loop.run_in_executor(None, ours.recv)
    except EOFError as error:
        raise RuntimeError(f"{work.__name__} failed in its process; its traceback is above") from error
    finally:
        await loop.run_in_executor(None, process.join)
    return found


@asynccontextmanager
async def running_apart(work: Callable[..., Awaitable[None]], *arguments: Any) -> AsyncGenerator[int, None]:
    """Run `work` in a process of its own until the block is left; yields the process's id."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_work, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    try:
        yield process.pid or 0
    finally:
        process.terminate()
        await asyncio.get_running_loop().run_in_executor(None, process.join)
        ours.close()


def _work(pipe: Connection, work: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...]) -> None:
    async def run() -> Any:
        return await work(*arguments)

    pipe.send(uvloop.run(run()))
