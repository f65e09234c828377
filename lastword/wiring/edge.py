"""The edge, fed: what the bus says goes into the hub and the catalogue, in order."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from lastword import __version__
from lastword.bus import (
    Bus,
    CommandClient,
    Follower,
    Heard,
    Outputs,
    StatusLog,
    Unavailable,
    decode_record,
    epoch_of,
)
from lastword.contracts import subjects
from lastword.contracts.messages import Definition, Logged, ProgressMade, Pulse
from lastword.contracts.records import Entry
from lastword.contracts.views import ClientConfig
from lastword.http.access import Access
from lastword.http.app import create_app
from lastword.http.hub import Hub
from lastword.http.operations import Catalogue
from lastword.http.server import serve_edge
from lastword.http.watch import TokenWatch
from lastword.settings import Settings
from lastword.storage import TokenStore, WorkflowStore, open_database
from lastword.telemetry.metrics import Metrics
from lastword.wiring.adoption import adopt_live
from lastword.wiring.metrics import Neighbours, telling_metrics

__all__ = ["EdgeFeeds", "run_fed_edge"]

log = structlog.get_logger(__name__)


class EdgeFeeds:
    """Decodes what the streams say and hands it on; nothing here raises."""

    def __init__(self, status_log: StatusLog, hub: Hub, catalogue: Catalogue, metrics: Metrics) -> None:
        self._log = status_log
        self._metrics = metrics
        self._hub = hub
        self._catalogue = catalogue
        self._pulses = msgspec.json.Decoder(Pulse)
        self._progress = msgspec.json.Decoder(ProgressMade)
        self._definitions = msgspec.json.Decoder(Definition)
        self._lines = msgspec.json.Decoder(Logged)
        self._syncing: asyncio.Task[None] | None = None
        self._named = asyncio.Event()
        self._records: Follower | None = None

    async def open(self, bus: Bus, stack: AsyncExitStack) -> None:
        """Follow everything until the stack is closed; the log's present end is where the hub begins.

        Returns once the hub knows the log's name: a client that comes back names it as well.
        """
        head = await self._log.head()
        self._records = records = Follower(
            bus,
            stream=subjects.LOG_STREAM,
            subject=subjects.log(),
            deliver=self._hear_record,
            after=head.position,
            lost=self._lose,
            caught_up=self._begin_sync,
            renewed=self._renew,
            is_patient=True,  # a supervisor renames a log that went back
        )
        await stack.enter_async_context(records.open())
        for stream, subject, deliver in (
            (subjects.PULSE_STREAM, subjects.pulse(), self._hear_pulse),
            (subjects.PROGRESS_STREAM, subjects.progress(), self._hear_progress),
            (subjects.DEFINITION_STREAM, subjects.definition(), self._hear_definition),
        ):
            follower = Follower(bus, stream=stream, subject=subject, deliver=deliver, origin="latest")
            await stack.enter_async_context(follower.open())
            await follower.synced.wait()
        lines = Follower(
            bus,
            stream=subjects.LOGLINE_STREAM,
            subject=subjects.logline(),
            deliver=self._hear_lines,
            origin="new",
        )
        await stack.enter_async_context(lines.open())
        await self._named.wait()

    def _lose(self) -> None:
        self._hub.lost()
        self._metrics.feed_reconnected()

    def _renew(self, name: str) -> None:
        self._hub.renew(epoch_of(name))

    def _begin_sync(self) -> None:
        self._syncing = asyncio.create_task(self._sync(), name="sync")

    async def _sync(self) -> None:
        """Tell the hub that it is current, and under which name the log goes now."""
        while self._records is not None and self._records.synced.is_set():
            try:
                head = await self._log.head()
            except Unavailable:
                await asyncio.sleep(0.2)
            else:
                self._hub.synced(head.epoch, self._records.position)
                self._named.set()
                return

    def _hear_record(self, heard: Heard) -> None:
        entry = Entry(position=heard.position, stored_at=heard.stored_at, record=decode_record(heard.data))
        self._hub.accept(entry, heard.data)
        if entry.record.status.is_terminal:  # the hub hands it on before this loop turns
            lag_s = time.time() - heard.stored_at.timestamp()
            self._metrics.truth_lag("told", lag_s)
            self._hub.trail.told(lag_s)

    def _hear_pulse(self, heard: Heard) -> None:
        if heard.is_marker or not heard.data:
            self._hub.pulse_expired(subjects.last_token(heard.subject))
        else:
            # The server's time, as in the database: executors' clocks may differ, and two times of one beat
            # would make a list and a stream disagree about which of them is later.
            self._hub.pulse(msgspec.structs.replace(self._pulses.decode(heard.data), at=heard.stored_at))

    def _hear_progress(self, heard: Heard) -> None:
        if heard.data:
            self._hub.progress(self._progress.decode(heard.data))

    def _hear_definition(self, heard: Heard) -> None:
        if heard.data:
            self._catalogue.define(self._definitions.decode(heard.data))

    def _hear_lines(self, heard: Heard) -> None:
        if heard.data:
            self._hub.logged(heard.position, self._lines.decode(heard.data))


async def run_fed_edge(
    settings: Settings,
    bus: Bus,
    stop: asyncio.Event,
    *,
    listening: socket.socket | None,
    canned_answers: bool,
) -> None:
    """Run the edge on an open bus until `stop` is set."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings.storage, settings.data))
        store = WorkflowStore(database)
        hub = Hub(
            stale_after_s=settings.stale_after_s,
            ping_s=settings.http.ping_s,
            stall_s=settings.http.stall_s,
        )
        catalogue = Catalogue()
        registry = CollectorRegistry()
        neighbours = Neighbours()
        registry.register(neighbours)
        await stack.enter_async_context(neighbours.listening(bus))
        own = CollectorRegistry()  # told like any other process's, and so shown under its name
        await stack.enter_async_context(telling_metrics(bus, own))
        status_log = StatusLog(bus)
        await EdgeFeeds(status_log, hub, catalogue, Metrics(own)).open(bus, stack)
        await adopt_live(hub, store, status_log)
        access = Access(settings.http)
        await stack.enter_async_context(_watching_tokens(access, TokenStore(database), stop))
        app = create_app(
            settings=settings.http,
            config=_client_config(settings, canned_answers=canned_answers),
            hub=hub,
            catalogue=catalogue,
            log=status_log,
            commands=CommandClient(bus),
            outputs=Outputs(bus),
            lists=store,
            registry=registry,
            readiness=lambda: {"nats": bus.is_connected},
            access=access,
        )
        await serve_edge(
            app,
            hub=hub,
            settings=settings.http,
            listening=listening,
            started=lambda url: log.info("edge.ready", url=url),
            stop=stop,
            has_tokens=access.has_tokens,
        )


@asynccontextmanager
async def _watching_tokens(
    access: Access, store: TokenStore, stop: asyncio.Event
) -> AsyncGenerator[None, None]:
    """Know the tokens until the block is left; raise `DatabaseUnavailable` where they cannot be read."""
    access.learn(await store.all())
    watching = asyncio.create_task(TokenWatch(access, store).run(), name="tokens")

    def end_edge(task: "asyncio.Task[None]") -> None:
        """Rather no edge than one that heeds no revocation; it is started again."""
        if not task.cancelled() and task.exception() is not None:
            log.error("tokens.watch_failed", exc_info=task.exception())
            stop.set()

    watching.add_done_callback(end_edge)
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def _client_config(settings: Settings, *, canned_answers: bool) -> ClientConfig:
    return ClientConfig(
        version=__version__,
        ws=settings.http.ws,
        sse=settings.http.sse,
        stale_after_s=settings.stale_after_s,
        heartbeat_interval_s=settings.executor.heartbeat_interval_s,
        heartbeat_timeout_s=settings.auditor.heartbeat_timeout_s,
        ping_s=settings.http.ping_s,
        poll_s=settings.http.poll_s,
        epoch="",
        canned_answers=canned_answers,
    )
