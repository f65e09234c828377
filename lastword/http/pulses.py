"""Whose process was seen alive lately: the judge of `fresh` and `stale`.

Liveness is judged by this host's monotonic clock alone: a beat counts from when it was *heard*.  The beat's
own time is shown to people and compared with nothing.  While the feed is broken no heartbeat turns stale, and
after it is back everyone gets a whole threshold to beat again: deafness here is no silence there.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from lastword.contracts.messages import Pulse
from lastword.contracts.records import Entry
from lastword.contracts.views import ExecutorView, Heartbeat

__all__ = ["Pulses"]

KEPT_ENDED: Final = 8_192  # ids whose late beats are recognised; each costs about 100 bytes
KEPT_EXECUTORS: Final = 1_024  # executors shown; the longest silent go first
KEPT_LEASES: Final = 65_536  # leases in what they said last, all together
KEPT_HEARSAY: Final = 65_536  # workflows beyond which a beat alone makes none known; a record does


class _Vouch:
    """The last beat that vouched for one lease."""

    __slots__ = ("at", "executor", "heard", "lease", "recorded", "stale")

    def __init__(
        self, lease: int, heard: float, at: datetime | None, executor: str | None, *, recorded: bool = True
    ) -> None:
        self.lease = lease
        self.heard = heard
        self.at = at
        self.executor = executor
        self.recorded = recorded
        """Whether a record says so too; a beat alone may tell of what had ended when this edge began."""
        self.stale = False


class _Executor:
    __slots__ = ("gone", "heard", "pulse")

    def __init__(self, pulse: Pulse, heard: float) -> None:
        self.pulse = pulse
        self.heard = heard
        self.gone = pulse.state == "gone"


class Pulses:
    """Keeps the last beat of each executor and of each lease; tells which workflows changed freshness."""

    def __init__(self, stale_after_s: float, now: Callable[[], float]) -> None:
        """`now` is a monotonic clock, in seconds."""
        self._stale_after_s = stale_after_s
        self._now = now
        self._floor = now()  # nobody is silent since before this
        self._deaf = False
        self._vouches: dict[str, _Vouch] = {}
        self._ended: dict[str, None] = {}
        self._executors: dict[str, _Executor] = {}
        self._expired: dict[str, None] = {}
        self._listed = 0  # leases in the beats of `_executors`

    @property
    def stale(self) -> int:
        """How many workflows have a stale heartbeat."""
        return sum(vouch.stale for vouch in self._vouches.values())

    @property
    def live(self) -> int:
        """How many workflows are known to be held by executors."""
        return len(self._vouches)

    def live_ids(self) -> list[str]:
        """Return the workflows known to be held by executors."""
        return list(self._vouches)

    def beat(self, pulse: Pulse) -> list[str]:
        """Note one beat; return the workflows whose heartbeat was stale and is fresh again."""
        now = self._now()
        self._expired.pop(pulse.executor, None)
        self._drop(pulse.executor)
        self._executors[pulse.executor] = _Executor(pulse, now)
        self._listed += len(pulse.leases)
        while len(self._executors) > KEPT_EXECUTORS or self._listed > KEPT_LEASES:
            self._drop(next(iter(self._executors)))
        revived: list[str] = []
        for held in pulse.leases:
            vouch = self._vouches.get(held.id)
            if vouch is None:
                # A late beat must not bring back what has ended.
                if held.id not in self._ended and len(self._vouches) < KEPT_HEARSAY:
                    self._vouches[held.id] = _Vouch(held.lease, now, pulse.at, pulse.executor, recorded=False)
            elif held.lease >= vouch.lease:
                vouch.lease = held.lease
                vouch.heard = now
                vouch.at = pulse.at
                vouch.executor = pulse.executor
                if vouch.stale:
                    vouch.stale = False
                    revived.append(held.id)
        return revived

    def _drop(self, executor: str) -> None:
        known = self._executors.pop(executor, None)
        if known is not None:
            self._listed -= len(known.pulse.leases)

    def follow(self, entry: Entry) -> None:
        """Note an accepted record: a lease that begins counts as a beat, an end stops the watch."""
        lease = entry.lease
        if lease is not None:
            vouch = self._vouches.get(entry.record.id)
            if vouch is None or vouch.lease < lease:
                self._vouches[entry.record.id] = _Vouch(lease, self._now(), None, entry.record.executor)
            else:
                vouch.recorded = True
        elif entry.record.status.is_terminal:
            self._vouches.pop(entry.record.id, None)
            self._ended[entry.record.id] = None
            if len(self._ended) > KEPT_ENDED:
                del self._ended[next(iter(self._ended))]

    def adopt(self, entry: Entry) -> None:
        """Note a record that was read, not heard.

        Its lease may be old, so its silence counts from the floor.
        """
        lease = entry.lease
        if lease is not None:
            vouch = self._vouches.get(entry.record.id)
            if vouch is None or vouch.lease < lease:
                vouch = _Vouch(lease, self._floor, None, entry.record.executor)
                silent = not self._deaf and self._now() - self._floor > self._stale_after_s
                vouch.stale = silent or vouch.executor in self._expired
                self._vouches[entry.record.id] = vouch
            vouch.recorded = True

    def expire(self, executor: str) -> list[str]:
        """Note that the server dropped an executor's last beat.

        Return the workflows that turned stale by it.
        """
        self._expired[executor] = None  # also for workflows that are only heard of later
        if len(self._expired) > KEPT_EXECUTORS:
            del self._expired[next(iter(self._expired))]
        known = self._executors.get(executor)
        if known is not None:
            known.gone = True
        return self._silence(lambda vouch: vouch.executor == executor)

    def sweep(self) -> list[str]:
        """Return the workflows whose heartbeat has turned stale since the last sweep."""
        if self._deaf:
            return []
        limit = self._now() - self._stale_after_s
        if limit < self._floor:
            return []
        return self._silence(lambda vouch: vouch.heard < limit)

    def _silence(self, is_silent: Callable[[_Vouch], bool]) -> list[str]:
        """Turn stale who is silent, and return them; of whom only beats have told, forget."""
        turned: list[str] = []
        for workflow_id, vouch in list(self._vouches.items()):
            if vouch.stale or not is_silent(vouch):
                continue
            if vouch.recorded:
                vouch.stale = True
                turned.append(workflow_id)
            else:
                del self._vouches[workflow_id]
        return turned

    def standing(self, entry: Entry) -> tuple[Heartbeat | None, datetime | None]:
        """Return an entry's freshness and the time of its last beat; None where no executor holds it."""
        lease = entry.lease
        if lease is None:
            return None, None
        vouch = self._vouches.get(entry.record.id)
        if vouch is None or vouch.lease != lease:
            return "fresh", None
        return ("stale" if vouch.stale else "fresh"), vouch.at

    def suspend(self) -> None:
        """Judge nobody: the feed is broken."""
        self._deaf = True

    def resume(self) -> None:
        """Judge again: the feed is back, and everyone has a whole threshold to beat."""
        if self._deaf:
            self._deaf = False
            self._floor = self._now()

    def executors(self) -> tuple[ExecutorView, ...]:
        """Return the executors heard of lately, by name."""
        return tuple(self._view(name, known) for name, known in sorted(self._executors.items()))

    def count(self) -> int:
        """Return how many executors are neither gone nor silent."""
        return sum(self._state(known) not in {"gone", "silent"} for known in self._executors.values())

    def capacity(self) -> tuple[int, int]:
        """Return how many slots those executors have, and how many workflows they vouch for."""
        beating = [
            one.pulse for one in self._executors.values() if self._state(one) not in {"gone", "silent"}
        ]
        return sum(pulse.slots for pulse in beating), sum(len(pulse.leases) for pulse in beating)

    def _state(self, known: _Executor) -> str:
        if known.gone:
            return "gone"
        silent = not self._deaf and self._now() - max(known.heard, self._floor) > self._stale_after_s
        return "silent" if silent else known.pulse.state

    def _view(self, name: str, known: _Executor) -> ExecutorView:
        pulse = known.pulse
        return ExecutorView(
            executor=name,
            state=self._state(known),
            host=pulse.host,
            pid=pulse.pid,
            version=pulse.version,
            started_at=pulse.started_at,
            last_beat_at=pulse.at,
            slots=pulse.slots,
            running=tuple(held.id for held in pulse.leases),
            definitions=pulse.definitions,
        )
