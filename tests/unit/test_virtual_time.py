"""The clock that unit tests run on."""

import asyncio
import time

import pytest

from tests.unit.virtual_time import Deadlock, VirtualTimeLoop


def test_a_long_wait_takes_no_time_and_ends_when_it_should() -> None:
    """An hour passes on the loop's clock, not on ours."""

    async def wait() -> float:
        await asyncio.sleep(3600.0)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert 3600.0 == pytest.approx(runner.run(wait()))
    assert time.monotonic() - began < 60.0


def test_timers_fire_in_the_order_of_their_times() -> None:
    """What is due first comes first, whoever asked first; a timeout is a timer like any other."""

    async def race() -> list[str]:
        loop = asyncio.get_running_loop()
        seen: list[str] = []
        loop.call_later(2.0, seen.append, "second")
        loop.call_later(1.0, seen.append, "first")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3.0):
                await asyncio.Event().wait()
        return [*seen, "third"]

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert ["first", "second", "third"] == runner.run(race())


def test_a_test_that_would_hang_fails() -> None:
    """Waiting for what nobody will do is an error, at once."""
    loop = VirtualTimeLoop()
    waiting = loop.create_task(asyncio.Event().wait())
    with pytest.raises(Deadlock):
        loop.run_until_complete(waiting)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(waiting)
    loop.close()
