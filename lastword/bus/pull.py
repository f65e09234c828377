"""A durable pull consumer that survives what servers do, on JetStream's raw API.

The client library's own does not know priority groups, and its `fetch` can raise or stall around restarts.
Here requests overlap, so that the server always has one to serve; silence of two heartbeats, a reconnect or
a refused request leads to a fresh inbox and a fresh request.  What was on its way meanwhile is redelivered
by the server, which handlers may see twice by contract.

With `exclusive`, the server pins the consumer to one client at a time (priority policy `pinned_client`): the
others wait, and take over within `PIN_TIMEOUT_S` when the pinned one falls silent.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from lastword.bus._reply import read_reply
from lastword.bus.connection import TRANSIENT, Bus
from lastword.bus.exceptions import StreamMismatch, Unavailable

__all__ = ["ACK_WAIT_S", "Delivered", "PullConsumer"]

log = structlog.get_logger(__name__)

ACK_WAIT_S: Final = 5.0  # seconds without a word after which the server delivers a message again
EXPIRES_S: Final = 20.0  # life of one request
HEARTBEAT_S: Final = 1.0  # the server speaks at least this often while a request is open
SILENCE_S: Final = 2.5  # without a word after which our requests count as lost
PIN_TIMEOUT_S: Final = 2.0  # a pinned client silent for this long loses the pin (failover measured: 1.7 s)
NANOSECONDS: Final = 1_000_000_000
GROUP: Final = "one"


class Delivered(NamedTuple):
    """A message of the stream, to be acknowledged."""

    subject: str
    data: bytes
    position: int
    """Its sequence in the stream."""
    tries: int
    """1 for the first delivery."""
    stored_ns: int
    """When the server stored it: with the position, what tells it from every other message."""
    message: Msg

    async def ack(self) -> None:
        """Say that it is done, for good."""
        await self._respond(b"+ACK")

    async def retry(self, delay_s: float = 0.0) -> None:
        """Ask for it again after a while."""
        await self._respond(b'-NAK {"delay": %d}' % int(delay_s * NANOSECONDS) if delay_s else b"-NAK")

    async def drop(self) -> None:
        """Say that it must not come again."""
        await self._respond(b"+TERM")

    async def keep_waiting(self) -> None:
        """Say that work on it goes on."""
        await self._respond(b"+WPI")

    async def _respond(self, word: bytes) -> None:
        try:
            await self.message.respond(word)
        except TRANSIENT:
            log.debug("pull.ack_lost", subject=self.subject)  # it comes again, and is recognised


class PullConsumer:
    """Messages of one durable consumer, as an asynchronous iterator."""

    def __init__(
        self,
        bus: Bus,
        *,
        stream: str,
        durable: str,
        subject: str,
        ack_wait_s: float = ACK_WAIT_S,
        max_ack_pending: int = 1024,
        batch: int = 64,
        batch_bytes: int | None = None,
        exclusive: bool = False,
        from_now: bool = False,
        made_elsewhere: bool = False,
    ) -> None:
        """Take what to consume; with `made_elsewhere`, wait until another has made the consumer.

        At most one and a half times `batch` wait here to be taken, and at most twice `batch_bytes`.
        """
        self._bus = bus
        self._stream = stream
        self._durable = durable
        self._subject = subject
        self._ack_wait_s = ack_wait_s
        self._max_ack_pending = max_ack_pending
        self._batch = batch
        self._batch_bytes = batch_bytes
        self._exclusive = exclusive
        self._from_now = from_now
        self._made_elsewhere = made_elsewhere
        self._queue: asyncio.Queue[tuple[int, Msg]] = asyncio.Queue()
        self._generation = 0
        self._subscription: Subscription | None = None
        self._inbox = ""
        self._outstanding = 0
        self._pin: str | None = None
        self._heard_at = 0.0
        self._stale = False

    async def ensure(self) -> None:
        """Create or update the consumer; raise `Unavailable` or `StreamMismatch`."""
        if self._made_elsewhere:
            await self._find()
            return
        config: dict[str, Any] = {
            "durable_name": self._durable,
            "name": self._durable,
            "filter_subject": self._subject,
            "ack_policy": "explicit",
            "ack_wait": int(self._ack_wait_s * NANOSECONDS),
            "max_ack_pending": self._max_ack_pending,
            "max_deliver": -1,
            "deliver_policy": "new" if self._from_now else "all",
        }
        if self._exclusive:
            config |= {
                "priority_policy": "pinned_client",
                "priority_groups": [GROUP],
                "priority_timeout": int(PIN_TIMEOUT_S * NANOSECONDS),
            }
        request = {"stream_name": self._stream, "config": config, "action": ""}
        answer = await self._bus.ask_api(
            f"CONSUMER.CREATE.{self._stream}.{self._durable}.{self._subject}", request
        )
        if "error" in answer:
            error = answer["error"]
            if error.get("code") == 503 or error.get("err_code") == 10059:  # 10059: no such stream, yet
                raise Unavailable(f"consumer {self._durable}", error.get("description", ""))
            raise StreamMismatch(self._stream, f"consumer {self._durable}: {error.get('description')}")

    async def _find(self) -> None:
        """Raise `Unavailable` until the consumer is there."""
        info = await self._bus.ask_api(f"CONSUMER.INFO.{self._stream}.{self._durable}")
        if "error" in info:
            raise Unavailable(f"consumer {self._durable}", info["error"].get("description", ""))

    async def __aiter__(self) -> AsyncGenerator[Delivered, None]:
        """Yield messages for ever; unsubscribe when the iteration is closed."""
        loop = asyncio.get_running_loop()
        await self._patiently_ensure()
        self._bus.on_reconnect.append(self._begin_anew)
        try:
            while True:
                delivered = await self._next(loop)
                if delivered is not None:
                    yield delivered
        finally:
            self._bus.on_reconnect.remove(self._begin_anew)
            await self._drop_subscription()

    async def _next(self, loop: asyncio.AbstractEventLoop) -> Delivered | None:
        if self._stale:
            await self._drop_subscription()
        if self._subscription is None and not await self._open(loop):
            return None
        if self._outstanding <= self._batch // 2:
            await self._request()
        silence_s = self._heard_at + SILENCE_S - loop.time()
        try:
            async with asyncio.timeout(max(0.01, silence_s)):
                generation, message = await self._queue.get()
        except TimeoutError:
            await self._drop_subscription()
            return None
        status = (message.headers or {}).get("Status")
        if status is None:
            if generation == self._generation:
                self._heard_at = loop.time()
                self._outstanding -= 1
                self._pin = (message.headers or {}).get("Nats-Pin-Id", self._pin)
            return _delivered(message)
        if generation == self._generation:
            self._heard_at = loop.time()
            await self._heed(status, message.headers or {})
        return None

    async def _heed(self, status: str, headers: Mapping[str, str]) -> None:
        """Act on a message of the server about one of our requests."""
        if status == "100":
            return
        description = headers.get("Description", "")
        # Requests overlap: the one that has ended says how much of it was left, the others stay open.
        left = int(headers.get("Nats-Pending-Messages", self._outstanding))
        self._outstanding = max(0, self._outstanding - left)
        if status == "423":  # another client holds the pin
            self._pin = None
        elif status == "503" or (status == "409" and "Consumer Deleted" in description):
            # Deleted under our eyes, or (503, nobody answers requests for it) behind our back.
            await asyncio.sleep(0.05)
            await self._patiently_ensure()
        elif status == "409" and "MaxBytes" in description:
            pass  # as much as was asked for is on its way
        elif status not in {"404", "408"}:  # nothing there, request expired: as expected
            log.debug("pull.status", durable=self._durable, status=status, description=description)
            await asyncio.sleep(0.05)

    async def _open(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Subscribe to a fresh inbox; False where there is no connection yet."""
        if not self._bus.is_connected:
            await asyncio.sleep(0.05)
            return False
        self._generation += 1
        generation = self._generation
        queue = self._queue

        async def deliver(message: Msg) -> None:
            queue.put_nowait((generation, message))

        self._inbox = self._bus.client.new_inbox()
        try:
            self._subscription = await self._bus.client.subscribe(self._inbox, cb=deliver)
        except TRANSIENT:
            await asyncio.sleep(0.05)
            return False
        self._outstanding = 0
        self._stale = False
        self._heard_at = loop.time()
        return True

    async def _request(self) -> None:
        wanted = self._batch - self._outstanding
        request: dict[str, Any] = {
            "batch": wanted,
            "expires": int(EXPIRES_S * NANOSECONDS),
            "idle_heartbeat": int(HEARTBEAT_S * NANOSECONDS),
        }
        if self._batch_bytes is not None:
            request["max_bytes"] = self._batch_bytes
        if self._exclusive:
            request["group"] = GROUP
            if self._pin is not None:
                request["id"] = self._pin
        try:
            await self._bus.client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._durable}",
                msgspec.json.encode(request),
                reply=self._inbox,
            )
        except TRANSIENT:
            await asyncio.sleep(0.05)
        else:
            self._outstanding += wanted

    async def _patiently_ensure(self) -> None:
        while True:
            try:
                await self.ensure()
            except Unavailable:
                await asyncio.sleep(0.2)
            else:
                return

    def _begin_anew(self) -> None:
        self._stale = True  # the next look opens a fresh inbox, after which nothing old counts

    async def _drop_subscription(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with suppress(*TRANSIENT):
                await subscription.unsubscribe()


def _delivered(message: Msg) -> Delivered:
    delivery = read_reply(message.reply)
    return Delivered(
        message.subject, message.data, delivery.position, delivery.tries, delivery.stored_ns, message
    )
