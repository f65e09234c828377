"""The connection: tuned so that a restart or a new leader is noticed in tenths of a second.

The client's own buffering is off (`pending_size=0`): a publish made while disconnected fails at once
instead of landing, late and unasked, after the reconnect.  Whoever must deliver tries again itself.

Callbacks of the client never raise: one that did would end its read loop while it still claims to be
connected.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import Any, Final

import msgspec
import nats
import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext

from lastword.bus.exceptions import ServerTooOld, TooLarge, Unavailable, Unheard, Unreachable
from lastword.bus.settings import BusSettings

__all__ = ["REQUIRED_API_LEVEL", "TRANSIENT", "Bus", "open_bus"]

log = structlog.get_logger(__name__)

REQUIRED_API_LEVEL: Final = 2
"""JetStream API level of nats-server 2.12: expiry markers, schedules, batched direct get."""

TRANSIENT: Final = (
    nats.errors.TimeoutError,
    nats.errors.NoRespondersError,
    nats.errors.ConnectionClosedError,
    nats.errors.ConnectionReconnectingError,
    nats.errors.ConnectionDrainingError,
    nats.errors.DrainTimeoutError,
    nats.errors.OutboundBufferLimitError,
    nats.errors.StaleConnectionError,
    nats.errors.UnexpectedEOF,
    nats.js.errors.NoStreamResponseError,
    nats.js.errors.ServiceUnavailableError,
    asyncio.TimeoutError,
    ConnectionError,
)
"""Errors after which the same request may be made again: nothing is known of its outcome."""


class Bus:
    """One connection, and what everyone on it shares."""

    def __init__(self, client: Client, settings: BusSettings, name: str) -> None:
        self.client = client
        self.js: JetStreamContext = client.jetstream(timeout=settings.request_timeout_s)
        self.settings = settings
        self.name = name
        self.on_reconnect: list[Callable[[], None]] = []
        self.on_disconnect: list[Callable[[], None]] = []
        self.closed = asyncio.Event()
        """Set when the connection has ended for good; the process should then be restarted."""

    @property
    def is_connected(self) -> bool:
        """Whether the server can be reached right now, as far as is known."""
        return self.client.is_connected

    @property
    def max_payload(self) -> int:
        """The largest message that the server accepts, in bytes."""
        return int(self.client.max_payload)

    async def request(self, subject: str, payload: bytes, *, timeout_s: float | None = None) -> bytes:
        """Ask, and return the answer; raise `Unavailable` (`Unheard`) where none comes."""
        try:
            message = await self.client.request(
                subject,
                payload,
                timeout=timeout_s if timeout_s is not None else self.settings.request_timeout_s,
            )
        except nats.errors.NoRespondersError as error:
            raise Unheard(subject) from error
        except TRANSIENT as error:
            raise Unavailable(subject, type(error).__name__) from error
        return message.data

    async def ask_api(self, subject: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask JetStream's API by raw JSON, for what the client library does not know.

        Returns the answer, which may hold an `error`.
        """
        payload = msgspec.json.encode(request) if request is not None else b""
        answer: dict[str, Any] = msgspec.json.decode(await self.request(f"$JS.API.{subject}", payload))
        return answer

    async def store(
        self, subject: str, payload: bytes, *, message_id: str | None = None, ttl_s: int | None = None
    ) -> bool:
        """Publish into a stream; return once it is stored.

        False: the stream knew `message_id` already, and stored nothing.  `ttl_s` is how long the message may
        live, in whole seconds.  Raises `Unavailable` where nobody says that it is stored, so that it may or
        may not be, and `TooLarge`.
        """
        headers: dict[str, str] = {}
        if message_id is not None:
            headers["Nats-Msg-Id"] = message_id
        if ttl_s is not None:
            headers["Nats-TTL"] = f"{ttl_s}s"
        try:
            ack = await self.js.publish(subject, payload, headers=headers or None)
        except nats.errors.MaxPayloadError as error:
            raise TooLarge(subject, len(payload), self.max_payload) from error
        except (nats.js.errors.Error, *TRANSIENT) as error:
            raise Unavailable(subject, type(error).__name__) from error
        return not ack.duplicate

    async def tell(self, subject: str, payload: bytes) -> None:
        """Publish to whoever listens, and wait for nobody; raise `Unavailable` or `TooLarge`."""
        try:
            await self.client.publish(subject, payload)
        except nats.errors.MaxPayloadError as error:
            raise TooLarge(subject, len(payload), self.max_payload) from error
        except TRANSIENT as error:
            raise Unavailable(subject, type(error).__name__) from error

    async def barrier(self) -> None:
        """Return when the server has taken every subscription made so far.

        One flush is not enough: the client writes PING before a SUB that it has queued (measured: 60 of
        1,500 messages missed with one, none with two).
        """
        await self.client.flush()
        await self.client.flush()


@asynccontextmanager
async def open_bus(
    settings: BusSettings, *, name: str, inbox_prefix: str = "_INBOX"
) -> AsyncGenerator[Bus, None]:
    """Connect and yield the bus; raise `Unreachable` or `ServerTooOld`.

    `name` is what the server's own events call this connection; an executor's is its executor name.
    """
    if settings.url is None:
        raise Unreachable("(no address)", "bus.url is not set and no embedded server runs")
    client = Client()
    bus = Bus(client, settings, name)
    closing = asyncio.Event()
    servers = [part.strip() for part in settings.url.split(",") if part.strip()]
    shown = ", ".join(_without_secrets(server) for server in servers)

    async def disconnected() -> None:
        if client.is_closed or closing.is_set():
            return
        log.warning("bus.disconnected", connection=name, url=shown)
        _tell(bus.on_disconnect)

    async def reconnected() -> None:
        log.info("bus.reconnected", connection=name, url=shown)
        _tell(bus.on_reconnect)

    async def closed() -> None:
        bus.closed.set()

    async def failed(error: Exception) -> None:
        text = str(error)
        if "ermissions" in text:
            log.error("bus.permission_denied", connection=name, error=text)
        elif not isinstance(error, ConnectionError | nats.errors.Error | asyncio.TimeoutError | OSError):
            log.warning("bus.error", connection=name, error=repr(error))

    first = asyncio.create_task(
        client.connect(
            servers,
            name=name,
            inbox_prefix=inbox_prefix.encode(),
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,  # seconds; the default of 2 doubled the gap after a leader's death
            connect_timeout=1,  # seconds
            ping_interval=5,  # seconds; with 2 outstanding a dead link is noticed within 15
            max_outstanding_pings=2,
            pending_size=0,
            disconnected_cb=disconnected,
            reconnected_cb=reconnected,
            closed_cb=closed,
            error_cb=failed,
            tls=_tls(settings),
            **_login(settings),
        ),
        name=f"connect {name}",
    )
    try:
        await _first_connection(first, client, shown)
        _check_level(client, shown)
        yield bus
    finally:
        closing.set()
        with suppress(*TRANSIENT):
            await client.close()


async def _first_connection(first: "asyncio.Task[None]", client: Client, shown: str) -> None:
    """Wait for the first connection 5 s; the client alone would try for ever."""
    done, _ = await asyncio.wait({first}, timeout=5.0)
    if not done:
        first.cancel()
        with suppress(asyncio.CancelledError, *TRANSIENT):
            await first
        why = client.last_error
        raise Unreachable(shown, str(why) if why else "no answer within 5 s")
    try:
        first.result()
    except (TimeoutError, nats.errors.Error, OSError) as error:
        raise Unreachable(shown, str(error) or type(error).__name__) from error


def _check_level(client: Client, shown: str) -> None:
    info: dict[str, Any] = client._server_info  # noqa: SLF001  no public way to the server's INFO
    level = int(info.get("api_lvl", 0))
    if level < REQUIRED_API_LEVEL:
        raise ServerTooOld(shown, str(info.get("version", "unknown")), level, REQUIRED_API_LEVEL)


def _login(settings: BusSettings) -> dict[str, Any]:
    if settings.credentials is not None:
        return {"user_credentials": settings.credentials}
    if settings.nkey_seed is not None:
        return {"nkeys_seed_str": Path(settings.nkey_seed).read_text("utf-8").strip()}
    if settings.user is not None:
        return {"user": settings.user, "password": settings.password or ""}
    return {}


def _tls(settings: BusSettings) -> SSLContext | None:
    if settings.tls_ca is None and settings.tls_cert is None:
        return None
    context = create_default_context(cafile=settings.tls_ca)
    if settings.tls_cert is not None:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    return context


def _without_secrets(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else url.rpartition("@")[2]


def _tell(listeners: list[Callable[[], None]]) -> None:
    for listener in listeners:
        try:
            listener()
        except Exception:
            log.exception("bus.listener_failed", listener=repr(listener))
