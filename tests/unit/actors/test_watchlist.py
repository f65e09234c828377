"""Whom the auditor suspects, and whom it must not."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastword.actors.watchlist import Suspicion, Watchlist
from lastword.contracts.messages import Held, Pulse
from lastword.contracts.records import Entry
from lastword.contracts.statuses import ErrorCode, Status
from tests.samples import LEASE, entry_at, second

TIMEOUT_S = 15.0
INTERVAL_S = 3.0
HELD = Held(id="w-1", lease=LEASE)


def _watchlist() -> Watchlist:
    """Return one that has been at work for long enough to trust what it hears."""
    watchlist = Watchlist(timeout_s=TIMEOUT_S, interval_s=INTERVAL_S)
    watchlist.cut_off(-1000.0)
    return watchlist


def _pulse(*leases: Held, state: str = "serving", executor: str = "host-1") -> Pulse:
    return Pulse(executor=executor, at=second(0), state=state, leases=leases)


def _entry(status: Status, workflow_id: str = "w-1", **fields: object) -> Entry:
    entry = entry_at(status)
    return msgspec.structs.replace(
        entry, record=msgspec.structs.replace(entry.record, id=workflow_id, **fields)
    )


def _suspected(watchlist: Watchlist, now_s: float) -> Sequence[Suspicion]:
    return list(watchlist.suspicions(now_s))


def _codes(watchlist: Watchlist, now_s: float) -> list[ErrorCode]:
    return [suspicion.code for suspicion in watchlist.suspicions(now_s)]


@pytest.fixture
def watched() -> Watchlist:
    """Return a watchlist with a workflow that `host-1` has held, and vouched for, since second 0."""
    watchlist = _watchlist()
    watchlist.recorded(_entry(Status.RUNNING), 0.0)
    watchlist.beat(_pulse(HELD), 0.0)
    return watchlist


def test_nobody_is_suspected_of_nothing() -> None:
    """An executor without workflows may be as silent as it likes."""
    watchlist = _watchlist()
    watchlist.beat(_pulse(), 0.0)
    watchlist.expired("host-1")
    assert [] == _suspected(watchlist, 100.0)


def test_a_beat_in_time_speaks_for_its_executor(watched: Watchlist) -> None:
    """To the very end of the timeout."""
    assert [] == _suspected(watched, TIMEOUT_S)


def test_silence_beyond_the_timeout_is_suspect(watched: Watchlist) -> None:
    """It says how long."""
    [suspicion] = _suspected(watched, TIMEOUT_S + 1.0)
    assert ("host-1", ErrorCode.HEARTBEAT_TIMEOUT) == (suspicion.executor, suspicion.code)
    assert "no heartbeat for 16 s" == suspicion.why


def test_an_expired_beat_is_suspect_at_once(watched: Watchlist) -> None:
    """The server's marker does not wait for our clock."""
    watched.expired("host-1")
    assert [ErrorCode.HEARTBEAT_TIMEOUT] == _codes(watched, 5.0)


def test_a_beat_after_an_expiry_clears_it(watched: Watchlist) -> None:
    """It is back."""
    watched.expired("host-1")
    watched.beat(_pulse(HELD), 6.0)
    assert [] == _suspected(watched, 6.0)


def test_an_expiry_of_a_stranger_is_nothing(watched: Watchlist) -> None:
    """Markers of executors long forgotten change nothing."""
    watched.expired("host-9")
    assert [] == _suspected(watched, 5.0)


def test_a_first_beat_that_never_comes_is_suspect() -> None:
    """An executor that claims and dies before it beats is given one timeout from the claim."""
    watchlist = _watchlist()
    watchlist.recorded(_entry(Status.RUNNING), 100.0)
    assert [] == _suspected(watchlist, 100.0 + TIMEOUT_S)
    assert [ErrorCode.HEARTBEAT_TIMEOUT] == _codes(watchlist, 100.1 + TIMEOUT_S)


def test_a_goodbye_with_a_lease_is_suspect(watched: Watchlist) -> None:
    """It ended, and did not say how the workflow did."""
    watched.beat(_pulse(state="gone"), 3.0)
    [suspicion] = _suspected(watched, 3.0)
    assert (ErrorCode.EXECUTOR_LOST, "it said goodbye") == (suspicion.code, suspicion.why)


def test_a_lease_is_suspect_once_two_beats_leave_it_out(watched: Watchlist) -> None:
    """The first may have been under way when it was claimed."""
    watched.beat(_pulse(), 3.0)
    assert [] == _suspected(watched, 3.0)
    watched.beat(_pulse(), 6.0)
    assert [ErrorCode.EXECUTOR_LOST] == _codes(watched, 6.0)
    assert frozenset({HELD}) == watched.unlisted("host-1")


def test_a_beat_that_lists_the_lease_again_clears_it(watched: Watchlist) -> None:
    """Only beats in a row count."""
    for at_s, leases in ((3.0, ()), (6.0, (HELD,)), (9.0, ())):
        watched.beat(_pulse(*leases), at_s)
    assert [] == _suspected(watched, 9.0)
    assert frozenset() == watched.unlisted("host-1")


def test_an_ended_workflow_is_nobodys(watched: Watchlist) -> None:
    """Whatever its executor does, or does not, from then on."""
    watched.recorded(_entry(Status.FAILED), 3.0)
    watched.expired("host-1")
    assert [] == _suspected(watched, 100.0)
    assert () == watched.held_by("host-1")


def test_cancelling_is_held_like_running(watched: Watchlist) -> None:
    """The lease is the running record's."""
    watched.recorded(_entry(Status.CANCELLING), 3.0)
    assert (HELD,) == watched.held_by("host-1")
    assert [ErrorCode.HEARTBEAT_TIMEOUT] == _codes(watched, 16.0)


def test_after_a_break_everyone_gets_a_whole_timeout_and_a_beat(watched: Watchlist) -> None:
    """Silence that we could not have heard is no silence, nor is an expiry meanwhile."""
    watched.expired("host-1")
    watched.cut_off(100.0)
    assert [] == _suspected(watched, 100.0 + TIMEOUT_S + INTERVAL_S - 0.1)
    assert [ErrorCode.HEARTBEAT_TIMEOUT] == _codes(watched, 100.0 + TIMEOUT_S + INTERVAL_S)


def test_whoever_beats_after_a_break_is_judged_as_before_it(watched: Watchlist) -> None:
    """It has shown that it can reach us, so its silence counts again."""
    watched.cut_off(100.0)
    watched.beat(_pulse(HELD), 101.0)
    watched.expired("host-1")
    assert watched.trusts("host-1", 101.0)
    assert [ErrorCode.HEARTBEAT_TIMEOUT] == _codes(watched, 102.0)


def test_a_beat_from_before_the_break_is_no_sign_of_life(watched: Watchlist) -> None:
    """What the stream held when we came back was sent before; its expiry follows soon, and means nothing."""
    watched.cut_off(100.0)
    watched.beat(_pulse(HELD), 100.5, age_s=14.0)
    watched.expired("host-1")
    assert not watched.trusts("host-1", 101.0)
    assert [] == _suspected(watched, 101.0)


def test_when_an_executor_was_last_heard(watched: Watchlist) -> None:
    """By our clock, less its age by the server's; unknown before the first beat."""
    watched.beat(_pulse(HELD), 10.0, age_s=2.0)
    watched.recorded(_entry(Status.RUNNING, "w-2", executor="host-2"), 10.0)
    assert 8.0 == watched.last_beat_s("host-1")
    assert watched.last_beat_s("host-2") is None
    assert watched.last_beat_s("host-3") is None
    assert frozenset() == watched.unlisted("host-3")


def test_each_executor_is_judged_by_itself(watched: Watchlist) -> None:
    """One that beats does not speak for another."""
    watched.recorded(_entry(Status.RUNNING, "w-2", executor="host-2"), 0.0)
    watched.beat(_pulse(HELD), 20.0)
    assert ["host-2"] == [suspicion.executor for suspicion in _suspected(watched, 20.0)]


def test_idle_executors_are_forgotten(watched: Watchlist) -> None:
    """After ten timeouts of silence, and never while they hold anything."""
    watched.beat(_pulse(executor="host-2"), 0.0)
    watched.forget_idle(10 * TIMEOUT_S)
    assert watched.last_beat_s("host-2") is not None
    watched.forget_idle(10 * TIMEOUT_S + 1)
    assert watched.last_beat_s("host-2") is None
    assert watched.last_beat_s("host-1") is not None
    assert ["host-1"] == [suspicion.executor for suspicion in _suspected(watched, 1000.0)]


def test_a_forgotten_executor_that_claims_again_is_watched_again() -> None:
    """Forgetting loses nothing."""
    watchlist = _watchlist()
    watchlist.beat(_pulse(), 0.0)
    watchlist.forget_idle(1000.0)
    watchlist.recorded(_entry(Status.RUNNING), 1000.0)
    assert [] == _suspected(watchlist, 1000.0)
    assert [ErrorCode.HEARTBEAT_TIMEOUT] == _codes(watchlist, 1016.0)


def test_a_pending_workflow_is_overdue_after_its_time() -> None:
    """Counted by the server's age: an auditor that starts late does not begin anew."""
    watchlist = _watchlist()
    entry = _entry(Status.PENDING, queue_timeout_s=60.0)
    watchlist.recorded(entry, 0.0, age_s=50.0)
    assert [] == list(watchlist.overdue(10.0))
    assert [entry] == list(watchlist.overdue(10.1))


@pytest.mark.parametrize("status", [Status.RUNNING, Status.CANCELLED])
def test_what_was_taken_or_ended_is_not_overdue(status: Status) -> None:
    """It waits no more."""
    watchlist = _watchlist()
    watchlist.recorded(_entry(Status.PENDING, queue_timeout_s=60.0), 0.0)
    watchlist.recorded(_entry(status, queue_timeout_s=60.0), 1.0)
    assert [] == list(watchlist.overdue(100.0))


def test_without_a_limit_a_workflow_waits_for_ever() -> None:
    """Unset: for ever."""
    watchlist = _watchlist()
    watchlist.recorded(_entry(Status.PENDING, queue_timeout_s=None), 0.0)
    assert [] == list(watchlist.overdue(1e9))


@given(
    gaps=st.lists(st.floats(0.01, TIMEOUT_S), min_size=1, max_size=50),
    looks=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=3),
    breaks=st.sets(st.integers(0, 49)),
)
def test_nobody_who_beats_within_the_timeout_is_ever_suspected(
    gaps: list[float], looks: list[float], breaks: set[int]
) -> None:
    """However late each beat is, and whenever one looks; breaks of our own change nothing."""
    watchlist = _watchlist()
    now_s = 0.0
    watchlist.recorded(_entry(Status.RUNNING), now_s)
    for number, gap_s in enumerate(gaps):
        for part in sorted(looks):
            if number in breaks:
                watchlist.cut_off(now_s + gap_s * part)
            assert [] == _suspected(watchlist, now_s + gap_s * part)
        now_s += gap_s
        watchlist.beat(_pulse(HELD), now_s)


@given(
    gaps=st.lists(st.floats(0.01, TIMEOUT_S), max_size=20),
    broken_s=st.none() | st.floats(0.0, TIMEOUT_S),
)
def test_whoever_falls_silent_is_suspected_in_time(gaps: list[float], broken_s: float | None) -> None:
    """Invariant 7: a timeout after the last beat, or a timeout and a beat after the last break."""
    watchlist = _watchlist()
    now_s = 0.0
    watchlist.recorded(_entry(Status.RUNNING), now_s)
    for gap_s in gaps:
        now_s += gap_s
        watchlist.beat(_pulse(HELD), now_s)
    bound_s = now_s + TIMEOUT_S
    if broken_s is not None:
        watchlist.cut_off(now_s + broken_s)
        bound_s = now_s + broken_s + TIMEOUT_S + INTERVAL_S
    assert [ErrorCode.HEARTBEAT_TIMEOUT] == _codes(watchlist, bound_s + 0.01)


def test_a_flood_of_strangers_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forged pulse can name any executor; who holds something is heard all the same, and suspected."""
    monkeypatch.setattr("lastword.actors.watchlist.STRANGERS", 3)
    watchlist = _watchlist()
    for number in range(10):
        watchlist.beat(_pulse(executor=f"forged-{number}"), 0.0)
    assert watchlist.last_beat_s("forged-2") is not None
    assert watchlist.last_beat_s("forged-3") is None
    watchlist.recorded(_entry(Status.RUNNING), 0.0)
    watchlist.beat(_pulse(HELD), 1.0)
    assert 1.0 == watchlist.last_beat_s("host-1")
    assert [] == _codes(watchlist, 1.0 + TIMEOUT_S)
    assert [ErrorCode.HEARTBEAT_TIMEOUT] == _codes(watchlist, 1.1 + TIMEOUT_S)


def test_a_workflow_is_stuck_when_its_verdict_is_overdue(watched: Watchlist) -> None:
    """Not while there is time for one, and not any more when it has come."""
    assert (0, 1) == (watched.stuck(25.0, 25.0), watched.stuck(25.5, 25.0))
    watched.beat(_pulse(HELD), 26.0)
    assert 0 == watched.stuck(30.0, 25.0)
    watched.recorded(_entry(Status.FAILED), 60.0)
    assert 0 == watched.stuck(90.0, 25.0)


def test_our_own_deafness_leaves_nobody_stuck(watched: Watchlist) -> None:
    """After a break the time for a verdict begins anew."""
    watched.cut_off(100.0)
    assert (0, 1) == (watched.stuck(110.0, 25.0), watched.stuck(125.5, 25.0))


def test_a_lease_that_beats_have_long_left_out_is_stuck(watched: Watchlist) -> None:
    """Its executor beats, and nobody vouches for it all the same."""
    for beat in range(1, 9):
        watched.beat(_pulse(), beat * INTERVAL_S)
    assert 0 == watched.stuck(24.0, 25.0)
    watched.beat(_pulse(), 27.0)
    assert 1 == watched.stuck(27.0, 25.0)


def test_who_serves_is_who_beats_and_takes_work() -> None:
    """A draining, a silent, an expired and a gone executor serve nothing."""
    watchlist = _watchlist()
    for executor, state, at_s in (
        ("host-1", "serving", 10.0),
        ("host-2", "serving", 10.0),
        ("host-3", "draining", 10.0),
        ("host-4", "gone", 10.0),
        ("host-5", "serving", 0.0),
        ("host-6", "serving", 10.0),
    ):
        pulse = Pulse(executor=executor, at=second(0), state=state, definitions=("brief", executor))
        watchlist.beat(pulse, at_s)
    watchlist.expired("host-6")
    assert {"brief": 2, "host-1": 1, "host-2": 1} == watchlist.serving(10.5)
