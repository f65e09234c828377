"""What an edge has seen, under a clock of the test's own."""

from datetime import UTC, datetime, timedelta

import pytest

from lastword.contracts.views import Lag, Vitals
from lastword.http.trail import Trail

BEGIN = 1_800_000_000 // 3_600 * 3_600


class Wall:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = datetime.fromtimestamp(BEGIN, UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.at

    def tick(self, seconds: float) -> None:
        """Let time pass, or set it back."""
        self.at += timedelta(seconds=seconds)


def test_a_minute_shows_the_worst_of_its_samples() -> None:
    """The most that was stale and loaded, the fewest that beat: nothing bad is smoothed away."""
    wall = Wall()
    trail = Trail(wall)
    for stale, executors, load in ((0, 3, 4), (2, 1, 7), (0, 2, 5)):
        trail.sample(stale=stale, executors=executors, slots=executors * 4, load=load)
        wall.tick(10)
    expected = Vitals(stale=2, executors=1, slots=8, load=7, lag=None)
    assert [expected] == trail.vitals([BEGIN], 60)


def test_time_that_nobody_watched_has_no_vitals() -> None:
    """Before the edge started, and after now: null, not zero."""
    wall = Wall()
    trail = Trail(wall)
    trail.sample(stale=0, executors=1, slots=8, load=0)
    before, now, after = trail.vitals([BEGIN - 60, BEGIN, BEGIN + 60], 60)
    assert (None, None) == (before, after)
    assert now is not None


def test_minutes_are_joined_into_longer_pieces() -> None:
    """Half an hour is as bad as its worst minute, and its lag is that of all its ends."""
    wall = Wall()
    trail = Trail(wall)
    for minute in range(30):
        trail.sample(stale=minute % 3, executors=2, slots=16, load=minute)
        for _ in range(10):
            trail.told(0.5 if minute == 7 else 0.004)
        wall.tick(60)
    (joined,) = trail.vitals([BEGIN], 1_800)
    assert joined is not None
    assert (2, 2, 29) == (joined.stale, joined.executors, joined.load)
    assert joined.lag == trail.lag(BEGIN)


def test_a_percentile_is_at_most_a_quarter_too_high() -> None:
    """Of a thousand ends: half within 4 ms, the last hundredth slow, the worst exact."""
    trail = Trail(Wall())
    for number in range(1_000):
        trail.told(0.25 if number >= 985 else 0.004)
    trail.told(1.234)
    lag = trail.lag(BEGIN)
    assert lag is not None
    assert 1_001 == lag.count
    assert pytest.approx(4.0, rel=0.25) == lag.p50_ms
    assert pytest.approx(250.0, rel=0.25) == lag.p99_ms
    assert 1_234.0 == lag.worst_ms


def test_a_lag_of_two_clocks_is_never_below_nothing() -> None:
    """A record that was told before its own time was told at once."""
    trail = Trail(Wall())
    trail.told(-3.0)
    assert Lag(count=1, p50_ms=0.0, p99_ms=0.0, worst_ms=0.0) == trail.lag(BEGIN)


def test_a_clock_that_is_set_back_opens_no_second_minute() -> None:
    """What is seen then belongs to the last minute, and the order stands."""
    wall = Wall()
    trail = Trail(wall)
    wall.tick(120)
    trail.sample(stale=0, executors=1, slots=8, load=0)
    wall.tick(-90)
    trail.sample(stale=5, executors=1, slots=8, load=0)
    early, late = trail.vitals([BEGIN, BEGIN + 120], 60)
    assert early is None
    assert late is not None
    assert 5 == late.stale


def test_the_trail_is_as_long_as_it_may_be() -> None:
    """A week is kept and no more; the oldest go."""
    wall = Wall()
    trail = Trail(wall, kept=3)
    for _ in range(5):
        trail.sample(stale=0, executors=1, slots=1, load=0)
        wall.tick(60)
    seen = trail.vitals(range(BEGIN, BEGIN + 300, 60), 60)
    assert [False, False, True, True, True] == [one is not None for one in seen]
