"""The watchlist: what the auditor believes about executors and the workflows that they hold.

Pure: it is told what was heard and what time it is (monotonic seconds of this process), and says whom to
suspect.  No clock of another host is ever compared with ours; how old something is, the server says.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from lastword.contracts.messages import Held, Pulse
from lastword.contracts.records import Entry
from lastword.contracts.statuses import LIVE, ErrorCode, Status

__all__ = ["Suspicion", "Watchlist"]

UNLISTED_BEATS: Final = 2
"""Beats without a lease before it is suspected: the first may have been under way when it was claimed."""


SERVED: Final = 65_536
"""Definitions that all executors together may say they serve; what a later one says is not remembered."""
STRANGERS: Final = 4_096
"""Executors beyond which one is remembered only if it holds something: a forged pulse can name any."""


class Suspicion(Struct, frozen=True, kw_only=True):
    """Nobody may be vouching for these leases."""

    executor: str
    why: str
    """For people."""
    code: ErrorCode
    """What the verdict would be."""


class _Seen(Struct, kw_only=True):
    """What is known of one executor."""

    last_beat_s: float
    state: str | None = None
    """What its last beat said; None where none was heard."""
    definitions: tuple[str, ...] = ()
    """What it serves, as it says."""
    unlisted: dict[Held, int]
    expired: bool = False


class Watchlist:
    """Live workflows by executor, and pending ones by age."""

    def __init__(self, *, timeout_s: float, interval_s: float) -> None:
        self._timeout_s = timeout_s
        self._interval_s = interval_s
        self._entries: dict[str, Entry] = {}
        self._pending: dict[str, tuple[Entry, float]] = {}
        self._executors: dict[str, _Seen] = {}
        self._served = 0
        self._cut_at_s = 0.0

    # What was heard

    def cut_off(self, now_s: float) -> None:
        """Take note that we heard nothing until now: everyone gets a whole timeout, and one beat, again."""
        self._cut_at_s = now_s

    def recorded(self, entry: Entry, now_s: float, age_s: float = 0.0) -> None:
        """Take a new record of the log; `age_s` is how old the server says it is."""
        record = entry.record
        self._pending.pop(record.id, None)
        if record.status in LIVE:
            self._entries[record.id] = entry
            if record.executor is not None and record.executor not in self._executors:
                self._executors[record.executor] = _Seen(last_beat_s=now_s, unlisted={})
        else:
            self._entries.pop(record.id, None)
            if record.status is Status.PENDING:
                self._pending[record.id] = (entry, now_s - age_s)

    def beat(self, pulse: Pulse, now_s: float, age_s: float = 0.0) -> None:
        """Take note that an executor beat `age_s` ago, by the server's clock.

        After a break one hears a last beat that was sent before it: that is no sign of life.
        """
        held = self.held_by(pulse.executor)
        if not held and pulse.executor not in self._executors and len(self._executors) >= STRANGERS:
            return
        seen = self._executors.setdefault(pulse.executor, _Seen(last_beat_s=now_s, unlisted={}))
        seen.last_beat_s = now_s - age_s
        seen.state = pulse.state
        self._note_served(seen, pulse.definitions)
        seen.expired = False
        listed = set(pulse.leases)
        missing = [one for one in held if one not in listed]
        seen.unlisted = {one: seen.unlisted.get(one, 0) + 1 for one in missing}

    def _note_served(self, seen: _Seen, definitions: tuple[str, ...]) -> None:
        self._served -= len(seen.definitions)
        seen.definitions = definitions if self._served + len(definitions) <= SERVED else ()
        self._served += len(seen.definitions)

    def expired(self, executor: str) -> None:
        """Take note that an executor's last beat has expired, says the server."""
        seen = self._executors.get(executor)
        if seen is not None:
            seen.expired = True

    # What follows

    def held_by(self, executor: str) -> tuple[Held, ...]:
        """Return the leases that the log says an executor holds."""
        return tuple(
            Held(id=entry.record.id, lease=lease)
            for entry in self._entries.values()
            if entry.record.executor == executor and (lease := entry.lease) is not None
        )

    def counts(self) -> dict[Status, int]:
        """Return how many workflows stand at each status that is not terminal."""
        held = [entry.record.status for entry in self._entries.values()]
        return {Status.PENDING: len(self._pending), **{status: held.count(status) for status in LIVE}}

    def stale(self, now_s: float) -> int:
        """Return how many held workflows' executors have missed three beats."""
        limit_s = now_s - 3 * self._interval_s
        silent = {name for name, seen in self._executors.items() if seen.last_beat_s < limit_s}
        return sum(entry.record.executor in silent for entry in self._entries.values())

    def stuck(self, now_s: float, limit_s: float) -> int:
        """Return for how many held workflows nobody has vouched for `limit_s`, our own deafness left out."""
        since_s = now_s - limit_s
        silent = {
            name for name, seen in self._executors.items() if max(seen.last_beat_s, self._cut_at_s) < since_s
        }
        forgotten = {
            held.id
            for seen in self._executors.values()
            for held, beats in seen.unlisted.items()
            if beats * self._interval_s > limit_s
        }
        return sum(
            entry.record.executor in silent or entry.record.id in forgotten
            for entry in self._entries.values()
        )

    def serving(self, now_s: float) -> dict[str, int]:
        """Return how many executors that beat take work, by definition."""
        limit_s = now_s - 3 * self._interval_s
        return Counter(
            definition
            for seen in self._executors.values()
            if seen.state == "serving" and seen.last_beat_s >= limit_s and not seen.expired
            for definition in set(seen.definitions)
        )

    def last_beat_s(self, executor: str) -> float | None:
        """Return when an executor was last heard, on this process's monotonic clock."""
        seen = self._executors.get(executor)
        return seen.last_beat_s if seen is not None and seen.state is not None else None

    def trusts(self, executor: str, now_s: float) -> bool:
        """Whether silence of this executor means anything yet: not before it had time to beat again."""
        seen = self._executors.get(executor)
        heard_again = seen is not None and seen.state is not None and seen.last_beat_s > self._cut_at_s
        return heard_again or now_s >= self._cut_at_s + self._timeout_s + self._interval_s

    def suspicions(self, now_s: float) -> Iterator[Suspicion]:
        """Look at everything: say whose silence, or whose forgotten lease, asks for a question."""
        holders = {entry.record.executor for entry in self._entries.values() if entry.record.executor}
        for executor in sorted(holders):
            seen = self._executors[executor]
            silent_s = now_s - seen.last_beat_s
            gone = seen.state == "gone"
            if gone:
                yield Suspicion(executor=executor, why="it said goodbye", code=ErrorCode.EXECUTOR_LOST)
            elif seen.expired or silent_s > self._timeout_s:
                if self.trusts(executor, now_s):
                    why = f"no heartbeat for {silent_s:.0f} s"
                    yield Suspicion(executor=executor, why=why, code=ErrorCode.HEARTBEAT_TIMEOUT)
            elif any(beats >= UNLISTED_BEATS for beats in seen.unlisted.values()):
                yield Suspicion(
                    executor=executor, why="its beats no longer list the lease", code=ErrorCode.EXECUTOR_LOST
                )

    def unlisted(self, executor: str) -> frozenset[Held]:
        """Return the leases that an executor's last beats did not list, though it did beat."""
        seen = self._executors.get(executor)
        if seen is None:
            return frozenset()
        return frozenset(held for held, beats in seen.unlisted.items() if beats >= UNLISTED_BEATS)

    def overdue(self, now_s: float) -> Iterator[Entry]:
        """Return the pending workflows that have waited longer than their `queue_timeout_s`."""
        for entry, since_s in self._pending.values():
            limit_s = entry.record.queue_timeout_s
            if limit_s is not None and now_s - since_s > limit_s:
                yield entry

    def forget_idle(self, now_s: float) -> None:
        """Forget executors that hold nothing and have been silent for ten timeouts."""
        holders = {entry.record.executor for entry in self._entries.values()}
        for name, seen in list(self._executors.items()):
            if name not in holders and now_s - seen.last_beat_s > 10 * self._timeout_s:
                self._note_served(seen, ())
                del self._executors[name]
