"""Snapshots of whole streams, as the server takes and restores them.

A copy of the messages would give them new sequences, and sequences are what leases and clients' places are.
The server's own snapshot holds the store as it is (compressed, with checksums), keeps every sequence and the
state of durable consumers, and is taken at one moment while the stream goes on.  It knows nothing of copies:
one of a single node is restored onto three.  A stream that was restored is a new one to those who followed
the old: its time of creation, and so the name of the log, is another.

Which streams are kept, and why, `wiring.backup` says.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Struct
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from lastword.bus._direct import read_batch
from lastword.bus.connection import TRANSIENT, Bus
from lastword.bus.exceptions import BusError, StreamMissing, Unavailable, Unheard

__all__ = ["Snapshot", "find_stream", "raw_messages", "restore_stream", "save_stream"]

CHUNK: Final = 131_072  # bytes; what the server sends at once, and takes at once
BEGIN_S: Final = 300.0  # seconds that the server may take to check what it has and to begin
SILENCE_S: Final = 30.0  # seconds without a chunk after which a snapshot has failed
HEARD_S: Final = 5.0  # seconds in which the nodes of a cluster learn who listens where
RESTORE_S: Final = 300.0  # seconds that the server may take to make a stream of what it was sent
BATCH: Final = 256
LAGGING: Final = 50  # tries, a tenth of a second apart, to read what the stream's leader has


class Snapshot(Struct, frozen=True):
    """What a snapshot is of."""

    config: dict[str, Any]
    """The stream's configuration, as the server tells it."""
    state: dict[str, Any]
    """How much was in it, and its first and last sequence."""


async def find_stream(bus: Bus, name: str) -> dict[str, Any] | None:
    """Return what the server says of a stream, or None where there is none; raise `Unavailable`."""
    info = await bus.ask_api(f"STREAM.INFO.{name}")
    error = info.get("error")
    if error is None:
        return info
    if error.get("err_code") == 10059:
        return None
    raise Unavailable(f"stream {name}", str(error.get("description", "")))


async def save_stream(bus: Bus, name: str, write: Callable[[bytes], None]) -> Snapshot:
    """Hand each piece of a stream's snapshot to `write`, in order; raise `Unavailable` or `StreamMissing`.

    The server sends as fast as its pieces are acknowledged, so a slow disk holds it up and fills no memory.
    """
    inbox = bus.client.new_inbox()
    subscription = await bus.client.subscribe(inbox)
    try:
        request = msgspec.json.encode({"deliver_subject": inbox, "chunk_size": CHUNK, "jsck": True})
        said = await bus.request(f"$JS.API.STREAM.SNAPSHOT.{name}", request, timeout_s=BEGIN_S)
        answer: dict[str, Any] = msgspec.json.decode(said)
        if "error" in answer:
            error = answer["error"]
            if error.get("err_code") == 10059:
                raise StreamMissing(name)
            raise Unavailable(f"a snapshot of {name}", str(error.get("description", "")))
        while piece := await _next_piece(name, subscription):
            write(piece.data)
            if piece.reply:
                await bus.tell(piece.reply, b"")
    except TRANSIENT as error:
        raise Unavailable(f"a snapshot of {name}", type(error).__name__) from error
    finally:
        with suppress(*TRANSIENT):
            await subscription.unsubscribe()
    return msgspec.convert(answer, Snapshot)


async def _next_piece(name: str, subscription: Subscription) -> Msg | None:
    """Return the next piece, or None at the end."""
    message: Msg = await subscription.next_msg(timeout=SILENCE_S)
    status = (message.headers or {}).get("Status")
    if status not in {None, "204"}:
        description = (message.headers or {}).get("Description", "")
        raise Unavailable(f"a snapshot of {name}", f"{status} {description}")
    return message if message.data else None


async def restore_stream(bus: Bus, snapshot: Snapshot, pieces: Iterable[bytes]) -> dict[str, Any]:
    """Make the stream of a snapshot again, from its pieces; return the state that it has then.

    `snapshot.config` may ask for another number of copies.  Raises `BusError` where the server refuses, as
    when there is a stream of that name, and `Unavailable`.
    """
    name = snapshot.config["name"]
    request = {"config": snapshot.config, "state": snapshot.state}
    answer = await bus.ask_api(f"STREAM.RESTORE.{name}", request)
    _check(name, answer)
    subject: str = answer["deliver_subject"]
    for piece in pieces:
        refusal = await _hand_over(bus, subject, piece, SILENCE_S)
        if refusal:
            _check(name, msgspec.json.decode(refusal))
    done: dict[str, Any] = msgspec.json.decode(await _hand_over(bus, subject, b"", RESTORE_S))
    _check(name, done)
    state: dict[str, Any] = done["state"]
    return state


async def _hand_over(bus: Bus, subject: str, piece: bytes, limit_s: float) -> bytes:
    """Give a piece to the node that restores; return its answer, or raise `Unavailable`.

    Where that is another node than ours, ours may learn a moment later than we that it listens there. What
    nobody listened to was not taken by anyone.
    """
    until_s = time.monotonic() + HEARD_S
    while True:
        try:
            return await bus.request(subject, piece, timeout_s=limit_s)
        except Unheard:
            if time.monotonic() > until_s:
                raise
            await asyncio.sleep(0.02)


def _check(name: str, answer: dict[str, Any]) -> None:
    if "error" in answer:
        raise BusError(f"stream {name} cannot be restored: {answer['error'].get('description')}")


async def raw_messages(bus: Bus, stream: str, subject: str, last: int) -> AsyncIterator[tuple[int, bytes]]:
    """Yield sequence and payload of a stream's messages up to `last`, as they are stored.

    For a stream that only grows.  Raises `Unavailable`, also where a follower that answers lags for long.
    """
    after, tries = 0, 0
    while after < last:
        request = {"next_by_subj": subject, "seq": after + 1, "batch": BATCH}
        messages = await read_batch(bus, stream, request)
        for message in messages:
            after = int((message.headers or {})["Nats-Sequence"])
            if after > last:
                return
            yield after, message.data
        tries = 0 if messages else tries + 1
        if tries > LAGGING:
            raise Unavailable(f"stream {stream}", f"nothing comes after {after}, which is not its end")
        if tries:
            await asyncio.sleep(0.1)
