"""The endpoints about the system: definitions, executors, summary, config, health, metrics, session."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec
from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest

from lastword.contracts.messages import MAX_DEFINITIONS, Definition
from lastword.contracts.statuses import Status
from lastword.contracts.views import ClientConfig, DefinitionPage, ExecutorPage, Summary
from lastword.http.access import COOKIE, PRINCIPAL, Access, principal_of
from lastword.http.answers import NO_STORE, json_answer
from lastword.http.examples import CONFIG, DEFINITIONS, EXECUTORS, HEALTH, METRICS, SESSION, SIGN_IN, SUMMARY
from lastword.http.hub import Hub
from lastword.http.identity import Identity
from lastword.http.operation import READ, Operation
from lastword.http.ports import Lists
from lastword.http.problems import refuse
from lastword.http.requests import NoQuery, read_body, read_query

__all__ = ["OPERATIONS", "Catalogue", "OperationRoutes", "Readiness", "SessionRequest"]

Asked = Request[Any, Any, Any]
WRONG: Final = {
    "nats": "NATS is not connected",
    "feed_synced": "what NATS says has not all been heard",
    "not_draining": "the edge is stopping",
}
"""What a check that fails means, in words."""
METRICS_TYPE: Final = "text/plain; version=0.0.4"


class Catalogue:
    """What can be started, as executors announced it; the last announcement of a name stands."""

    def __init__(self) -> None:
        self._definitions: dict[str, Definition] = {}

    def define(self, definition: Definition) -> bool:
        """Take in an announcement; return whether there was a place for it."""
        if definition.name not in self._definitions and len(self._definitions) >= MAX_DEFINITIONS:
            return False
        self._definitions[definition.name] = definition
        return True

    def all(self) -> tuple[Definition, ...]:
        """Return what can be started, and what is broken, by name."""
        return tuple(self._definitions[name] for name in sorted(self._definitions))


class Health(Struct, frozen=True, kw_only=True):
    """That this edge should be sent requests."""

    ready: bool
    checks: dict[str, bool]
    """What was looked at."""


class SessionRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /session`."""

    token: str


class Session(Struct, frozen=True, kw_only=True):
    """Who the caller is."""

    role: str
    """`viewer` or `operator`."""
    required: bool
    """Whether credentials are needed at all."""


class Readiness(Protocol):
    """Tells what a request needs and does not have."""

    def __call__(self) -> Mapping[str, bool]:
        """Return checks by name; false is what is wrong."""
        ...


class OperationRoutes:
    """Answers about the system."""

    def __init__(
        self,
        *,
        hub: Hub,
        catalogue: Catalogue,
        lists: Lists,
        access: Access,
        identity: Identity,
        config: ClientConfig,
        registry: CollectorRegistry,
        readiness: Readiness,
    ) -> None:
        self._hub = hub
        self._catalogue = catalogue
        self._lists = lists
        self._access = access
        self._identity = identity
        self._config = config
        self._registry = registry
        self._readiness = readiness

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the endpoints for Litestar."""
        return [
            _DEFINITIONS.serve(self.definitions),
            _EXECUTORS.serve(self.executors),
            _SUMMARY.serve(self.summary),
            _CONFIG.serve(self.config),
            _LIVE.serve(self.live),
            _READY.serve(self.ready),
            _METRICS.serve(self.metrics),
            _WHO.serve(self.who),
            _SIGN_IN.serve(self.sign_in),
            _SIGN_OUT.serve(self.sign_out),
        ]

    async def definitions(self, request: Asked) -> Response[bytes]:
        """Return what can be started."""
        read_query(request, NoQuery)
        return json_answer(DefinitionPage(items=self._catalogue.all()))

    async def executors(self, request: Asked) -> Response[bytes]:
        """Return who works."""
        read_query(request, NoQuery)
        return json_answer(ExecutorPage(items=self._hub.executors()))

    async def summary(self, request: Asked) -> Response[bytes]:
        """Return counts by status and the stale heartbeats."""
        read_query(request, NoQuery)
        stored = await self._lists.summary()
        return json_answer(
            Summary(
                statuses={status.value: stored.statuses.get(status, 0) for status in Status},
                stale=self._hub.pulses.stale,
                position=stored.position,
                executors=self._hub.pulses.count(),
            )
        )

    async def config(self, request: Asked) -> Response[bytes]:
        """Return flags and thresholds for clients."""
        read_query(request, NoQuery)
        return json_answer(msgspec.structs.replace(self._config, epoch=self._hub.epoch))

    async def live(self) -> Response[bytes]:
        """Say that the process runs; nothing else is looked at."""
        return json_answer(Health(ready=True, checks={}))

    async def ready(self) -> Response[bytes]:
        """Say whether requests should be sent here."""
        checks = {
            **self._readiness(),
            "feed_synced": self._hub.is_current,
            "not_draining": not self._hub.draining,
        }
        wrong = [WRONG.get(name, name) for name, good in checks.items() if not good]
        if wrong:
            raise refuse("not_ready", f"{'; '.join(wrong)}.", checks=checks, retry_after_s=1)
        return json_answer(Health(ready=True, checks=checks))

    async def metrics(self) -> Response[bytes]:
        """Return what is counted."""
        return Response(generate_latest(self._registry), media_type=METRICS_TYPE, headers=NO_STORE)

    async def who(self, request: Asked) -> Response[bytes]:
        """Return who the caller is."""
        principal = principal_of(request.scope)
        if self._access.is_open:
            return json_answer(Session(role="operator", required=False))
        if principal is None:
            raise refuse("unauthenticated", "Sign in with POST /session.")
        return json_answer(Session(role=principal.role.value, required=True))

    async def sign_in(self, request: Asked) -> Response[bytes]:
        """Take a token, give a cookie that scripts cannot read."""
        asked = await read_body(request, SessionRequest)
        if self._access.is_open:
            return json_answer(Session(role="operator", required=False))
        principal = self._identity.bearer(asked.token, request.scope)
        if principal is None:
            raise refuse("unauthenticated", "The token is not known here, or is no longer.")
        scope: Any = request.scope
        scope[PRINCIPAL] = principal  # for the audit trail
        cookie = self._access.cookie_for(principal, is_secure=request.url.scheme == "https")
        session = Session(role=principal.role.value, required=True)
        return json_answer(session, headers={"set-cookie": cookie})

    async def sign_out(self) -> Response[None]:
        """Take the cookie away."""
        cookie = f"{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
        return Response(None, status_code=204, headers={**NO_STORE, "set-cookie": cookie})


_TAG: Final = "system"
_DEFINITIONS: Final = Operation(
    method="GET",
    path="/definitions",
    id="listDefinitions",
    tag=_TAG,
    summary="List what can be started",
    description="With the inputs' JSON Schema. A module that does not import is listed as `broken`.",
    query=NoQuery,
    answer=DefinitionPage,
    example=DEFINITIONS,
)
_EXECUTORS: Final = Operation(
    method="GET",
    path="/executors",
    id="listExecutors",
    tag=_TAG,
    summary="List who works",
    query=NoQuery,
    answer=ExecutorPage,
    example=EXECUTORS,
)
_SUMMARY: Final = Operation(
    method="GET",
    path="/summary",
    id="getSummary",
    tag=_TAG,
    summary="Counts by status, and stale heartbeats",
    query=NoQuery,
    answer=Summary,
    example=SUMMARY,
    problems=(*READ, "unavailable"),
)
_CONFIG: Final = Operation(
    method="GET",
    path="/config",
    id="getConfig",
    tag=_TAG,
    summary="Flags and thresholds for clients",
    query=NoQuery,
    answer=ClientConfig,
    example=CONFIG,
)
_LIVE: Final = Operation(
    method="GET",
    path="/health/live",
    id="getLiveness",
    tag=_TAG,
    summary="Whether the process runs",
    answer=Health,
    example=HEALTH,
    problems=("wrong_host", "foreign_origin"),
    public=True,
)
_READY: Final = Operation(
    method="GET",
    path="/health/ready",
    id="getReadiness",
    tag=_TAG,
    summary="Whether requests should be sent here",
    answer=Health,
    example=HEALTH,
    problems=("wrong_host", "foreign_origin", "not_ready"),
    public=True,
)
_METRICS: Final = Operation(
    method="GET",
    path="/metrics",
    id="getMetrics",
    tag=_TAG,
    summary="Metrics for Prometheus",
    answer=str,
    example=METRICS,
    media="text/plain",
    problems=READ,
)
_WHO: Final = Operation(
    method="GET",
    path="/session",
    id="getSession",
    tag="session",
    summary="Who the caller is",
    answer=Session,
    example=SESSION,
)
_SIGN_IN: Final = Operation(
    method="POST",
    path="/session",
    id="signIn",
    tag="session",
    summary="Exchange a token for a cookie",
    description="For browsers: WebSocket and EventSource cannot send headers.",
    body=SessionRequest,
    body_example=SIGN_IN,
    answer=Session,
    example=SESSION,
    problems=(*READ, "malformed_json", "invalid_request", "too_large", "unsupported_media_type"),
    public=True,
)
_SIGN_OUT: Final = Operation(
    method="DELETE",
    path="/session",
    id="signOut",
    tag="session",
    summary="Take the cookie away",
    statuses={204: "Gone."},
    problems=("wrong_host", "foreign_origin"),
    public=True,
)
OPERATIONS: Final = (
    _DEFINITIONS,
    _EXECUTORS,
    _SUMMARY,
    _CONFIG,
    _LIVE,
    _READY,
    _METRICS,
    _WHO,
    _SIGN_IN,
    _SIGN_OUT,
)
"""What is offered here."""
