"""What workflows leave behind besides their status: lines of output, and results too large for a record."""

import base64
import hashlib
from typing import Final

import msgspec
import nats.js.errors
from nats.js.object_store import ObjectStore

from lastword.bus.connection import TRANSIENT, Bus
from lastword.bus.exceptions import Unavailable
from lastword.contracts import subjects
from lastword.contracts.events import ResultReference
from lastword.contracts.messages import Logged

__all__ = ["MAX_INLINE_RESULT", "Outputs"]

MAX_INLINE_RESULT: Final = 262_144  # bytes; a larger result goes to the bucket (DESIGN section 3)
BATCH: Final = 256

_logged = msgspec.json.Decoder(Logged)


class Outputs:
    """Reads lines and results, and keeps large results."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def lines(self, workflow_id: str, after: int, limit: int) -> list[tuple[int, Logged]]:
        """Return up to `limit` messages of output after a position of the stream, oldest first."""
        client = self._bus.client
        inbox = client.new_inbox()
        found: list[tuple[int, Logged]] = []
        request = {
            "next_by_subj": subjects.logline(workflow_id),
            "seq": after + 1,
            "batch": max(1, min(limit, BATCH)),
        }
        try:
            subscription = await client.subscribe(inbox)
            try:
                await client.publish(
                    f"$JS.API.DIRECT.GET.{subjects.LOGLINE_STREAM}", msgspec.json.encode(request), reply=inbox
                )
                while True:
                    message = await subscription.next_msg(timeout=self._bus.settings.request_timeout_s)
                    headers = message.headers or {}
                    if "Status" in headers:
                        return found
                    found.append((int(headers["Nats-Sequence"]), _logged.decode(message.data)))
            finally:
                await subscription.unsubscribe()
        except TRANSIENT as error:
            raise Unavailable("the output", type(error).__name__) from error

    async def keep_result(self, workflow_id: str, lease: int, result: bytes) -> ResultReference:
        """Store a large result, the same under the same name however often; return where it lies."""
        name = f"{workflow_id}.{lease}.json"
        try:
            bucket = await self._bucket()
            await bucket.put(name, result)
        except (nats.js.errors.Error, *TRANSIENT) as error:
            raise Unavailable("the result bucket", type(error).__name__) from error
        digest = base64.urlsafe_b64encode(hashlib.sha256(result).digest()).decode()
        return ResultReference(name=name, size=len(result), digest=f"SHA-256={digest}")

    async def result(self, reference: ResultReference) -> bytes:
        """Return a large result's JSON; raise `LookupError` where it is gone, or `Unavailable`."""
        try:
            bucket = await self._bucket()
            found = await bucket.get(reference.name)
        except nats.js.errors.NotFoundError as error:
            raise LookupError(reference.name) from error
        except TRANSIENT as error:
            raise Unavailable("the result bucket", type(error).__name__) from error
        return found.data or b""

    async def _bucket(self) -> ObjectStore:
        return await self._bus.js.object_store(subjects.RESULT_BUCKET)
