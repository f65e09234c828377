"""Logs to project: what supervisors could have written, made by the contracts' own `advance`."""

import random
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta

from lastword.contracts.events import (
    Cancelled,
    CancelRequested,
    Claimed,
    Error,
    Event,
    Failed,
    Lost,
    QueueTimedOut,
    Submitted,
    Succeeded,
)
from lastword.contracts.moves import MOVES
from lastword.contracts.records import Entry, advance
from lastword.contracts.statuses import ErrorCode

__all__ = ["EPOCH", "START", "chunks", "make_log", "next_entry", "pieces"]

EPOCH = "log-1"
START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
DEFINITIONS = ("research-brief", "triage", "Nightly_Report")
TITLES = (
    None,
    "50% of 'it'",
    "snake_case and /slash\\ back",
    'say "hello"; DROP TABLE workflows; --',
    "Straße nach ŁÓDŹ",
    "a\0zero",
    "🦆 duck",
)


def make_log(workflows: int, seed: int = 0, *, until_the_end: bool = False) -> list[Entry]:
    """Return the log of some workflows, their records mixed, each where chance left it or at its end."""
    chance = random.Random(seed)  # noqa: S311  nothing is secret here
    heads: dict[str, Entry | None] = {f"wf-{number:04d}": None for number in range(workflows)}
    log: list[Entry] = []
    steps = workflows * 40 if until_the_end else workflows * 2
    open_ids = sorted(heads)
    while open_ids and len(log) < steps:
        chosen = chance.choice(open_ids)
        entry = next_entry(heads[chosen], chosen, len(log) + 1, chance)
        heads[chosen] = entry
        log.append(entry)
        if entry.record.status.is_terminal:
            open_ids.remove(chosen)
    return log


def next_entry(head: Entry | None, workflow_id: str, position: int, chance: random.Random) -> Entry:
    """Return an entry that may follow `head`."""
    at = START + timedelta(seconds=position * 7, microseconds=position)
    status = head.record.status if head else None
    kind = chance.choice(list(MOVES[status]))
    lease = (head.lease if head else None) or 0
    record = advance(
        head,
        _event(kind, lease, at, chance),
        workflow_id=workflow_id,
        event_id=f"event-{position}",
        actor=chance.choice(["executor-a", "somebody's laptop"]),
        at=at,
    )
    return Entry(position=position, stored_at=at + timedelta(microseconds=250), record=record)


def chunks(log: Sequence[Entry], sizes: Sequence[int]) -> list[Sequence[Entry]]:
    """Cut a log into pieces of these sizes; the last piece is what is left."""
    cut: list[Sequence[Entry]] = []
    start = 0
    for size in sizes:
        cut.append(log[start : start + size])
        start += size
    cut.append(log[start:])
    return cut


async def pieces(*batches: Sequence[Entry]) -> AsyncGenerator[Sequence[Entry]]:
    """Give batches as a reader of the log does."""
    for batch in batches:
        yield batch


def _event(kind: type[Event], lease: int, at: datetime, chance: random.Random) -> Event:
    error = Error(
        code=chance.choice(list(ErrorCode)), message=chance.choice(["100% lost", "it_broke", "Ünable"])
    )
    events: dict[type[Event], Event] = {
        Submitted: Submitted(
            definition=chance.choice(DEFINITIONS),
            inputs={
                "topic": "tidal power",
                "n": chance.randrange(10),
                "deep": {"ö": [1, 2.5, None, True, "\0"]},
            },
            title=chance.choice(TITLES),
            started_by=chance.choice([None, "ann", "bob"]),
            retry_of=chance.choice([None, None, "wf-0000"]),
            deadline_s=chance.choice([None, 900.0]),
        ),
        Claimed: Claimed(executor=chance.choice(["executor-a", "executor-b"])),
        CancelRequested: CancelRequested(by="ann"),
        Succeeded: Succeeded(
            lease=lease, finished_at=at, result={"text": "done", "score": 0.1}, warnings=("one",)
        ),
        Failed: Failed(lease=lease, finished_at=at, error=error),
        Cancelled: Cancelled(lease=lease, finished_at=at),
        Lost: Lost(lease=lease, error=error),
        QueueTimedOut: QueueTimedOut(error=error),
    }
    return events[kind]
