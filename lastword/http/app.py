"""The edge, put together: the one place that knows all of its parts."""

from collections.abc import Mapping
from pathlib import Path

from litestar import Litestar
from prometheus_client import CollectorRegistry

from lastword.contracts.views import ClientConfig
from lastword.http.access import Access
from lastword.http.description import DescriptionRoutes
from lastword.http.endpoints import OPERATIONS
from lastword.http.gate import Gate
from lastword.http.hub import Hub
from lastword.http.identity import Identity
from lastword.http.limits import Turnstile
from lastword.http.lists import ListRoutes
from lastword.http.live import LiveRoutes
from lastword.http.methods import options_handlers
from lastword.http.metrics import EdgeMetrics
from lastword.http.operations import Catalogue, OperationRoutes, Readiness
from lastword.http.ports import Commands, Lists, LogReader, Outputs
from lastword.http.problems import handlers
from lastword.http.reader import Reader
from lastword.http.settings import HttpSettings
from lastword.http.static import AppFiles
from lastword.http.trends import TrendRoutes
from lastword.http.workflows import WorkflowRoutes

__all__ = ["UI_FOLDER", "create_app"]

UI_FOLDER = Path(__file__).with_name("ui")
"""Where the built browser app lies inside the package."""


def _nothing_to_check() -> Mapping[str, bool]:
    return {}


def create_app(
    *,
    settings: HttpSettings,
    config: ClientConfig,
    hub: Hub,
    catalogue: Catalogue,
    log: LogReader,
    commands: Commands,
    outputs: Outputs,
    lists: Lists,
    registry: CollectorRegistry,
    readiness: Readiness = _nothing_to_check,
    ui: Path = UI_FOLDER,
    access: Access | None = None,
) -> Litestar:
    """Return the edge as an ASGI application.

    `config` is what `/config` tells clients (its `epoch` is filled in from the hub); `readiness` adds checks
    to `/health/ready`, such as whether NATS is connected; `access` knows the tokens, where there are more
    than the settings' own.  Nothing is started: the hub is fed, and its clock is kept (`Hub.keep_time`), by
    whoever runs the server.
    """
    access = access or Access(settings)
    identity = Identity(access)
    reader = Reader(hub, log, lists)
    turnstile = Turnstile(settings.max_streams, settings.max_streams_per_address)
    workflows = WorkflowRoutes(
        hub=hub,
        reader=reader,
        commands=commands,
        outputs=outputs,
        max_inputs_bytes=settings.max_inputs_bytes,
    )
    operations = OperationRoutes(
        hub=hub,
        catalogue=catalogue,
        lists=lists,
        access=access,
        identity=identity,
        config=config,
        registry=registry,
        readiness=readiness,
    )
    live = LiveRoutes(
        hub=hub,
        reader=reader,
        log=log,
        outputs=outputs,
        settings=settings,
        turnstile=turnstile,
        access=access,
    )
    routes = [
        *workflows.handlers(),
        *ListRoutes(hub=hub, lists=lists).handlers(),
        *operations.handlers(),
        *TrendRoutes(trail=hub.trail, lists=lists).handlers(),
        *live.handlers(),
        *DescriptionRoutes(OPERATIONS, version=config.version).handlers(),
        *AppFiles(ui).handlers(),
    ]
    app = Litestar(
        [*options_handlers(routes), *routes],  # before Litestar makes its own
        exception_handlers=handlers,
        request_max_body_size=settings.max_body_bytes,
        openapi_config=None,
        logging_config=None,
    )
    app.asgi_handler = Gate(
        app.asgi_handler,
        hub=hub,
        identity=identity,
        settings=settings,
        metrics=EdgeMetrics(registry, hub, turnstile),
    )
    return app
