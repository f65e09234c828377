"""When a request is given up."""

import asyncio
from typing import Any, cast

import pytest
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NoAnswer

from lastword.bus.requests import _expire


class Clock:
    """A loop's clock and its timers."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Any, Any]] = []

    def time(self) -> float:
        """Return a moment."""
        return 100.0

    def call_later(self, delay_s: float, act: Any, argument: Any) -> None:
        """Take note."""
        self.timers.append((delay_s, act, argument))


async def test_a_loop_that_is_in_time_gives_up_at_once() -> None:
    """It has listened all along."""
    clock, answer = Clock(), asyncio.get_running_loop().create_future()
    _expire(cast("Any", clock), cast("asyncio.Future[Msg]", answer), 100.0)
    with pytest.raises(NoAnswer):
        answer.result()
    assert [] == clock.timers


async def test_a_loop_that_was_held_up_listens_first() -> None:
    """For as long as it was held up, and no longer: an answer may lie before it."""
    clock, answer = Clock(), asyncio.get_running_loop().create_future()
    _expire(cast("Any", clock), cast("asyncio.Future[Msg]", answer), 97.0)
    assert not answer.done()
    [(delay_s, give_up, given)] = clock.timers
    assert 3.0 == delay_s
    give_up(given)
    with pytest.raises(NoAnswer):
        answer.result()
