"""A log and a bus in memory, which can be told to misbehave as the real ones do.

The log is held to the suite in `tests.ledger_suite`, which the real one passes too.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from prometheus_client import CollectorRegistry

from lastword.bus import AppendUncertain, Conflict, Head, TooLarge, Unavailable, Unheard
from lastword.contracts.events import ResultReference
from lastword.contracts.records import Entry, Record
from lastword.telemetry.metrics import Metrics
from tests.samples import second

__all__ = ["FakeLog", "FakePost", "FakeResults", "Stored", "counted", "fresh_metrics", "now"]


class FakeLog:
    """A log with compare-and-set."""

    def __init__(self, *, max_payload: int = 1_048_576) -> None:
        self.entries: list[Entry] = []
        """All records, in order."""
        self.max_payload = max_payload
        self.troubles: deque[str] = deque()
        """What becomes of the next appends: `ok`, `conflict`, `lost` (uncertain, did not land) or `landed`
        (uncertain, did land)."""
        self.rival: Callable[[], Record] | None = None
        """Makes the record that another writer appends first, at the next append; then it is gone."""
        self.overtaker: Callable[[Record], Record] | None = None
        """Makes the record that follows the next append before that is acknowledged; then it is gone."""
        self.is_up = True
        self.epoch = "first"
        self.reads = 0
        self.tries = 0

    def of(self, workflow_id: str) -> list[Entry]:
        """Return the records of one workflow."""
        return [entry for entry in self.entries if entry.record.id == workflow_id]

    def last(self, workflow_id: str) -> Entry | None:
        """Return how a workflow stands."""
        entries = self.of(workflow_id)
        return entries[-1] if entries else None

    def put(self, record: Record) -> Entry:
        """Append, whatever stands."""
        position = len(self.entries) + 1
        entry = Entry(position=position, stored_at=second(position), record=record)
        self.entries.append(entry)
        return entry

    async def head(self) -> Head:
        """Return the log's name and its end."""
        await asyncio.sleep(0)
        if not self.is_up:
            raise Unavailable("the log")
        return Head(self.epoch, len(self.entries), now())

    async def read(self, workflow_id: str) -> Entry | None:
        """See `Ledger`."""
        await asyncio.sleep(0)  # others may come in between, as on a network
        self.reads += 1
        if not self.is_up:
            raise Unavailable("the log")
        return self.last(workflow_id)

    async def read_many(self, workflow_ids: Sequence[str]) -> dict[str, Entry]:
        """See `Ledger`."""
        await asyncio.sleep(0)
        if not self.is_up:
            raise Unavailable("the log")
        return {name: entry for name in workflow_ids if (entry := self.last(name)) is not None}

    async def append(self, record: Record, *, expected: int) -> Entry:
        """See `Ledger`."""
        await asyncio.sleep(0)
        self.tries += 1
        size = len(msgspec.json.encode(record))
        if size > self.max_payload:
            raise TooLarge(record.id, size, self.max_payload)
        if self.rival is not None:
            rival, self.rival = self.rival, None
            self.put(rival())
        if self.overtaker is not None:
            overtaker, self.overtaker = self.overtaker, None
            self.put(record)
            self.put(overtaker(record))
        trouble = self.troubles.popleft() if self.troubles else "ok"
        if trouble == "lost" or not self.is_up:
            raise AppendUncertain(record.id, 30.0)
        if trouble == "conflict":
            raise Conflict(record.id, expected)
        standing = self.last(record.id)
        if (standing.position if standing else 0) != expected:
            if standing is not None and standing.record.event == record.event:
                return standing
            successor = next((one for one in self.of(record.id) if one.position > expected), None)
            if successor is not None and _landed(record) == _landed(successor.record):
                return successor
            raise Conflict(record.id, expected)
        entry = self.put(record)
        await asyncio.sleep(0)
        if trouble == "landed":
            raise AppendUncertain(record.id, 30.0)
        return entry


def _landed(record: Record) -> tuple[str, datetime]:
    """Return what tells the record of one append from that of another."""
    return record.event, record.at


class Stored(NamedTuple):
    """A message that was published."""

    subject: str
    payload: bytes
    message_id: str | None = None
    ttl_s: int | None = None


class FakePost:
    """A bus that remembers what it carried."""

    def __init__(self, name: str = "host-1", *, max_payload: int = 1_048_576) -> None:
        self.name = name
        self.is_connected = True
        self.max_payload = max_payload
        self.stored: list[Stored] = []
        """What was put into streams."""
        self.told: list[Stored] = []
        """What was said to whoever listens."""
        self.asked: list[Stored] = []
        """What was asked."""
        self.failures = 0
        """How many of the next publishes are not acknowledged."""
        self.answer: Callable[[str, bytes], bytes] | None = None
        """Answers requests; None: nobody listens."""
        self.is_slow = False
        """Whether whoever is asked does not answer in time."""
        self.api: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None
        """Answers for JetStream's API; None: nobody does."""

    def payloads(self, subject: str) -> list[Any]:
        """Return what was published on a subject, in order, as plain JSON values."""
        carried = [*self.stored, *self.told]
        return [msgspec.json.decode(one.payload) for one in carried if one.subject == subject]

    async def store(
        self,
        subject: str,
        payload: bytes,
        *,
        message_id: str | None = None,
        ttl_s: int | None = None,
        is_bulky: bool = False,
    ) -> bool:
        """See `Post`."""
        await self._carry(subject, payload)
        if message_id is not None and any(one.message_id == message_id for one in self.stored):
            return False
        self.stored.append(Stored(subject, payload, message_id, ttl_s))
        return True

    async def tell(self, subject: str, payload: bytes) -> None:
        """See `Post`."""
        await self._carry(subject, payload)
        self.told.append(Stored(subject, payload))

    async def request(self, subject: str, payload: bytes, *, timeout_s: float | None = None) -> bytes:
        """See `Post`."""
        self.asked.append(Stored(subject, payload))
        if self.is_slow or not self.is_connected:
            await asyncio.sleep(timeout_s or 1.0)
            raise Unavailable(subject)
        await asyncio.sleep(0)
        if self.answer is None:
            raise Unheard(subject)
        return self.answer(subject, payload)

    async def ask_api(self, subject: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """See `Post`."""
        await asyncio.sleep(0)
        if self.api is None or not self.is_connected:
            raise Unavailable(subject)
        return self.api(subject, request or {})

    async def _carry(self, subject: str, payload: bytes) -> None:
        await asyncio.sleep(0)
        if len(payload) > self.max_payload:
            raise TooLarge(subject, len(payload), self.max_payload)
        if not self.is_connected:
            raise Unavailable(subject)
        if self.failures:
            self.failures -= 1
            raise Unavailable(subject)


class FakeResults:
    """A bucket in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def keep_result(self, workflow_id: str, lease: int, result: bytes) -> ResultReference:
        """See `ResultKeeper`."""
        await asyncio.sleep(0)
        name = f"{workflow_id}.{lease}.json"
        self.kept[name] = result
        return ResultReference(name=name, size=len(result), digest="SHA-256=x")


def fresh_metrics() -> Metrics:
    """Return metrics of their own registry."""
    return Metrics(CollectorRegistry())


def counted(metrics: Metrics, name: str, **labels: str) -> float:
    """Return the value of `lastword_<name>` under these labels; 0 where there is none."""
    return metrics.registry.get_sample_value(f"lastword_{name}", labels) or 0.0


def now() -> datetime:
    """Return a fixed start plus the loop's own time."""
    return second(asyncio.get_running_loop().time())
