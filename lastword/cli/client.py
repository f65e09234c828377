"""The edge's HTTP API, as the commands use it: typed answers, and problems as exceptions.

Each answer comes with its bytes, because `--json` must repeat what the server said, fields that this version
does not know included.
"""

import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import msgspec
from msgspec import Struct

from lastword.cli.edge import Address
from lastword.cli.errors import BadUsage, ProblemReport, Refused, Unreachable
from lastword.contracts.views import (
    ClientConfig,
    DefinitionPage,
    ExecutorPage,
    History,
    LogPage,
    StartRequest,
    Summary,
    Workflow,
    WorkflowPage,
)

__all__ = ["EdgeClient", "Reading"]

T = TypeVar("T")

CONNECT_S: Final = 5.0  # a host that is there answers a connection in far less
ANSWER_S: Final = 45.0  # a command may wait out an election: the append is tried for 30 s


class Reading(Struct, Generic[T], frozen=True, kw_only=True):
    """An answer, and the bytes that said it."""

    value: T
    raw: bytes
    status: int = 200
    etag: str | None = None
    replayed: bool = False
    """Whether an idempotency key had been used before, so that nothing new was begun."""


class EdgeClient:
    """Asks one edge. All methods raise `Unreachable` and `Refused`, and no other error of the network."""

    def __init__(self, address: Address, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.address = address
        headers = {"accept": "application/json", "user-agent": "lastword-cli"}
        if address.token is not None:
            headers["authorization"] = f"Bearer {address.token}"
        parts = urlsplit(address.url)
        self._http = httpx.AsyncClient(
            base_url=address.url,
            headers=headers,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            transport=transport,
            # A proxy cannot reach our own loopback, whatever the environment says.
            trust_env=parts.hostname not in {"127.0.0.1", "localhost", "::1"},
            # Loading the certificates takes 0.1 s; plain HTTP has no use for them.
            verify=True if parts.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def start(
        self, request: StartRequest, *, key: str | None, typed: frozenset[str] = frozenset()
    ) -> Reading[Workflow]:
        """Start a workflow. `typed` names the inputs that were given as text, for hints."""
        asked = {"definition": request.definition, "typed": typed}
        headers = {"idempotency-key": key} if key is not None else {}
        body = msgspec.json.encode(request)
        return await self._ask("POST", "/workflows", Workflow, body=body, headers=headers, asked=asked)

    async def workflow(self, workflow_id: str) -> Reading[Workflow]:
        """Read a workflow."""
        return await self._ask("GET", _path(workflow_id), Workflow)

    async def workflow_unless(self, etag: str | None, workflow_id: str) -> Reading[Workflow] | None:
        """Read a workflow; None where it still is what `etag` stands for."""
        headers = {"if-none-match": etag} if etag is not None else {}
        response = await self._send("GET", _path(workflow_id), headers=headers)
        return None if response.status_code == 304 else self._read(response, Workflow)

    async def workflows(self, query: Mapping[str, Any]) -> Reading[WorkflowPage]:
        """Read one page of the list."""
        return await self._ask("GET", "/workflows", WorkflowPage, query=query)

    async def history(self, workflow_id: str) -> Reading[History]:
        """Read all statuses of a workflow."""
        return await self._ask("GET", _path(workflow_id, "history"), History)

    async def logs(self, workflow_id: str, cursor: str | None, limit: int) -> Reading[LogPage]:
        """Read some of what a workflow's process wrote."""
        query = {"limit": limit} | ({"cursor": cursor} if cursor is not None else {})
        return await self._ask("GET", _path(workflow_id, "logs"), LogPage, query=query)

    async def result(self, workflow_id: str) -> Reading[Any]:
        """Read a result that is too large to come with its workflow."""
        return await self._ask("GET", _path(workflow_id, "result"), Any)

    async def cancel(self, workflow_id: str) -> Reading[Workflow]:
        """Ask for a workflow to end."""
        return await self._ask("POST", _path(workflow_id, "cancel"), Workflow)

    async def reconcile(self, workflow_id: str) -> Reading[Workflow]:
        """Ask whether a workflow's process lives."""
        return await self._ask("POST", _path(workflow_id, "reconcile"), Workflow)

    async def retry(self, workflow_id: str, *, key: str | None) -> Reading[Workflow]:
        """Start an ended workflow's work again, as a new workflow."""
        headers = {"idempotency-key": key} if key is not None else {}
        return await self._ask("POST", _path(workflow_id, "retry"), Workflow, headers=headers)

    async def definitions(self) -> Reading[DefinitionPage]:
        """Read what can be started."""
        return await self._ask("GET", "/definitions", DefinitionPage)

    async def executors(self) -> Reading[ExecutorPage]:
        """Read who works."""
        return await self._ask("GET", "/executors", ExecutorPage)

    async def config(self) -> ClientConfig:
        """Read flags and thresholds."""
        reading: Reading[ClientConfig] = await self._ask("GET", "/config", ClientConfig)
        return reading.value

    async def summary(self) -> Summary:
        """Read the counts by status."""
        reading: Reading[Summary] = await self._ask("GET", "/summary", Summary)
        return reading.value

    async def ready(self) -> None:
        """Return where requests may be sent there; raise `Refused` with the reason where not."""
        await self._ask("GET", "/health/ready", Any)

    @asynccontextmanager
    async def events(
        self, workflow_id: str, last_event_id: str | None
    ) -> AsyncGenerator[httpx.Response, None]:
        """Open the live stream of a workflow. The caller bounds the silence; 204 means that it has ended."""
        headers = {"accept": "text/event-stream", "cache-control": "no-store"}
        if last_event_id is not None:
            headers["last-event-id"] = last_event_id
        path = f"/events{_path(workflow_id)}"
        timeout = httpx.Timeout(None, connect=CONNECT_S, pool=CONNECT_S)
        try:
            async with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
                if response.is_error:
                    await response.aread()
                    raise self._refusal(response, {})
                yield response
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    async def _ask(
        self,
        method: str,
        path: str,
        shape: Any,
        *,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        asked: Mapping[str, Any] | None = None,
    ) -> Reading[Any]:
        response = await self._send(method, path, query=query, body=body, headers=headers, asked=asked)
        return self._read(response, shape)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        asked: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        sent = dict(headers or {})
        if body is not None:
            sent["content-type"] = "application/json"
        try:
            response = await self._http.request(method, path, params=query, content=body, headers=sent)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise self._refusal(response, asked or {})
        return response

    def _read(self, response: httpx.Response, shape: Any) -> Reading[Any]:
        try:
            value = msgspec.json.decode(response.content, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            kind = response.headers.get("content-type", "no content type")
            reason = (
                f"it answers {response.status_code} with {kind}, which is not what lastword says ({error})"
            )
            raise Unreachable(self.address.shown, self.address.source, reason) from error
        return Reading(
            value=value,
            raw=response.content,
            status=response.status_code,
            etag=response.headers.get("etag"),
            replayed="idempotent-replayed" in response.headers,
        )

    def _refusal(self, response: httpx.Response, asked: Mapping[str, Any]) -> Refused:
        try:
            problem = msgspec.json.decode(response.content, type=ProblemReport)
        except (msgspec.DecodeError, UnicodeDecodeError):
            title = f"{response.status_code} {response.reason_phrase}".strip()
            detail = f"{self.address.shown} answers {title}, which lastword did not write"
            problem = ProblemReport(
                status=response.status_code, code="not_lastword", title=title, detail=detail
            )
            return Refused(problem)
        if not problem.status:
            problem = msgspec.structs.replace(problem, status=response.status_code)
        return Refused(problem, response.content, **asked)

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        reasons: dict[type[httpx.TransportError], str] = {
            httpx.ConnectError: "the connection is refused, or there is no such host",
            httpx.ConnectTimeout: f"no connection within {CONNECT_S:g} s",
            httpx.ReadTimeout: f"no answer within {ANSWER_S:g} s",
        }
        reason = reasons.get(type(error)) or str(error) or type(error).__name__
        return Unreachable(self.address.shown, self.address.source, reason)


def _path(workflow_id: str, *rest: str) -> str:
    if not workflow_id:
        raise BadUsage("ID is empty", "See what there is with `lastword list`.")
    return "/".join(["/workflows", quote(workflow_id, safe=""), *rest])
