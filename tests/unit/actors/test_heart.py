"""Beats: how often, what they list, how long they live."""

import asyncio
from typing import Any

import pytest

from lastword import __version__
from lastword.actors.heart import Heart
from lastword.contracts import subjects
from lastword.contracts.messages import Held
from tests.unit.actors.fakes import FakePost

SUBJECT = subjects.pulse("host-1")


class Body:
    """A heart, its post, and what it vouches for."""

    def __init__(self, *, timeout_s: float = 15.0) -> None:
        self.post = FakePost("host-1")
        self.leases: tuple[Held, ...] = ()
        self.beat_at_s: list[float] = []
        self.heart = Heart(
            self.post,
            "host-1",
            interval_s=3.0,
            timeout_s=timeout_s,
            slots=8,
            vouched_for=self._vouched_for,
        )
        self.heart.definitions = ("research-brief",)

    def _vouched_for(self) -> tuple[Held, ...]:
        self.beat_at_s.append(round(asyncio.get_running_loop().time(), 3))
        return self.leases

    @property
    def pulses(self) -> list[Any]:
        """What was said."""
        return self.post.payloads(SUBJECT)

    async def beat_for(self, seconds: float) -> None:
        """Let it beat for a while."""
        running = asyncio.create_task(self.heart.run())
        await asyncio.sleep(seconds)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_it_beats_at_once_and_then_each_interval() -> None:
    """Every three seconds, by the interval it was given."""
    body = Body()
    await body.beat_for(10.0)
    assert [0.0, 3.0, 6.0, 9.0] == body.beat_at_s
    assert [1, 2, 3, 4] == [pulse["beat"] for pulse in body.pulses]


@pytest.mark.parametrize(("timeout_s", "ttl_s"), [(15.0, 15), (1.2, 2)])
async def test_each_beat_lives_as_long_as_the_timeout(timeout_s: float, ttl_s: int) -> None:
    """In whole seconds, rounded up: a shorter life would be a false alarm."""
    body = Body(timeout_s=timeout_s)
    await body.heart.beat()
    assert [ttl_s] == [one.ttl_s for one in body.post.stored]


async def test_a_beat_says_who_and_what() -> None:
    """The leases are those vouched for at that moment."""
    body = Body()
    body.leases = (Held(id="w-1", lease=12),)
    await body.heart.beat()
    [pulse] = body.pulses
    assert ("host-1", "serving", 8) == (pulse["executor"], pulse["state"], pulse["slots"])
    assert [{"id": "w-1", "lease": 12}] == pulse["leases"]
    assert (["research-brief"], __version__) == (pulse["definitions"], pulse["version"])


async def test_news_is_told_before_the_interval_is_over() -> None:
    """A lease taken is listed within a quarter of a second; several pieces of news share one beat."""
    body = Body()
    loop = asyncio.get_running_loop()
    for at_s in (1.0, 1.1, 1.2):
        loop.call_later(at_s, body.heart.beat_soon)
    await body.beat_for(5.0)
    assert [0.0, 1.25, 4.25] == body.beat_at_s


async def test_news_just_before_a_beat_does_not_delay_it() -> None:
    """The interval is the most that passes between two beats."""
    body = Body()
    asyncio.get_running_loop().call_later(2.9, body.heart.beat_soon)
    await body.beat_for(3.1)
    assert [0.0, 3.0] == body.beat_at_s


async def test_a_lost_beat_is_followed_by_the_next() -> None:
    """Nothing raises, and only what the server has counts as a beat."""
    body = Body()
    body.post.failures = 2
    await body.beat_for(7.0)
    assert [3] == [pulse["beat"] for pulse in body.pulses]
    assert 6.0 == body.heart.last_beat_s


async def test_goodbye_is_a_last_beat() -> None:
    """Nobody needs to wonder what became of it."""
    body = Body()
    await body.heart.say_goodbye()
    assert ["gone"] == [pulse["state"] for pulse in body.pulses]
