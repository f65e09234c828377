"""The wires of the live streams: WebSocket and server-sent events.

A handler only opens the stream and then waits for the client to say something or to go; the hub writes past
it (see `channels`).  A refusal is a problem where the client can read one: before the SSE response begins,
and in place of the WebSocket handshake for programs.  A browser cannot read a refused handshake, so what it
must be able to act upon is said by a close code instead: 4001, 4003, 4004.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from litestar import Request, Response, asgi
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler
from litestar.params import FromPath

from lastword.bus.exceptions import BusError
from lastword.contracts.frames import OutputFrame, WorkflowFrame
from lastword.http.access import Access, principal_of
from lastword.http.channels import Channel
from lastword.http.examples import PRINTED, TOLD
from lastword.http.hub import CLOSE_GONE, Hub
from lastword.http.limits import Turnstile
from lastword.http.many_workflows import ManyWorkflows
from lastword.http.one_workflow import OneWorkflow
from lastword.http.operation import STREAM, Operation
from lastword.http.packets import EXTENSION, Wire, encode
from lastword.http.ports import LogReader, Outputs
from lastword.http.problems import PROBLEM_JSON, SHOWN, Refusal, headers_of, refuse, unavailable
from lastword.http.reader import Reader, parse_since
from lastword.http.requests import ResumeQuery, StreamQuery, parse_query
from lastword.http.settings import HttpSettings
from lastword.http.streams import Stream
from lastword.http.workflow_output import WorkflowOutput

__all__ = ["CLOSE_CODES", "OPERATIONS", "RAW_SEND", "LiveRoutes", "close", "deny", "socket_path"]

Scope = Any
Receive = Any
Send = Any
RAW_SEND: Final = "lastword.send"
"""The key in a scope of the server's own `send`, without Litestar's wrappers around it."""

SSE_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
)
CLOSE_CODES: Final = {
    "unauthenticated": 4001,
    "feature_off": 4003,
    "unknown_workflow": 4004,
    "invalid_parameter": 4400,
    "token_in_url": 4400,
    "unavailable": 1013,
    "stopping": 4200,
}
"""How a WebSocket is closed in place of a problem."""
REASON_BYTES: Final = 123  # of a close frame (RFC 6455, section 5.5)


def socket_path(operation: Operation) -> str:
    """Return where the WebSocket is whose frames a stream of events carries as well."""
    return operation.path.replace("/events/", "/ws/", 1)


async def deny(scope: Scope, send: Send, refusal: Refusal) -> None:
    """Answer a request, or a WebSocket handshake, with a problem."""
    body = refusal.body
    payload = encode(msgspec.structs.replace(body, instance=scope["path"][:SHOWN]))
    headers = [
        (name.encode(), value.encode()) for name, value in {**headers_of(body), **refusal.headers}.items()
    ]
    headers += [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", b"%d" % len(payload))]
    prefix = "websocket." if scope["type"] == "websocket" else ""
    if prefix and "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008, "reason": body.code})
        return
    await send({"type": f"{prefix}http.response.start", "status": body.status, "headers": headers})
    await send({"type": f"{prefix}http.response.body", "body": payload})


async def close(receive: Receive, send: Send, code: int, reason: str) -> None:
    """Accept a WebSocket only to close it with a code that its page can read."""
    await receive()
    await send({"type": "websocket.accept", "headers": []})
    await send({"type": "websocket.close", "code": code, "reason": _reason(reason)})


class _EventStream(Response[None]):
    """A response that the hub writes."""

    def __init__(self, run: Callable[[Scope, Receive, Send], Any]) -> None:
        super().__init__(None)
        self._run = run

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """Return the ASGI application that answers."""
        return self._run


class LiveRoutes:
    """Answers with live streams."""

    def __init__(
        self,
        *,
        hub: Hub,
        reader: Reader,
        log: LogReader,
        outputs: Outputs,
        settings: HttpSettings,
        turnstile: Turnstile,
        access: Access,
    ) -> None:
        self._hub = hub
        self._reader = reader
        self._log = log
        self._outputs = outputs
        self._settings = settings
        self._turnstile = turnstile
        self._access = access

    def handlers(self) -> list[HTTPRouteHandler | ASGIRouteHandler]:
        """Return the endpoints for Litestar."""
        return [
            _MANY.serve(self.events_many),
            _ONE.serve(self.events_one),
            _OUTPUT.serve(self.events_output),
            asgi(socket_path(_MANY), copy_scope=True)(self.ws_many),
            asgi(socket_path(_ONE), copy_scope=True)(self.ws_one),
            asgi(socket_path(_OUTPUT), copy_scope=True)(self.ws_output),
        ]

    async def events_one(self, request: Request[Any, Any, Any], workflow_id: FromPath[str]) -> Response[None]:
        """Stream one workflow as server-sent events."""
        return await self._events(request.scope, self._one(request.scope, workflow_id))

    async def events_many(self, request: Request[Any, Any, Any]) -> Response[None]:
        """Stream many workflows as server-sent events."""
        return await self._events(request.scope, self._many(request.scope, closes=True))

    async def events_output(
        self, request: Request[Any, Any, Any], workflow_id: FromPath[str]
    ) -> Response[None]:
        """Stream a workflow's output as server-sent events."""
        return await self._events(request.scope, self._output(request.scope, workflow_id))

    async def ws_one(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream one workflow over WebSocket."""
        await self._socket(
            scope, receive, send, lambda: self._one(scope, scope["path_params"]["workflow_id"])
        )

    async def ws_many(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream many workflows over WebSocket."""
        await self._socket(scope, receive, send, lambda: self._many(scope, closes=False))

    async def ws_output(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream a workflow's output over WebSocket."""
        await self._socket(
            scope, receive, send, lambda: self._output(scope, scope["path_params"]["workflow_id"])
        )

    # What is streamed.

    def _one(self, scope: Scope, workflow_id: str) -> Stream:
        query = parse_query(_pairs(scope), ResumeQuery)
        return OneWorkflow(self._hub, self._reader, workflow_id, parse_since(_resume(scope) or query.after))

    def _many(self, scope: Scope, *, closes: bool) -> Stream:
        query = parse_query(_pairs(scope), StreamQuery)
        if query.ids is not None and query.filter != StreamQuery().filter:
            raise refuse("invalid_parameter", "ids: give either `ids` or a filter, not both.")
        return ManyWorkflows(
            self._hub,
            self._reader,
            self._log,
            ids=query.ids,
            wanted=query.filter,
            since=parse_since(_resume(scope) or query.after),
            max_ids=self._settings.max_ids_per_stream,
            closes=closes,
        )

    def _output(self, scope: Scope, workflow_id: str) -> Stream:
        query = parse_query(_pairs(scope), ResumeQuery)
        named = _resume(scope)
        since = parse_since(named or query.after)
        after = since.position if since is not None else 0
        return WorkflowOutput(
            self._hub, self._reader, self._outputs, workflow_id, after, seen_end=named is not None
        )

    # How it travels.

    def _check(self, *, offered: bool, other: str) -> None:
        if not offered:
            raise refuse("feature_off", f"This server offers no such stream; use {other}, or poll.")
        if self._hub.draining:
            raise refuse("stopping", "Come back in a moment.", retry_after_s=1)

    async def _events(self, scope: Scope, stream: Stream) -> Response[None]:
        self._check(offered=self._settings.sse, other="WebSocket")
        address = _address(scope)
        self._turnstile.check(address)  # first: who is one too many costs no reading
        if not await stream.prepare():
            headers = {"cache-control": "no-store"}
            return Response(None, status_code=204, headers=headers)

        async def run(scope: Scope, receive: Receive, send: Send) -> None:
            with self._turnstile.admit(address):  # before the response begins: a refusal is still a problem
                await send({"type": "http.response.start", "status": 200, "headers": list(SSE_HEADERS)})
                await self._stream(scope, receive, send, stream)

        return _EventStream(run)

    async def _stream(self, scope: Scope, receive: Receive, send: Send, stream: Stream) -> None:
        channel = self._channel(scope, send, Wire.SSE)
        try:
            try:
                await self._open(stream, channel)
            except (Refusal, BusError):  # it changed since it was prepared; the client comes back and is told
                channel.finish(CLOSE_CODES["unavailable"])
            with self._access.showing(principal_of(scope), channel):
                while (await receive())["type"] != "http.disconnect":
                    pass
        finally:
            stream.close()

    async def _socket(self, scope: Scope, receive: Receive, send: Send, make: Callable[[], Stream]) -> None:
        raw = scope.get(RAW_SEND, send)
        try:
            self._check(offered=self._settings.ws, other="server-sent events")
            stream = make()
            with self._turnstile.admit(_address(scope)):  # first: who is one too many costs no reading
                await stream.prepare()
                await self._converse(scope, receive, raw, stream)
        except Refusal as refusal:
            code = CLOSE_CODES.get(refusal.body.code)
            if code is None:
                await deny(scope, raw, refusal)
            else:
                await close(receive, raw, code, f"{refusal.body.code}: {refusal.body.detail}")
        except BusError as error:
            await close(receive, raw, CLOSE_CODES["unavailable"], unavailable(error).detail)

    async def _converse(self, scope: Scope, receive: Receive, send: Send, stream: Stream) -> None:
        await receive()  # websocket.connect
        await send({"type": "websocket.accept", "headers": []})
        channel = self._channel(scope, send, Wire.WS)
        try:
            try:
                await self._open(stream, channel)
                with self._access.showing(principal_of(scope), channel):
                    while (message := await receive())["type"] == "websocket.receive":
                        text = message.get("text")
                        await stream.hear(text if text is not None else message.get("bytes") or b"")
            except (Refusal, BusError) as error:  # it changed since it was prepared, or what it needs is away
                channel.finish(CLOSE_CODES["unavailable"], _reason(str(error)))
                while (await receive())["type"] == "websocket.receive":
                    pass
        except OSError:  # the client went away while it was being told something
            pass
        finally:
            stream.close()

    async def _open(self, stream: Stream, channel: Channel) -> None:
        """Begin a stream, and end it at once where the edge began to stop, or another log, meanwhile."""
        await stream.open(channel)
        if self._hub.draining or stream.epoch != self._hub.epoch:
            channel.finish(CLOSE_GONE, "come back")

    def _channel(self, scope: Scope, send: Send, wire: Wire) -> Channel:
        now = asyncio.get_running_loop().time
        spread = random.uniform(0.8, 1.0)  # noqa: S311  no secret: clients should not return all at once
        age_s = self._settings.max_stream_age_s * spread
        extensions: dict[str, Any] = scope.get("extensions") or {}
        return Channel(
            scope.get(RAW_SEND, send),
            wire,
            self._hub,
            now,
            connection=extensions.get(EXTENSION),
            until=now() + age_s,
        )


def _pairs(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _resume(scope: Scope) -> str | None:
    """Return where an EventSource left off."""
    for name, value in scope["headers"]:
        if name == b"last-event-id":
            return str(value.decode("latin-1"))
    return None


def _reason(text: str) -> str:
    """Return as much of a text as a close frame carries."""
    return text.encode()[:REASON_BYTES].decode(errors="ignore")


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else "unknown"


_CLOSED: Final = "A reconnect after the end (`Last-Event-ID`) gets 204, which tells EventSource to stop."
_STATUSES: Final = {200: "A stream of events; each `data:` is one frame.", 204: "The end was told already."}
_ONE: Final = Operation(
    method="GET",
    path="/events/workflows/{workflow_id:str}",
    id="streamWorkflow",
    tag="live",
    summary="Follow one workflow",
    description=f"Server-sent events until the workflow ends. {_CLOSED}",
    query=ResumeQuery,
    statuses=_STATUSES,
    media="text/event-stream",
    answer=WorkflowFrame,
    example=TOLD,
    heeds=("Last-Event-ID",),
    problems=(*STREAM, "unknown_workflow"),
)
_MANY: Final = Operation(
    method="GET",
    path="/events/workflows",
    id="streamWorkflows",
    tag="live",
    summary="Follow many workflows on one connection",
    description=f"By `ids`, or by a filter; without either, all. {_CLOSED}",
    query=StreamQuery,
    statuses=_STATUSES,
    media="text/event-stream",
    answer=WorkflowFrame,
    example=TOLD,
    heeds=("Last-Event-ID",),
    problems=(*STREAM, "unknown_workflow"),
)
_OUTPUT: Final = Operation(
    method="GET",
    path="/events/workflows/{workflow_id:str}/logs",
    id="streamWorkflowLogs",
    tag="live",
    summary="Follow what a workflow's process writes",
    description="From the beginning, or after a cursor; ends with the workflow.",
    query=ResumeQuery,
    statuses=_STATUSES,
    media="text/event-stream",
    answer=OutputFrame,
    example=PRINTED,
    heeds=("Last-Event-ID",),
    problems=(*STREAM, "unknown_workflow"),
)
OPERATIONS: Final = (_ONE, _MANY, _OUTPUT)
"""What is offered here over HTTP."""
