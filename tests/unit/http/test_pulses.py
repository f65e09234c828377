"""The judge of fresh and stale, under a clock of the test's own."""

import pytest

from lastword.contracts.messages import Held, Pulse
from lastword.contracts.statuses import Status
from lastword.http.pulses import Pulses
from tests.samples import LEASE, entry_at, second


class Clock:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now


def pulse(*leases: int, executor: str = "host-1", at: float = 0, state: str = "serving") -> Pulse:
    """Return a beat that vouches for `w-1` under these leases."""
    held = tuple(Held(id="w-1", lease=lease) for lease in leases)
    return Pulse(executor=executor, at=second(at), leases=held, state=state)


def running() -> tuple[Clock, Pulses]:
    """Return a judge that has heard `w-1` begin to run."""
    clock = Clock()
    pulses = Pulses(9.0, clock)
    pulses.follow(entry_at(Status.RUNNING))
    return clock, pulses


def test_a_heartbeat_turns_stale_once_and_fresh_once() -> None:
    """Each turn is told one time, however often is swept or beaten."""
    clock, pulses = running()
    clock.now += 8.9
    assert [] == pulses.sweep()
    clock.now += 0.2
    assert (["w-1"], []) == (pulses.sweep(), pulses.sweep())
    assert 1 == pulses.stale
    assert (["w-1"], []) == (pulses.beat(pulse(LEASE)), pulses.beat(pulse(LEASE)))
    assert 0 == pulses.stale


def test_a_beat_counts_from_when_it_was_heard() -> None:
    """Its own time, of a clock that is an hour wrong, is shown and compared with nothing."""
    clock, pulses = running()
    clock.now += 5
    pulses.beat(pulse(LEASE, at=-3_600))
    clock.now += 8
    assert [] == pulses.sweep()
    assert ("fresh", second(-3_600)) == pulses.standing(entry_at(Status.RUNNING))


def test_a_beat_under_an_older_lease_vouches_for_nothing() -> None:
    """A zombie cannot keep a workflow fresh."""
    clock, pulses = running()
    clock.now += 9.1
    pulses.beat(pulse(LEASE - 1))
    assert ["w-1"] == pulses.sweep()


def test_a_late_beat_does_not_bring_back_what_has_ended() -> None:
    """After the terminal record the workflow is no longer watched."""
    clock, pulses = running()
    pulses.follow(entry_at(Status.SUCCESS))
    pulses.beat(pulse(LEASE))
    clock.now += 100
    assert ([], 0) == (pulses.sweep(), pulses.live)
    assert (None, None) == pulses.standing(entry_at(Status.SUCCESS))


def test_a_beat_from_before_the_edge_began_leaves_nothing_behind() -> None:
    """The last beat of a killed executor outlives the ends of what it lists, and no record will tell them."""
    clock = Clock()
    silent, expired = Pulses(9.0, clock), Pulses(9.0, clock)
    for pulses in (silent, expired):
        pulses.beat(pulse(LEASE))
    clock.now += 9.1
    assert ([], []) == (silent.sweep(), expired.expire("host-1"))
    for pulses in (silent, expired):
        assert (0, 0) == (pulses.stale, pulses.live)


def test_a_beat_before_its_record_counts() -> None:
    """Whoever is heard of by a beat first is judged as soon as a record, read or heard, says so too."""
    clock = Clock()
    heard, read = Pulses(9.0, clock), Pulses(9.0, clock)
    for pulses in (heard, read):
        pulses.beat(pulse(LEASE, at=3))
    heard.follow(entry_at(Status.RUNNING))
    read.adopt(entry_at(Status.RUNNING))
    for pulses in (heard, read):
        assert ("fresh", second(3)) == pulses.standing(entry_at(Status.RUNNING))
    clock.now += 9.1
    assert (["w-1"], ["w-1"]) == (heard.sweep(), read.sweep())


def test_while_the_feed_is_broken_nobody_is_judged() -> None:
    """And after it is back everyone has a whole threshold to beat again."""
    clock, pulses = running()
    pulses.beat(pulse(LEASE))
    pulses.suspend()
    clock.now += 60
    assert [] == pulses.sweep()
    assert "serving" == pulses.executors()[0].state
    pulses.resume()
    clock.now += 8.9
    assert [] == pulses.sweep()
    clock.now += 0.2
    assert ["w-1"] == pulses.sweep()


def test_an_expired_pulse_is_the_end_of_patience() -> None:
    """What the executor held is stale at once, and the executor is gone."""
    _, pulses = running()
    pulses.beat(pulse(LEASE))
    pulses.beat(pulse(executor="host-2"))
    assert ["w-1"] == pulses.expire("host-1")
    assert [("host-1", "gone"), ("host-2", "serving")] == [
        (executor.executor, executor.state) for executor in pulses.executors()
    ]
    assert 1 == pulses.count()


def test_an_executor_that_misses_beats_is_silent() -> None:
    """Its last words are shown, and that it has said nothing since."""
    clock, pulses = running()
    pulses.beat(pulse(state="draining"))
    assert "draining" == pulses.executors()[0].state
    clock.now += 9.1
    assert ("silent", 0) == (pulses.executors()[0].state, pulses.count())


def test_a_record_that_was_read_is_stale_only_after_a_threshold_of_listening() -> None:
    """An edge that has just begun to listen cannot know who is silent."""
    clock = Clock()
    pulses = Pulses(9.0, clock)
    pulses.adopt(entry_at(Status.RUNNING))
    assert "fresh" == pulses.standing(entry_at(Status.RUNNING))[0]
    clock.now += 9.1
    assert ["w-1"] == pulses.sweep()
    later = Pulses(9.0, clock)
    clock.now += 20
    later.adopt(entry_at(Status.RUNNING))
    assert "stale" == later.standing(entry_at(Status.RUNNING))[0]


def test_an_expired_beat_counts_for_workflows_that_are_read_later() -> None:
    """An edge that starts hears of the expiry first, and only then of what the executor held."""
    pulses = Pulses(9.0, Clock())
    assert [] == pulses.expire("host-1")
    pulses.adopt(entry_at(Status.RUNNING))
    assert "stale" == pulses.standing(entry_at(Status.RUNNING))[0]
    assert ["w-1"] == pulses.beat(pulse(LEASE))
    assert "fresh" == pulses.standing(entry_at(Status.RUNNING))[0]


def test_beats_alone_make_a_bounded_number_of_workflows_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forged ones can list any; of a workflow whose record is heard, its heartbeat is known all the same."""
    monkeypatch.setattr("lastword.http.pulses.KEPT_HEARSAY", 3)
    pulses = Pulses(9.0, Clock())
    held = tuple(Held(id=f"forged-{number}", lease=1) for number in range(5))
    pulses.beat(Pulse(executor="host-2", at=second(0), leases=held))
    assert 3 == pulses.live
    pulses.follow(entry_at(Status.RUNNING))
    pulses.beat(pulse(LEASE, at=4))
    assert ("fresh", second(4)) == pulses.standing(entry_at(Status.RUNNING))


def test_executors_that_list_very_much_are_shown_in_smaller_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by what their beats hold, and the newest are kept."""
    monkeypatch.setattr("lastword.http.pulses.KEPT_LEASES", 5)
    pulses = Pulses(9.0, Clock())
    for name in ("host-1", "host-2", "host-2", "host-3"):
        pulses.beat(pulse(1, 2, executor=name))
    assert ["host-2", "host-3"] == [view.executor for view in pulses.executors()]
