"""What workflows leave behind besides their status: lines of output, and results too large for a record."""

import base64
import hashlib
import secrets
from datetime import UTC, datetime
from typing import Final

import msgspec
import nats.js.errors
from nats.js.object_store import ObjectStore

from lastword.bus._cancel import heeding
from lastword.bus._decode import decode
from lastword.bus._direct import read_batch
from lastword.bus.connection import TRANSIENT, Bus
from lastword.bus.exceptions import Unavailable
from lastword.contracts import subjects
from lastword.contracts.events import ResultReference
from lastword.contracts.messages import Logged

__all__ = ["BATCH", "MAX_INLINE_RESULT", "Outputs"]

MAX_INLINE_RESULT: Final = 262_144  # bytes; a larger result goes to the bucket (DESIGN section 3)
BATCH: Final = 256
"""Messages of output that are read at once, at most, however many are asked for."""
CHUNK: Final = 65_536  # bytes; half of what clients take by default, for slow links' sake

_logged = msgspec.json.Decoder(Logged)


class Outputs:
    """Reads lines and results, and keeps large results."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def lines(self, workflow_id: str, after: int, limit: int) -> list[tuple[int, Logged]]:
        """Return up to `limit` messages of output after a position, oldest first; raise `Unavailable`."""
        request = {
            "next_by_subj": subjects.logline(workflow_id),
            "seq": after + 1,
            "batch": max(1, min(limit, BATCH)),
        }
        return [
            (int((message.headers or {})["Nats-Sequence"]), _read_lines(workflow_id, message.data))
            for message in await read_batch(self._bus, subjects.LOGLINE_STREAM, request)
        ]

    async def keep_result(self, workflow_id: str, lease: int, result: bytes) -> ResultReference:
        """Store a large result, the same under the same name however often; return where it lies."""
        reference = ResultReference(
            name=f"{workflow_id}.{lease}.json", size=len(result), digest=_digest(result)
        )
        try:
            bucket = await self._bucket()
            if await self._holds(bucket, reference):
                return reference
        except (nats.js.errors.Error, *TRANSIENT) as error:
            raise Unavailable("the result bucket", type(error).__name__) from error
        await self._put(reference, result)
        return reference

    async def result(self, reference: ResultReference) -> bytes:
        """Return a large result's JSON; raise `LookupError` where it is gone or another, or `Unavailable`."""
        try:
            bucket = await self._bucket()
            found = await heeding(bucket.get(reference.name))
        except nats.js.errors.NotFoundError as error:
            raise LookupError(reference.name) from error
        except (nats.js.errors.Error, *TRANSIENT) as error:
            raise Unavailable("the result bucket", type(error).__name__) from error
        result = found.data or b""
        if _digest(result) != reference.digest:  # another one, under the same name
            raise LookupError(reference.name)
        return result

    async def _put(self, reference: ResultReference, result: bytes) -> None:
        """Put a result into the bucket as every NATS client understands it (ADR-20); raise `Unavailable`.

        The client library's own `put` purges what a broken one leaves behind, which executors may not do, and
        waits in vain for the answer.  Such chunks, of a name that no description has, are left.
        """
        nuid = secrets.token_hex(11)
        chunks = [result[start : start + CHUNK] for start in range(0, len(result), CHUNK)]
        for chunk in chunks:
            await self._bus.store(f"$O.{subjects.RESULT_BUCKET}.C.{nuid}", chunk, is_bulky=True)
        described = {
            "name": reference.name,
            "bucket": subjects.RESULT_BUCKET,
            "nuid": nuid,
            "size": reference.size,
            "chunks": len(chunks),
            "digest": reference.digest,
            "mtime": datetime.now(UTC),
            "options": {"max_chunk_size": CHUNK},
        }
        name = base64.urlsafe_b64encode(reference.name.encode()).decode()
        ack = await self._bus.publish(
            f"$O.{subjects.RESULT_BUCKET}.M.{name}", msgspec.json.encode(described), {"Nats-Rollup": "sub"}
        )
        if ack.error is not None:
            raise Unavailable("the result bucket", ack.error.description)

    async def _holds(self, bucket: ObjectStore, reference: ResultReference) -> bool:
        try:
            info = await heeding(bucket.get_info(reference.name))
        except nats.js.errors.NotFoundError:
            return False
        return info.digest == reference.digest and info.size == reference.size

    async def _bucket(self) -> ObjectStore:
        return await heeding(self._bus.js.object_store(subjects.RESULT_BUCKET))


def _read_lines(workflow_id: str, payload: bytes) -> Logged:
    """Return what a message says; of one that is none, that a line is missing here."""
    try:
        logged = decode(_logged, payload)
    except msgspec.DecodeError:
        return Logged(id=workflow_id, lines=(), dropped=1)
    return logged if logged.id == workflow_id else Logged(id=workflow_id, lines=(), dropped=1)


def _digest(result: bytes) -> str:
    return f"SHA-256={base64.urlsafe_b64encode(hashlib.sha256(result).digest()).decode()}"
