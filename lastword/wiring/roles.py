"""A coroutine per role: what it is made of, and how it ends.

Each runs until its `stop` event is set, winds up in its own way and returns.  `lastword run <role>` runs one
of them; `lastword up` (see `stack`) runs all, each in a process of its own.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from lastword import __version__
from lastword.bus import Bus, BusSettings, StatusLog, ensure_streams, open_bus, read_embedded
from lastword.contracts.ids import new_workflow_id
from lastword.contracts.permissions import User, inbox
from lastword.settings import Settings
from lastword.telemetry.metrics import Metrics
from lastword.wiring.health import showing_health
from lastword.wiring.metrics import telling_metrics

if TYPE_CHECKING:
    from lastword.actors.executor import Executor

__all__ = [
    "ROLES",
    "Role",
    "bus_settings",
    "check_doors",
    "open_bus_as",
    "prepare",
    "rebuild",
    "run_auditor",
    "run_edge",
    "run_executor",
    "run_supervisor",
]

log = structlog.get_logger(__name__)

Role = Literal["supervisor", "auditor", "executor", "edge"]
ROLES: Final[tuple[Role, ...]] = ("supervisor", "auditor", "executor", "edge")


def bus_settings(settings: Settings, user: User) -> BusSettings:
    """Return the bus settings with an address: the given one, or the embedded server of the data folder.

    The embedded server knows `user`; for another the settings say who we are.
    """
    if settings.bus.url is not None:
        return settings.bus
    embedded = read_embedded(settings.data)
    if embedded is None:
        return settings.bus  # `open_bus` says what to do
    url, users = embedded
    name, password = users.of(user)
    return msgspec.structs.replace(
        settings.bus,
        url=url,
        user=name,
        password=password,
        credentials=None,
        nkey_seed=None,
        system_url=None,
    )


def open_bus_as(user: User, settings: Settings, name: str) -> AbstractAsyncContextManager[Bus]:
    """Connect as one of the users of `contracts.permissions`, with an inbox that is its own."""
    return open_bus(bus_settings(settings, user), name=name, inbox_prefix=inbox(user))


async def prepare(settings: Settings) -> None:
    """Bring the database and the streams to what this version needs."""
    from lastword.storage import database_url, upgrade

    await upgrade(database_url(settings.storage, settings.data))
    async with open_bus_as(User.SUPERVISOR, settings, new_workflow_id("prepare")) as bus:
        await ensure_streams(bus, partitions=settings.supervisor.partitions)


async def check_doors(settings: Settings) -> None:
    """Raise `InsecureBind` where strangers could command: before anything listens, and once for all edges."""
    from lastword.http.access import check_bind
    from lastword.storage import TokenStore, open_database

    async with open_database(settings.storage, settings.data) as database:
        check_bind(settings.http, has_tokens=bool(await TokenStore(database).all()))


async def rebuild(settings: Settings) -> int:
    """Write the database anew from the log; return the position reached.

    Supervisors may go on: they wait while it is written, and then find their work done.
    """
    from lastword.storage import database_url, open_database, upgrade
    from lastword.storage import rebuild as write_anew

    await upgrade(database_url(settings.storage, settings.data))
    async with (
        open_bus_as(User.SUPERVISOR, settings, new_workflow_id("rebuild")) as bus,
        open_database(settings.storage, settings.data) as database,
    ):
        status_log = StatusLog(bus)
        head = await status_log.head()
        return await write_anew(database, epoch=head.epoch, entries=status_log.replay())


async def run_supervisor(settings: Settings, stop: asyncio.Event) -> None:
    """Run a supervisor, after the streams are as this version needs them."""
    from lastword.actors.supervisor import Supervisor
    from lastword.storage import open_database

    async with AsyncExitStack() as stack:
        bus, metrics = await _join(User.SUPERVISOR, settings, new_workflow_id("supervisor"), stack)
        await ensure_streams(bus, partitions=settings.supervisor.partitions)
        database = await stack.enter_async_context(open_database(settings.storage, settings.data))
        supervisor = Supervisor(
            bus,
            database,
            settings.supervisor,
            metrics,
            name=bus.name,
            max_inputs_bytes=settings.http.max_inputs_bytes,
        )
        await stack.enter_async_context(showing_health("supervisor", settings.data, lambda: _cut_off(bus)))
        await _until(stop, bus, supervisor.run)


async def run_auditor(settings: Settings, stop: asyncio.Event) -> None:
    """Run an auditor, with the server's own events where a system user is known."""
    from lastword.actors.auditor import Auditor

    async with AsyncExitStack() as stack:
        bus, metrics = await _join(User.AUDITOR, settings, new_workflow_id("auditor"), stack)
        system_settings = _system_settings(settings)
        system = None
        if system_settings is not None:
            system = await stack.enter_async_context(
                open_bus(system_settings, name=f"{bus.name}-system", inbox_prefix=inbox(User.SYSTEM))
            )
        auditor = Auditor(
            bus,
            settings.auditor,
            metrics,
            interval_s=settings.executor.heartbeat_interval_s,
            system=system,
        )
        await stack.enter_async_context(showing_health("auditor", settings.data, lambda: _cut_off(bus)))
        await _until(stop, bus, auditor.run)


async def run_executor(settings: Settings, stop: asyncio.Event, *, offline: bool = False) -> None:
    """Run an executor; with `offline`, beside the built-in language model."""
    from lastword.actors.executor import Executor, executor_name
    from lastword.child.pool import ChildPool

    async with AsyncExitStack() as stack:
        fallback: Mapping[str, str] = {}
        unless: tuple[str, ...] = ()
        if offline:
            fallback, unless = await _language_model(settings, stack)
        name = executor_name(settings.executor.name or socket.gethostname())
        bus, metrics = await _join(User.EXECUTOR, settings, name, stack)
        executor = Executor(
            bus,
            settings.executor,
            settings.workflows,
            ChildPool(),
            metrics,
            data_dir=settings.data.absolute(),
            base_dir=settings.base_dir,
            heartbeat_timeout_s=settings.auditor.heartbeat_timeout_s,
            fallback_environment=fallback,
            fallback_unless=unless,
        )
        await stack.enter_async_context(
            showing_health("executor", settings.data, lambda: _cut_off(bus) or _unready(executor))
        )
        running = asyncio.create_task(executor.run(), name="executor")
        asked = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
        executor.stop()
        asked.cancel()
        await running


async def run_edge(
    settings: Settings,
    stop: asyncio.Event,
    *,
    listening: socket.socket | None = None,
    canned_answers: bool = False,
) -> None:
    """Run an edge on `listening`, or on the configured address."""
    from lastword.wiring.edge import run_fed_edge

    async with open_bus_as(User.EDGE, settings, new_workflow_id("edge")) as bus:
        await run_fed_edge(settings, bus, stop, listening=listening, canned_answers=canned_answers)


async def _language_model(
    settings: Settings, stack: AsyncExitStack
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Start the built-in model; return the variables that lead processes to it, and what overrules them."""
    from lastword.offline import PROVIDER_PATTERNS, serve

    model = await stack.enter_async_context(serve(settings.llm.delay_s))
    forced = settings.llm.offline is True  # then nothing that the environment says overrules it
    return model.environment(os.environ), () if forced else PROVIDER_PATTERNS


async def _join(user: User, settings: Settings, name: str, stack: AsyncExitStack) -> tuple[Bus, Metrics]:
    """Connect, and tell the metrics of this process from now on."""
    bus = await stack.enter_async_context(open_bus_as(user, settings, name))
    registry = CollectorRegistry()
    await stack.enter_async_context(telling_metrics(bus, registry))
    metrics = Metrics(registry)
    metrics.process(user.value, __version__)
    return bus, metrics


def _cut_off(bus: Bus) -> str | None:
    return None if bus.is_connected else "cannot reach NATS"


def _unready(executor: "Executor") -> str | None:
    return None if executor.is_ready else "takes no work yet"


def _system_settings(settings: Settings) -> BusSettings | None:
    """Return how to reach the system account, where that is known."""
    bus = settings.bus
    if bus.system_url is not None or bus.system_nkey_seed is not None:
        return msgspec.structs.replace(
            bus,
            url=bus.system_url or bus.url,
            user=None,
            password=None,
            credentials=None,
            nkey_seed=bus.system_nkey_seed,
        )
    if bus.url is not None or read_embedded(settings.data) is None:
        return None
    return bus_settings(settings, User.SYSTEM)


async def _until(stop: asyncio.Event, bus: Bus, work: Callable[[], Awaitable[None]]) -> None:
    """Await `work` until asked to stop; a connection that has ended for good ends the role as well."""
    working = asyncio.ensure_future(work())
    waits: set[asyncio.Future[Any]] = {
        working,
        asyncio.create_task(stop.wait(), name="stop"),
        asyncio.create_task(bus.closed.wait(), name="closed"),
    }
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    if working in done:
        working.result()
