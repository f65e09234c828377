"""Following a stream: everything under a subject, in order, without gap or repetition, whatever restarts.

An ordered, ephemeral push consumer with a heartbeat of one second.  The consumer's own sequence shows a
gap at once, its heartbeats show a lost tail, and two and a half seconds of silence, or a reconnect, show that
it is gone; each leads to a new consumer that starts after the last position delivered.  The republished
subject would be as fast, but it is best effort: a record committed just before a leader dies may never be
republished, and a terminal record has no successor that would reveal the gap.

A stream may also have been made anew: the log by hand or from a backup, one that is kept in memory by every
restart of its server.  Its sequence begins again, and whoever waited for the next of the old one would be
deaf.  So the stream is looked at before each consumer is made: under which name it goes (`_names`), whether
it ends before what was delivered, and, of the log, whether the last one delivered is still what stands there.

On a cluster a consumer may be placed on a node that is a moment behind the stream's leader, and then says
that nothing is left to deliver while something is.  So whoever waits to be caught up waits for what the
leader had before the consumer was made, or, where its last message is not for us, for the first heartbeat.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from lastword.bus._cancel import end
from lastword.bus._names import name_of
from lastword.bus._reply import read_reply
from lastword.bus.connection import TRANSIENT, Bus
from lastword.bus.exceptions import Unavailable

__all__ = ["Follower", "Heard", "Origin"]

log = structlog.get_logger(__name__)

HEARTBEAT_S: Final = 1.0
LOOKS: Final = 10
LOOK_S: Final = 0.2  # seconds between them
SILENCE_S: Final = 2.5  # seconds without a word after which the consumer counts as lost
NANOSECONDS: Final = 1_000_000_000
TIMES_DIFFER: Final = timedelta(milliseconds=1)  # one message's time is written with more digits or with less
INACTIVE_S: Final = 30.0  # after which the server removes a consumer that nobody listens to

Origin = Literal["everything", "latest", "new"]
"""Where to begin: the whole stream, the last message of each subject, or what comes from now on."""


class Heard(NamedTuple):
    """One message of the stream."""

    subject: str
    data: bytes
    headers: Mapping[str, str]
    position: int
    stored_at: datetime

    @property
    def is_marker(self) -> bool:
        """Whether the server says that the subject's message has expired, or was removed."""
        return "Nats-Marker-Reason" in self.headers


class Follower:
    """Delivers each message to a synchronous callback, which must not raise."""

    def __init__(
        self,
        bus: Bus,
        *,
        stream: str,
        subject: str,
        deliver: Callable[[Heard], None],
        origin: Origin = "everything",
        after: int | None = None,
        lost: Callable[[], None] | None = None,
        caught_up: Callable[[], None] | None = None,
        renewed: Callable[[str], None] | None = None,
        is_patient: bool = False,
    ) -> None:
        """Take what to follow; `after` is a position to resume from, instead of `origin`.

        `lost` hears of each break in the feed, `caught_up` when everything stored has been delivered, and
        `renewed` that the stream is another one, and its name: its messages come from the first one on, and
        the positions delivered before mean nothing.  A stream may have gone back under the name that it had;
        who `is_patient` leaves renaming it to others, and hears nothing until that is done.
        """
        self._bus = bus
        self._stream = stream
        self._subject = subject
        self._deliver = deliver
        self._origin: Origin = origin
        self._lost = lost
        self._caught_up = caught_up
        self._renewed = renewed
        self._is_patient = is_patient
        self._name = ""
        self._stored_at: datetime | None = None
        self._resume_after = after
        self._subscription: Subscription | None = None
        self._consumer_sequence = 0
        self._goal = 0
        self._generation = 0
        self._heard_at = 0.0
        self._wake = asyncio.Event()
        self._broken = True
        self.position = after or 0
        """The last position delivered."""
        self.synced = asyncio.Event()
        """Set while everything that was stored has been delivered; cleared when the feed breaks."""
        self.breaks = 0
        """How often the feed has broken."""

    @asynccontextmanager
    async def open(self) -> AsyncGenerator["Follower", None]:
        """Follow until the block is left."""
        self._bus.on_reconnect.append(self._break)
        self._bus.on_disconnect.append(self._break)
        keeper = asyncio.create_task(self._keep(), name=f"follow {self._subject}")
        try:
            yield self
        finally:
            self._bus.on_reconnect.remove(self._break)
            self._bus.on_disconnect.remove(self._break)
            await end(keeper)
            await self._drop_subscription()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if self._broken and self._bus.is_connected:
                try:
                    await self._subscribe(loop)
                except (Unavailable, *TRANSIENT) as error:
                    log.debug("follow.not_yet", subject=self._subject, error=type(error).__name__)
                    await asyncio.sleep(0.1)
                    continue
            try:
                async with asyncio.timeout(HEARTBEAT_S / 2):
                    await self._wake.wait()
                    self._wake.clear()
            except TimeoutError:
                if not self._broken and loop.time() - self._heard_at > SILENCE_S:
                    log.info("follow.silent", subject=self._subject)
                    self._break()

    def _break(self) -> None:
        """Give up the consumer, which is gone or cannot be trusted: a new one begins."""
        if not self._broken:
            self._broken = True
            self._generation += 1
            self.breaks += 1
            self.synced.clear()
            self._call(self._lost)
        self._wake.set()

    def _sync(self) -> None:
        if not self.synced.is_set():
            self.synced.set()
            self._call(self._caught_up)

    def _call(self, listener: Callable[[], None] | None) -> None:
        """Call whoever wants to know; its fault must not end the feed."""
        if listener is not None:
            try:
                listener()
            except Exception:
                log.exception("follow.listener_failed", subject=self._subject)

    async def _subscribe(self, loop: asyncio.AbstractEventLoop) -> None:
        await self._drop_subscription()
        await self._recognise()
        client = self._bus.client
        inbox = client.new_inbox()
        self._generation += 1
        self._consumer_sequence = 0
        self._heard_at = loop.time()
        self._broken = False
        try:
            self._subscription = await client.subscribe(inbox, cb=self._hearing(loop))
            pending = await self._create(inbox)
        except BaseException:
            self._broken = True
            raise
        if pending == 0 and self._has_arrived() and not self._broken:  # it may have broken meanwhile
            self._sync()

    def _has_arrived(self) -> bool:
        """Whether everything has come that the stream's leader had when we asked it."""
        return self.position >= self._goal

    async def _recognise(self) -> None:
        """Begin again where the stream is not the one that was followed until now."""
        info = await self._bus.ask_api(f"STREAM.INFO.{self._stream}")
        if "error" in info:
            raise Unavailable(f"stream {self._stream}", str(info["error"].get("description", "")))
        name, before, at = name_of(info), self._name, self._resume_after
        if at is not None:
            is_another = before not in {"", name}
            if not is_another and await self._has_gone_back(info, at):
                if self._is_patient:
                    raise Unavailable(f"stream {self._stream}", "it has gone back, under its old name")
                is_another = True
            if is_another:
                self._begin_anew(name, at)
        self._name = name
        state = info["state"]
        is_new = self._origin == "new" and self._resume_after is None
        self._goal = int(state["last_seq"]) if int(state["messages"]) and not is_new else 0

    async def _has_gone_back(self, info: Mapping[str, Any], at: int) -> bool:
        """Tell whether the stream has lost what was delivered: it ends before `at`, or has another there."""
        if int(info["state"]["last_seq"]) < at:
            return int(info["config"]["num_replicas"]) == 1 or await self._stays_behind(at)
        if self._renewed is None or self._stored_at is None:
            return False
        answer = await self._bus.ask_api(f"STREAM.MSG.GET.{self._stream}", {"seq": at})
        if "error" in answer:
            return False
        stored_at = datetime.fromisoformat(str(answer["message"]["time"]))
        return abs(stored_at - self._stored_at) > TIMES_DIFFER

    async def _stays_behind(self, at: int) -> bool:
        """Look again for a while: a leader that was just elected may not have applied yet all that it has."""
        for _ in range(LOOKS):
            await asyncio.sleep(LOOK_S)
            info = await self._bus.ask_api(f"STREAM.INFO.{self._stream}")
            if "error" in info:
                raise Unavailable(f"stream {self._stream}", str(info["error"].get("description", "")))
            if int(info["state"]["last_seq"]) >= at:
                return False
        return True

    def _begin_anew(self, name: str, at: int) -> None:
        log.warning("follow.renewed", stream=self._stream, position=at)
        self.position = 0
        self._stored_at = None
        self._resume_after = None if self._origin == "latest" else 0
        if self._renewed is not None:
            self._call(partial(self._renewed, name))

    async def _create(self, inbox: str) -> int:
        """Create the consumer; return how many messages it has to deliver."""
        name = self._bus.client.new_inbox().rpartition(".")[2]
        config: dict[str, Any] = {
            "name": name,
            "deliver_subject": inbox,
            "filter_subject": self._subject,
            "ack_policy": "none",
            "max_deliver": 1,
            "idle_heartbeat": int(HEARTBEAT_S * NANOSECONDS),
            "flow_control": True,
            "inactive_threshold": int(INACTIVE_S * NANOSECONDS),
            "mem_storage": True,
            "num_replicas": 1,
            **self._begin(),
        }
        answer = await self._bus.ask_api(
            f"CONSUMER.CREATE.{self._stream}.{name}.{self._subject}",
            {"stream_name": self._stream, "config": config},
        )
        if "error" in answer:
            raise Unavailable(f"stream {self._stream}", str(answer["error"].get("description", "")))
        if self._origin == "new" and self._resume_after is None:
            self._resume_after = int(answer["delivered"]["stream_seq"])
        return int(answer["num_pending"])

    def _begin(self) -> dict[str, Any]:
        if self._resume_after is not None:
            return {"deliver_policy": "by_start_sequence", "opt_start_seq": self._resume_after + 1}
        policy = {"everything": "all", "latest": "last_per_subject", "new": "new"}[self._origin]
        return {"deliver_policy": policy}

    def _hearing(self, loop: asyncio.AbstractEventLoop) -> Callable[[Msg], Awaitable[None]]:
        """Return the callback of one consumer; it falls silent when the consumer is replaced."""
        generation = self._generation

        async def hear(message: Msg) -> None:
            if generation != self._generation:
                return
            self._heard_at = loop.time()
            headers: Mapping[str, str] = message.headers or {}
            if not message.data and "Status" in headers:
                await self._heed(message, headers)
                return
            delivery = read_reply(message.reply)
            if delivery.sequence != self._consumer_sequence + 1:
                self._break()
                return
            self._consumer_sequence = delivery.sequence
            self.position = self._resume_after = delivery.position
            self._stored_at = delivery.stored_at
            heard = Heard(message.subject, message.data, headers, delivery.position, delivery.stored_at)
            try:
                self._deliver(heard)
            except Exception:
                log.exception("follow.callback_failed", subject=message.subject, position=delivery.position)
            if delivery.pending == 0 and self._has_arrived():
                self._sync()

        return hear

    async def _heed(self, message: Msg, headers: Mapping[str, str]) -> None:
        if message.reply:  # flow control: the server waits for this before it sends more
            try:
                await message.respond(b"")
            except TRANSIENT:
                self._break()
            return
        stalled = headers.get("Nats-Consumer-Stalled")
        if stalled is not None:
            try:
                await self._bus.client.publish(stalled)
            except TRANSIENT:
                self._break()
                return
        last = headers.get("Nats-Last-Consumer")
        if last is not None and int(last) != self._consumer_sequence:
            self._break()
        elif stalled is None:  # a second without a message, and none is due: what the leader had is here
            self._sync()

    async def _drop_subscription(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with suppress(*TRANSIENT):
                await subscription.unsubscribe()
