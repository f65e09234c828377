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
import nkeys
import structlog
from msgspec import Struct
from nats.aio.client import Client
from nats.js import JetStreamContext

from lastword.bus._cancel import end, heeding
from lastword.bus.exceptions import (
    BadLogin,
    LoginRefused,
    ServerTooOld,
    TooLarge,
    Unavailable,
    Unheard,
    Unreachable,
)
from lastword.bus.requests import Requests
from lastword.bus.settings import BusSettings
from lastword.telemetry import traces

__all__ = ["REQUIRED_API_LEVEL", "TRANSIENT", "Ack", "AckError", "Bus", "open_bus"]

log = structlog.get_logger(__name__)

REQUIRED_API_LEVEL: Final = 2
"""JetStream API level of nats-server 2.12: expiry markers, schedules, batched direct get."""

RECONNECT_S: Final = 0.1  # between two tries; the default of 2 s doubled the gap after a leader's death

FIRST_S: Final = 5.0
"""Seconds to try for the first connection; later ones are tried for ever."""

OURS: Final = "lastword."
"""How the subjects begin on which we speak with ourselves."""

SLOWEST_LINK: Final = 16_384
"""Bytes a second that a link must carry for large results to come through."""

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


class AckError(Struct, frozen=True):
    """Why a stream did not take a message."""

    code: int = 0
    """As in HTTP."""
    err_code: int = 0
    """The server's own, such as 10071: wrong last sequence."""
    description: str = ""


class Ack(Struct, frozen=True):
    """What a stream says of a message."""

    seq: int = 0
    """Its position."""
    duplicate: bool = False
    """Whether it was known by its id already, and nothing was stored."""
    error: AckError | None = None


_acks = msgspec.json.Decoder(Ack)


class Bus:
    """One connection, and what everyone on it shares."""

    def __init__(self, client: Client, settings: BusSettings, name: str) -> None:
        self.client = client
        self.js: JetStreamContext = client.jetstream(timeout=settings.request_timeout_s)
        self._requests = Requests(client)
        # Whoever is asked sees where answers go. He must not be able to answer in the server's place there.
        self._api = Requests(client)
        self.settings = settings
        self.name = name
        self.on_reconnect: list[Callable[[], None]] = []
        self.on_disconnect: list[Callable[[], None]] = []
        self.closed = asyncio.Event()
        """Set when the connection has ended for good; the process should then be restarted."""

    async def open(self) -> None:
        """Be ready to ask."""
        await self._requests.open()
        await self._api.open()

    def give_up(self) -> None:
        """Take note that the connection has ended: no answer comes over it any more."""
        self._requests.give_up()
        self._api.give_up()
        _tell(self.on_disconnect)

    @property
    def is_connected(self) -> bool:
        """Whether the server can be reached right now, as far as is known."""
        return self.client.is_connected

    @property
    def max_payload(self) -> int:
        """The largest message that the server accepts, in bytes."""
        return int(self.client.max_payload)

    async def request(self, subject: str, payload: bytes, *, timeout_s: float | None = None) -> bytes:
        """Ask, and return the answer; raise `Unavailable` (`Unheard`) where none comes, or `TooLarge`."""
        return await self._ask(self._requests, subject, payload, timeout_s)

    async def _ask(self, requests: Requests, subject: str, payload: bytes, timeout_s: float | None) -> bytes:
        try:
            limit_s = timeout_s if timeout_s is not None else self.settings.request_timeout_s
            headers = _traced(subject, None)
            message = await requests.ask(subject, payload, timeout_s=limit_s, headers=headers)
        except nats.errors.MaxPayloadError as error:
            raise TooLarge(subject, len(payload), self.max_payload) from error
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
        told = await self._ask(self._api, f"$JS.API.{subject}", payload, None)
        answer: dict[str, Any] = msgspec.json.decode(told)
        return answer

    async def store(
        self,
        subject: str,
        payload: bytes,
        *,
        message_id: str | None = None,
        ttl_s: int | None = None,
        is_bulky: bool = False,
    ) -> bool:
        """Publish into a stream; return once it is stored.

        False: the stream knew `message_id` already, and stored nothing.  `ttl_s` is how long the message may
        live, in whole seconds; `is_bulky` as with `publish`.  Raises `Unavailable` where nobody says that it
        is stored, so that it may or may not be, and `TooLarge`.
        """
        headers: dict[str, str] = {}
        if message_id is not None:
            headers["Nats-Msg-Id"] = message_id
        if ttl_s is not None:
            headers["Nats-TTL"] = f"{ttl_s}s"
        ack = await self.publish(subject, payload, headers, is_bulky=is_bulky)
        if ack.error is not None:
            raise Unavailable(subject, ack.error.description)
        return not ack.duplicate

    async def publish(
        self,
        subject: str,
        payload: bytes,
        headers: dict[str, str] | None = None,
        *,
        is_bulky: bool = False,
    ) -> Ack:
        """Publish to a stream and return what it says; raise `Unavailable` (`Unheard`) or `TooLarge`.

        What `is_bulky` gets the time that a slow link takes to carry it: whoever gave up before would send it
        again behind the first, and again, until nothing else came through.
        """
        try:
            limit_s = self.settings.request_timeout_s
            if is_bulky:
                limit_s += len(payload) / SLOWEST_LINK
            traced = _traced(subject, headers)
            message = await self._api.ask(subject, payload, timeout_s=limit_s, headers=traced)
            return _acks.decode(message.data)
        except nats.errors.MaxPayloadError as error:
            raise TooLarge(subject, len(payload), self.max_payload) from error
        except nats.errors.NoRespondersError as error:
            raise Unheard(subject) from error
        except (msgspec.DecodeError, *TRANSIENT) as error:
            raise Unavailable(subject, type(error).__name__) from error

    async def tell(self, subject: str, payload: bytes) -> None:
        """Publish to whoever listens, and wait for nobody; raise `Unavailable` or `TooLarge`."""
        try:
            await self.client.publish(subject, payload)
        except nats.errors.MaxPayloadError as error:
            raise TooLarge(subject, len(payload), self.max_payload) from error
        except TRANSIENT as error:
            raise Unavailable(subject, type(error).__name__) from error

    async def barrier(self) -> None:
        """Return when the server has taken every subscription made so far; raise `Unavailable`.

        One flush is not enough: the client writes PING before a SUB that it has queued (measured: 60 of
        1,500 messages missed with one, none with two).
        """
        try:
            await heeding(self.client.flush())
            await heeding(self.client.flush())
        except TRANSIENT as error:
            raise Unavailable("the NATS server", type(error).__name__) from error


@asynccontextmanager
async def open_bus(
    settings: BusSettings, *, name: str, inbox_prefix: str = "_INBOX"
) -> AsyncGenerator[Bus, None]:
    """Connect and yield the bus; raise `Unreachable`, `BadLogin` or `ServerTooOld`.

    `name` is what the server's own events call this connection; an executor's is its executor name.
    """
    servers = [part.strip() for part in (settings.url or "").split(",") if part.strip()]
    if not servers:  # the client would look for ever, and hold up the loop
        raise Unreachable("(no address)", "bus.url is not set and no embedded server runs")
    client = Client()
    bus = Bus(client, settings, name)
    closing = asyncio.Event()
    shown = ", ".join(_without_secrets(server) for server in servers)

    async def disconnected() -> None:
        if client.is_closed or closing.is_set():
            return
        log.warning("bus.disconnected", connection=name, url=shown)
        bus.give_up()

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
            reconnect_time_wait=RECONNECT_S,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  it sleeps so long
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
        await bus.open()
        yield bus
    finally:
        closing.set()
        await end(first)  # not done where we were cancelled while it still tried
        with suppress(AssertionError, *TRANSIENT):  # AssertionError: a client that could not even begin
            await client.close()


async def _first_connection(first: "asyncio.Task[None]", client: Client, shown: str) -> None:
    """Wait for the first connection; the client alone would try for ever."""
    done, _ = await asyncio.wait({first}, timeout=FIRST_S)
    if not done:
        await end(first)
        why = client.last_error
        raise _unreachable(shown, why) if why else Unreachable(shown, f"no answer within {FIRST_S:g} s")
    try:
        first.result()
    except (TimeoutError, nats.errors.Error, OSError) as error:
        raise _unreachable(shown, error) from error


def _unreachable(shown: str, why: Exception) -> Unreachable:
    text = str(why) or type(why).__name__
    return LoginRefused(shown, text) if "uthorization" in text else Unreachable(shown, text)


def _check_level(client: Client, shown: str) -> None:
    info: dict[str, Any] = client._server_info  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  no public way to the server's INFO
    level = int(info.get("api_lvl", 0))
    if level < REQUIRED_API_LEVEL:
        raise ServerTooOld(shown, str(info.get("version", "unknown")), level, REQUIRED_API_LEVEL)


def _login(settings: BusSettings) -> dict[str, Any]:
    """Return the client's options for whichever login is set; raise `BadLogin`."""
    if settings.credentials is not None:
        if "BEGIN USER NKEY SEED" not in _text("credentials", settings.credentials):
            raise BadLogin("credentials", settings.credentials, "it holds no NATS user's JWT and seed")
        return {"user_credentials": settings.credentials}
    if settings.nkey_seed is not None:
        seed = _text("nkey_seed", settings.nkey_seed).strip()
        try:
            nkeys.from_seed(seed.encode()).wipe()
        except (nkeys.NkeysError, ValueError) as error:
            raise BadLogin("nkey_seed", settings.nkey_seed, "it holds no nkey seed") from error
        return {"nkeys_seed_str": seed}
    if settings.user is not None:
        return {"user": settings.user, "password": settings.password or ""}
    return {}


def _text(setting: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadLogin(setting, path, str(error)) from error


def _tls(settings: BusSettings) -> SSLContext | None:
    if settings.tls_ca is None and settings.tls_cert is None:
        return None
    try:
        context = create_default_context(cafile=settings.tls_ca)
    except OSError as error:  # SSLError is one
        raise BadLogin("tls_ca", str(settings.tls_ca), str(error)) from error
    if settings.tls_cert is not None:
        try:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
        except OSError as error:
            key = (
                f"{settings.tls_cert}, tls_key {settings.tls_key}" if settings.tls_key else settings.tls_cert
            )
            raise BadLogin("tls_cert", key, str(error)) from error
    return context


def _without_secrets(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else url.rpartition("@")[2]


def _traced(subject: str, headers: dict[str, str] | None) -> dict[str, str] | None:
    """Return the headers with those that carry the current span, where it is us who will read them."""
    if traces.is_on() and subject.startswith(OURS):
        headers = {**(headers or {}), **traces.carrier()}
    return headers or None


def _tell(listeners: list[Callable[[], None]]) -> None:
    for listener in listeners:
        try:
            listener()
        except Exception:
            log.exception("bus.listener_failed", listener=repr(listener))
