"""Cancellation that arrives, in spite of Python 3.11's `asyncio.wait_for`.

There, a cancellation that comes just as the awaited answer does is forgotten (python/cpython#86296, mended in
3.12), and the client library waits for every answer in that way.  A task that is cancelled once would then
live on, and whoever awaits its end would wait for ever.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

__all__ = ["end", "heeding"]

T = TypeVar("T")


async def heeding(awaitable: Awaitable[T]) -> T:
    """Await; raise `CancelledError` where a cancellation came meanwhile and was forgotten."""
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    result = await awaitable
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError
    return result


async def end(task: "asyncio.Task[Any]") -> None:
    """Cancel a task until it has ended, for what is out of `heeding`'s reach."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.05)
