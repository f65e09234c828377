"""A cancellation arrives, whatever the library's waiting does with it."""

import asyncio

import pytest

from lastword.bus._cancel import end, heeding


async def forgetful(answer: "asyncio.Future[int]") -> int:
    """Wait as Python 3.11's `wait_for` does: an answer that comes with a cancellation makes it forgotten."""
    try:
        return await asyncio.shield(answer)
    except asyncio.CancelledError:
        return answer.result()


async def test_a_forgotten_cancellation_is_raised() -> None:
    """The task ends, as whoever cancelled it expects."""
    answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(heeding(forgetful(answer)))
    await asyncio.sleep(0)
    answer.set_result(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_without_a_cancellation_the_answer_is_returned() -> None:
    """And an answer during the farewell, after an earlier cancellation, too."""
    answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    answer.set_result(1)
    assert await heeding(forgetful(answer)) == 1
    heard: list[int] = []

    async def say_goodbye() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            heard.append(await heeding(forgetful(answer)))

    task = asyncio.create_task(say_goodbye())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [1] == heard


async def test_a_task_that_forgets_is_cancelled_again() -> None:
    """Until it has ended."""
    forgotten = 0

    async def stubborn() -> None:
        nonlocal forgotten
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if forgotten == 2:
                    raise
                forgotten += 1

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end(task)
    assert task.cancelled()
    assert forgotten == 2
