"""The log: read and appended by compare-and-set.

An append names the sequence that it believes to be the last of its subject.  The server refuses it
(10071, or 10164 for a batch) when that is no longer so, whoever wrote in between.  Several answers settle
nothing: a timeout, no leader, and even 10071 when the earlier try of this very append did land; from a
cluster also a `duplicate`, since it looks for the message id before it looks at the sequence, and 10158, an
earlier try with that id that is under way.  All of them are met by the same rule: read the subject's last
record from the leader; if it carries our event id, we have landed; if it stands where we decided, we try
again.  Where it has moved, we may have landed all the same and been overtaken since: then the record that
follows the expected one is ours.  Else someone else was first.

That record is known by its event *and* the instant at which it was accepted: the same event may have been
handled before, and an answer from then would tell how the workflow no longer stands (`tests/model/promela`
shows what an executor makes of that: a second process for a workflow that has ended).
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from lastword.bus._decode import decode
from lastword.bus._direct import read_batch
from lastword.bus._names import name_of, renamed
from lastword.bus.connection import Bus
from lastword.bus.exceptions import AppendUncertain, BusError, Conflict, TooLarge, Unavailable
from lastword.bus.streams import MAX_MESSAGE
from lastword.contracts import subjects
from lastword.contracts.records import Entry, Record

__all__ = ["Head", "StatusLog", "decode_record", "epoch_of"]

EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
MESSAGE_ID: Final = "Nats-Msg-Id"
UNSETTLED: Final = frozenset({10071, 10164, 10158})
NO_LEADER: Final = 503
LAGGING: Final = 50  # tries, a tenth of a second apart, to read what the log's leader has
BATCH: Final = 256  # messages of one batched direct get; the server's own limit is 1,024

_records = msgspec.json.Decoder(Record)
_encoder = msgspec.json.Encoder()


def decode_record(payload: bytes) -> Record:
    """Return the record in `payload`; raise `msgspec.DecodeError` where it is none."""
    return decode(_records, payload)


def epoch_of(name: str) -> str:
    """Return a log's epoch, the short form of its stream's name (`Follower` tells it)."""
    return base64.b32encode(hashlib.sha256(name.encode()).digest()[:5]).decode().lower()


class Head(NamedTuple):
    """Where the log ends."""

    epoch: str
    """Names this log: it changes when the log is created anew, and old positions mean nothing."""
    position: int
    now: datetime
    """The server's clock when it answered."""


class StatusLog:
    """The truth, by workflow."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def head(self) -> Head:
        """Return the log's name and last position; raise `Unavailable`."""
        info = await self._ask(f"STREAM.INFO.{subjects.LOG_STREAM}", {})
        now = _time(str(info.get("ts", info["created"])))
        return Head(epoch_of(name_of(info)), int(info["state"]["last_seq"]), now)

    async def rename(self, epoch: str) -> None:
        """Give the log of this epoch another, since it has gone back: its positions now mean other records.

        Where it has another already, nothing is done: several may have noticed.
        """
        info = await self._ask(f"STREAM.INFO.{subjects.LOG_STREAM}", {})
        if epoch_of(name_of(info)) == epoch:
            await self._ask(f"STREAM.UPDATE.{subjects.LOG_STREAM}", renamed(info))

    async def read(self, workflow_id: str) -> Entry | None:
        """Return the last record, from the leader: what was acknowledged before is seen. Or None."""
        answer = await self._ask(
            f"STREAM.MSG.GET.{subjects.LOG_STREAM}",
            {"last_by_subj": subjects.log(workflow_id)},
            missing_ok=True,
        )
        return None if answer is None else _entry(answer["message"])

    async def read_many(self, workflow_ids: Sequence[str]) -> dict[str, Entry]:
        """Return the last records of several workflows, by id; those unknown are left out.

        One batched direct get per 256 ids.  On a cluster a follower may answer, a moment behind.
        """
        found: dict[str, Entry] = {}
        for start in range(0, len(workflow_ids), BATCH):
            names = [subjects.log(workflow_id) for workflow_id in workflow_ids[start : start + BATCH]]
            for entry in await self._direct({"multi_last": names, "batch": BATCH}):
                found[entry.record.id] = entry
        return found

    async def records(self, workflow_id: str) -> list[Entry]:
        """Return all records of one workflow, oldest first."""
        return await self._direct({"next_by_subj": subjects.log(workflow_id), "seq": 1, "batch": BATCH})

    async def since(self, position: int, limit: int = BATCH) -> list[Entry]:
        """Return up to `limit` records after `position`, of all workflows, in order."""
        return await self._direct(
            {"next_by_subj": subjects.log(), "seq": position + 1, "batch": min(limit, BATCH)}
        )

    async def replay(self, after: int = 0) -> AsyncIterator[list[Entry]]:
        """Yield the whole log after a position, in order, up to where it ends now."""
        end = (await self.head()).position
        while after < end:
            entries = await self.since(after) or await self._awaited(after)
            after = entries[-1].position
            yield entries

    async def _awaited(self, after: int) -> list[Entry]:
        """Return records that are there, but not yet where we asked: a follower may lag behind its leader."""
        for _ in range(LAGGING):
            await asyncio.sleep(0.1)
            if entries := await self.since(after):
                return entries
        raise Unavailable("the log", f"nothing comes after position {after}, which is not its end")

    async def append(self, record: Record, *, expected: int) -> Entry:
        """Append `record` after the position `expected` (0: none yet) of its workflow.

        Raises `Conflict` where another record came first, `TooLarge`, or `AppendUncertain` after
        `bus.append_timeout_s`.  Whatever happens in between, the record is in the log at most once.
        """
        payload = _encoder.encode(record)
        subject = subjects.log(record.id)
        limit = min(self._bus.max_payload, MAX_MESSAGE)  # some servers take more than our streams do
        if len(payload) + 512 > limit:  # room for the headers
            raise TooLarge(subject, len(payload), limit)
        loop = asyncio.get_running_loop()
        until = loop.time() + self._bus.settings.append_timeout_s
        delay_s = 0.02
        while True:
            position = await self._publish(subject, payload, record, expected)
            if position is not None:
                # The acknowledgement tells no time; ours is near enough for whoever does not read it again.
                return Entry(position=position, stored_at=record.at, record=record)
            landed = await self._landed(record, expected)
            if landed is not None:
                return landed
            if loop.time() > until:
                raise AppendUncertain(record.id, self._bus.settings.append_timeout_s)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, 0.5)

    async def _publish(self, subject: str, payload: bytes, record: Record, expected: int) -> int | None:
        """Try once; return the position, or None where the answer settles nothing."""
        headers = {EXPECTED: str(expected), MESSAGE_ID: f"{record.event}.{record.status}"}
        try:
            ack = await self._bus.publish(subject, payload, headers)
        except Unavailable:
            return None
        error = ack.error
        if error is None:
            return None if ack.duplicate else ack.seq
        if error.code == NO_LEADER or error.err_code in UNSETTLED:
            return None
        raise BusError(f"the log refused {record.id}: {error.description}")

    async def _landed(self, record: Record, expected: int) -> Entry | None:
        """Return the entry if an earlier try has landed, None if it may be tried again; raise `Conflict`."""
        try:
            standing = await self.read(record.id)
            if standing is not None and standing.record.event == record.event:
                return standing
            if (standing.position if standing else 0) == expected:
                return None
            successor = await self._successor(record.id, expected)
        except Unavailable:
            return None
        if successor is not None and _is_same(successor.record, record):
            return successor
        raise Conflict(record.id, expected)

    async def _successor(self, workflow_id: str, position: int) -> Entry | None:
        """Return the workflow's first record after a position, from the leader. Or None."""
        answer = await self._ask(
            f"STREAM.MSG.GET.{subjects.LOG_STREAM}",
            {"next_by_subj": subjects.log(workflow_id), "seq": position + 1},
            missing_ok=True,
        )
        return None if answer is None else _entry(answer["message"])

    async def _ask(self, subject: str, request: dict[str, Any], *, missing_ok: bool = False) -> Any:
        answer = await self._bus.ask_api(subject, request)
        error = answer.get("error")
        if error is None:
            return answer
        if missing_ok and error.get("err_code") == 10037:  # no message found
            return None
        raise Unavailable("the log", str(error.get("description", "")))

    async def _direct(self, request: dict[str, Any]) -> list[Entry]:
        return [
            Entry(
                position=int((message.headers or {})["Nats-Sequence"]),
                stored_at=_time((message.headers or {})["Nats-Time-Stamp"]),
                record=decode_record(message.data),
            )
            for message in await read_batch(self._bus, subjects.LOG_STREAM, request)
        ]


def _is_same(one: Record, other: Record) -> bool:
    return (one.event, one.at) == (other.event, other.at)


def _entry(message: dict[str, Any]) -> Entry:
    return Entry(
        position=int(message["seq"]),
        stored_at=_time(str(message["time"])),
        record=_records.decode(base64.b64decode(message["data"])),
    )


def _time(text: str) -> datetime:
    """Read the server's RFC 3339 time, whose nanoseconds Python does not take."""
    return msgspec.convert(text, datetime, strict=False).astimezone(UTC)
