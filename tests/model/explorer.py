"""Walk everything that can happen to one workflow.

The network of this model never forgets: in every state that can be reached, *every* event may arrive, as
often as it likes, under the lease that stands, an older one, or one that was never given.  Duplicates,
reordering and stale senders are therefore not cases to think of; they are all in here.  A state is the
workflow's whole log, so that what an invariant says of the past can be checked as well.

The walk uses the real :func:`~lastword.contracts.records.advance`.  Both it and the table can be replaced
by broken ones: an invariant that no broken table violates would prove nothing.

The table is finite and a ratchet, so the walk ends by itself; broken tables may have cycles, hence `DEPTH`.
"""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple, Protocol

import msgspec

from lastword.contracts.events import Event
from lastword.contracts.moves import EVENTS, MOVES, IllegalMove, Moves, Refusal
from lastword.contracts.records import Entry, Record, advance
from lastword.contracts.statuses import Status
from tests.samples import event_of, second

__all__ = [
    "Decide",
    "Log",
    "Step",
    "Steps",
    "believe_any_lease",
    "decide",
    "explore",
    "forget_the_past",
    "mumble",
    "shape",
]

DEPTH: Final = 4
"""Records after which a walk of a broken table turns back; an unbroken one never comes further."""
STRIDE: Final = 10
"""Positions between two records of one workflow: others' records lie between."""

Log = tuple[Entry, ...]


class Decide(Protocol):
    """What decides about an event: `advance`, or a broken one."""

    def __call__(
        self, entry: Entry | None, event: Event, *, event_id: str, position: int, moves: Moves
    ) -> Record:
        """Return the record that follows, or raise `IllegalMove`."""
        ...


class Step(NamedTuple):
    """One event that arrived in one state."""

    before: Log
    event: Event
    after: Log
    """The same as `before`, where the event was refused."""
    again: Log
    """What the log is when the very same event arrives once more."""
    refusal: Refusal | None

    @property
    def status(self) -> Status | None:
        """The status that stood when the event arrived."""
        return self.before[-1].record.status if self.before else None

    @property
    def lease(self) -> int | None:
        """The lease that stood when the event arrived."""
        return self.before[-1].lease if self.before else None

    @property
    def is_of_lease(self) -> bool:
        """Whether the event speaks of the lease that stood."""
        return self.lease is not None and getattr(self.event, "lease", None) == self.lease


Steps = Collection[Step]


def decide(entry: Entry | None, event: Event, *, event_id: str, position: int, moves: Moves) -> Record:
    """Decide as a supervisor does."""
    return advance(
        entry, event, workflow_id="w", event_id=event_id, actor="someone", at=second(position), moves=moves
    )


def believe_any_lease(
    entry: Entry | None, event: Event, *, event_id: str, position: int, moves: Moves
) -> Record:
    """Decide without looking at the lease: a mutant."""
    if entry is not None and "lease" in event.__struct_fields__:
        event = msgspec.structs.replace(event, lease=entry.lease)
    return decide(entry, event, event_id=event_id, position=position, moves=moves)


def forget_the_past(
    entry: Entry | None, event: Event, *, event_id: str, position: int, moves: Moves
) -> Record:
    """Write a record that does not say what stood before: a mutant."""
    record = decide(entry, event, event_id=event_id, position=position, moves=moves)
    return msgspec.structs.replace(record, previous=None, version=1)


def mumble(entry: Entry | None, event: Event, *, event_id: str, position: int, moves: Moves) -> Record:
    """Give the same reason for each refusal: a mutant."""
    try:
        return decide(entry, event, event_id=event_id, position=position, moves=moves)
    except IllegalMove as why:
        raise IllegalMove(why.status, event, Refusal.STALE) from why


def explore(moves: Moves = MOVES, decide: Decide = decide) -> list[Step]:
    """Return every step from every state that can be reached, each state and event once."""
    seen: set[tuple[object, ...]] = {()}
    waiting: list[Log] = [()]
    steps: list[Step] = []
    while waiting:
        log = waiting.pop()
        for event in _everything(log):
            step = _take(log, event, moves, decide)
            steps.append(step)
            key = shape(step.after)
            if key not in seen and len(step.after) <= DEPTH:
                seen.add(key)
                waiting.append(step.after)
    return steps


def _everything(log: Log) -> Iterator[Event]:
    """Yield each event under each lease that anyone could speak of."""
    last = log[-1].position if log else 0
    leases = {0, last + 1, *(entry.position for entry in log)}
    for kind in EVENTS:
        if "lease" in kind.__struct_fields__:
            yield from (event_of(kind, lease=lease) for lease in sorted(leases))
        elif "executor" in kind.__struct_fields__:
            yield from (event_of(kind, executor=executor) for executor in ("host-1", "host-2"))
        else:
            yield event_of(kind)


def _take(log: Log, event: Event, moves: Moves, decide: Decide) -> Step:
    refusal: Refusal | None = None
    logs = [log]
    for _ in ("once", "twice"):
        standing = logs[-1]
        position = (standing[-1].position if standing else 0) + STRIDE
        entry = standing[-1] if standing else None
        try:
            record = decide(entry, event, event_id=f"e{position}", position=position, moves=moves)
        except IllegalMove as why:
            refusal = refusal or (why.reason if len(logs) == 1 else None)
            logs.append(standing)
        else:
            logs.append((*standing, Entry(position=position, stored_at=second(position), record=record)))
    return Step(before=log, event=event, after=logs[1], again=logs[2], refusal=refusal)


def shape(log: Log) -> tuple[object, ...]:
    """Return what tells two logs apart; times and payloads do not."""
    return tuple((each.record.status, each.record.cause, each.record.executor, each.lease) for each in log)
