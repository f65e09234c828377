"""The gate before everything: names, origins, credentials, and the fast lane.

* `Host` must be a name by which this server may be addressed, or a page of an attacker's could reach it
  through a name that points here (DNS rebinding).
* `Origin`, where a browser sends one, must be this server's own or an allowed one: browsers let any page open
  a WebSocket to any server, cookies included.  A cookie alone changes nothing: what would change something
  must say that it comes from an own page.
* Credentials are a bearer token or the cookie, never part of an address, which ends up in logs and histories.
  Whoever presents wrong ones again and again must wait before others are looked at.
* The fast lane answers a GET of one workflow that is in memory without going through the router: that is what
  pollers ask all day.  Its answers are those of the long way; a test compares them.
"""

import ipaddress
import math
import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final

from lastword.http.access import PRINCIPAL, Principal, Role, is_loopback, principal_of
from lastword.http.audit import REQUEST_ID, record, request_id_of
from lastword.http.conditional import is_fresh
from lastword.http.headers import completed
from lastword.http.hub import Hub
from lastword.http.identity import Identity
from lastword.http.limits import Buckets
from lastword.http.live import CLOSE_CODES, RAW_SEND, close, deny
from lastword.http.methods import STREAMS
from lastword.http.metrics import OTHER, EdgeMetrics
from lastword.http.packets import EXTENSION, Responder
from lastword.http.problems import Refusal, refuse
from lastword.http.settings import HttpSettings
from lastword.telemetry import traces

__all__ = ["Gate"]

Scope = Any
Receive = Any
Send = Any
ONE: Final = "/workflows/"
SOCKETS: Final = "/ws/"
HEEDED: Final = frozenset(
    {b"host", b"origin", b"authorization", b"cookie", b"sec-fetch-site"}
    | {b"lastword-position", b"if-none-match", b"if-modified-since"}
)
COMMANDS: Final = 128  # under way at once: half of what one supervisor has in hand
SPREAD_S: Final = 10  # seconds over which those are spread that were refused
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
TRACE_HEADERS: Final = frozenset({b"traceparent", b"tracestate"})
PUBLIC: Final = ("/health/", "/ui/")
"""What needs no credentials: the app itself, whose data does."""
SECRETS: Final = frozenset({b"token", b"access_token", b"bearer", b"authorization", b"api_key"})
"""Names under which people put tokens into an address."""
OPEN: Final = frozenset({"/", "/ui", "/session"})
"""As `PUBLIC`, each without what may lie under it."""


class Gate:
    """An ASGI application around another."""

    def __init__(
        self,
        app: Any,
        *,
        hub: Hub,
        identity: Identity,
        settings: HttpSettings,
        metrics: EdgeMetrics,
        wall: Callable[[], datetime] | None = None,
    ) -> None:
        self._app = app
        self._hub = hub
        self._identity = identity
        self._commands = Buckets(settings.max_commands_per_s, 10 * settings.max_commands_per_s)
        self._commanding = 0
        self._metrics = metrics
        self._wall = wall or (lambda: datetime.now(UTC))
        self._origins = frozenset(origin.rstrip("/").lower() for origin in settings.allowed_origins)
        self._names = frozenset({"localhost", *(name.lower() for name in settings.allowed_hosts)})
        self._is_local = is_loopback(settings.host)
        self._bound = settings.host.lower()
        self._known_hosts: dict[bytes, bool] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it here."""
        started = time.perf_counter()
        asked = {name: value for name, value in scope["headers"] if name in HEEDED}
        origin = asked.get(b"origin")
        path: str = scope["path"]
        is_socket = scope["type"] == "websocket"
        method: str = "GET" if is_socket else scope["method"]
        if method not in SAFE:
            scope[REQUEST_ID] = request_id_of(scope)
            send = _naming(send, scope[REQUEST_ID])
        try:
            self._check_names(asked.get(b"host"), origin)
            if origin is not None and not is_socket:
                send = self._sharing(send, origin)
                if method == "OPTIONS":
                    await _preflight(send)
                    return
            role = self._identify(scope, asked, method)
            lane = method == "GET" and not is_socket and role is not None and path.startswith(ONE)
            if lane and await self._fast(scope, asked, send, path, started):
                return
            self._check_rights(scope, role, method, path)
        except Refusal as refusal:
            await self._refuse(scope, receive, send, refusal)
            return
        if method in SAFE:
            await self._pass(scope, receive, send, method, path, started)
            return
        self._commanding += 1
        try:
            await self._pass(scope, receive, send, method, path, started)
        finally:
            self._commanding -= 1

    def _identify(self, scope: Scope, asked: Mapping[bytes, bytes], method: str) -> Role | None:
        """Write into the scope who asks, and return what they may do."""
        if scope["query_string"]:
            _check_address(scope["query_string"])
        principal, role = self._identity.of(
            asked, scope, changes=method not in SAFE and scope["path"] not in OPEN
        )
        scope[PRINCIPAL] = principal
        return role

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
        """Answer with a problem, or, where a page could not read it, by a close code."""
        is_socket = scope["type"] == "websocket"
        code = CLOSE_CODES.get(refusal.body.code) if is_socket else None
        if code is not None:
            await close(receive, send, code, refusal.body.code)
            return
        await deny(scope, send, refusal)
        method = "GET" if is_socket else scope["method"]
        self._metrics.count(_known_method(method), OTHER, refusal.body.status, None)
        record(scope, status=refusal.body.status)

    async def _pass(
        self, scope: Scope, receive: Receive, send: Send, method: str, path: str, started: float
    ) -> None:
        scope[RAW_SEND] = send
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        if method == "HEAD" and not path.startswith(STREAMS):
            scope = {**scope, "method": "GET"}  # the server leaves the body out by its own copy
        status, location = 500, ""

        async def watching(message: Any) -> None:
            nonlocal status, location
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": completed(message.get("headers", ()))}
                location = next((v.decode("latin-1") for k, v in message["headers"] if k == b"location"), "")
            await send(message)

        try:
            with _step(scope, method) as step:
                await self._app(scope, receive, watching)
                step.tell(
                    f"{_known_method(method)} {scope.get('path_template') or OTHER}",
                    http__route=scope.get("path_template") or OTHER,
                    http__response__status_code=status,
                )
        finally:
            route = scope.get("path_template") or OTHER
            took_s = None if path.startswith(STREAMS) else time.perf_counter() - started
            self._metrics.count(_known_method(method), str(route), status, took_s)
            record(scope, status=status, location=location)

    async def _fast(
        self, scope: Scope, asked: Mapping[bytes, bytes], send: Send, path: str, started: float
    ) -> bool:
        """Answer a GET of one workflow from memory; return whether it was."""
        hub = self._hub
        if not hub.is_current or scope["query_string"] or b"lastword-position" in asked:
            return False
        cell = hub.find(path[len(ONE) :])
        if cell is None:
            return False
        shown = hub.shown(cell)
        conditional = b"if-none-match" in asked or b"if-modified-since" in asked
        if conditional and is_fresh(scope["headers"], shown.etag, shown.modified, self._wall()):
            status, head, sent, body = 304, shown.head_304, shown.headers_304, b""
        else:
            status, head, sent, body = 200, shown.head, shown.headers, shown.body
        responder: Responder | None = scope.get("extensions", {}).get(EXTENSION)
        # With an origin, `send` may have headers to add.
        if responder is None or b"origin" in asked or not responder.answer(head, body):
            await send({"type": "http.response.start", "status": status, "headers": sent})
            await send({"type": "http.response.body", "body": body})
        self._metrics.count("GET", "/workflows/{workflow_id}", status, time.perf_counter() - started)
        return True

    def _check_rights(self, scope: Scope, role: Role | None, method: str, path: str) -> None:
        """Refuse what the role does not allow, what comes too fast, and a socket's address alone."""
        if path not in OPEN and not path.startswith(PUBLIC):
            if role is None:
                raise refuse(
                    "unauthenticated", "Send `Authorization: Bearer <token>`, or sign in with POST /session."
                )
            if method not in SAFE:
                if role is not Role.OPERATOR:
                    raise refuse("forbidden", "A viewer may look; this needs the operator's token.")
                self._check_pace(principal_of(scope))
                self._check_load()
        if path.startswith(SOCKETS) and scope["type"] != "websocket":
            # Here, since the router knows no methods of a socket.
            raise refuse("upgrade_required", "This is a WebSocket.", headers={"upgrade": "websocket"})

    def _check_pace(self, principal: Principal | None) -> None:
        wait_s = self._commands.take(principal.token) if principal is not None else 0.0
        if wait_s:
            raise refuse(
                "too_many_commands",
                "This token commands faster than the server takes it.",
                retry_after_s=math.ceil(wait_s),
            )

    def _check_load(self) -> None:
        """Refuse at once what could not be passed on soon: that is cheap, so that all are answered.

        Whoever was refused together should not come back together.
        """
        if self._commanding >= COMMANDS:
            raise refuse(
                "overloaded",
                f"{COMMANDS} commands are under way here. Nothing was done: ask again.",
                retry_after_s=random.randint(1, SPREAD_S),  # noqa: S311  no secret
            )

    def _check_names(self, host: bytes | None, origin: bytes | None) -> None:
        if host is None or not self._answers_to(host):
            shown = (host or b"").decode("latin-1")[:80]
            raise refuse(
                "wrong_host",
                f"Host is {shown!r}; names besides this server's own go into LASTWORD_HTTP__ALLOWED_HOSTS.",
            )
        if origin is not None and not self._is_own(origin, host):
            shown = origin.decode("latin-1")[:80]
            raise refuse(
                "foreign_origin",
                f"Origin is {shown!r}; others than this server's own go into LASTWORD_HTTP__ALLOWED_ORIGINS.",
            )

    def _answers_to(self, host: bytes) -> bool:
        known = self._known_hosts.get(host)
        if known is None:
            known = self._judge_host(host.decode("latin-1").lower())
            if len(self._known_hosts) < 256:  # strangers must not fill memory
                self._known_hosts[host] = known
        return known

    def _judge_host(self, host: str) -> bool:
        name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
        if name in self._names or name == self._bound:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # Nobody can let an address point elsewhere; beyond loopback any of ours may be used.
        return address.is_loopback or not self._is_local

    def _is_own(self, origin: bytes, host: bytes) -> bool:
        text = origin.decode("latin-1").lower()
        scheme, _, rest = text.partition("://")
        if scheme in {"http", "https"} and rest == host.decode("latin-1").lower():
            return True
        return text in self._origins

    def _sharing(self, send: Send, origin: bytes) -> Send:
        """Let an allowed page of another origin read the answer (CORS)."""
        if origin.decode("latin-1").lower() not in self._origins:
            return send
        shared = (
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (
                b"access-control-expose-headers",
                b"ETag, Location, Lastword-Position, Idempotent-Replayed, Retry-After, Allow",
            ),
        )

        async def sharing(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *shared]}
            await send(message)

        return sharing


def _check_address(query: bytes) -> None:
    """Refuse a token in an address, before anyone takes to writing it there."""
    for part in query.split(b"&"):
        if part.partition(b"=")[0].lower() in SECRETS:
            raise refuse("token_in_url", "Addresses end up in logs: send `Authorization: Bearer <token>`.")


def _naming(send: Send, request_id: str) -> Send:
    """Tell the caller by which name its request is found in the log."""
    name = (b"x-request-id", request_id.encode())

    async def naming(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), name]}
        await send(message)

    return naming


def _step(scope: Scope, method: str) -> AbstractContextManager[traces.Span]:
    """Return the span of a command, the first of its trace or under the caller's; reads have none."""
    if method in SAFE or not traces.is_on():
        return traces.OFF
    carrier = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in TRACE_HEADERS
    }
    return traces.span(
        _known_method(method), "server", carrier=carrier, http__request__method=_known_method(method)
    )


def _known_method(method: str) -> str:
    """Return the method, or `other`: clients may send any word, and each would become a series."""
    return method if method in METHODS else OTHER


async def _preflight(send: Send) -> None:
    headers = [
        (b"access-control-allow-methods", b"GET, HEAD, POST, DELETE, OPTIONS"),
        (
            b"access-control-allow-headers",
            b"Authorization, Content-Type, Idempotency-Key, If-None-Match, Lastword-Position",
        ),
        (b"access-control-max-age", b"600"),
        (b"vary", b"Origin"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": completed(headers)})
    await send({"type": "http.response.body", "body": b""})
