"""The edge, fed: what the bus says goes into the hub and the catalogue, in order."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from typing import Final

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from lastword import __version__
from lastword.bus import (
    Bus,
    CommandClient,
    Follower,
    Heard,
    Inspector,
    Outputs,
    StatusLog,
    Unavailable,
    decode_record,
    epoch_of,
)
from lastword.contracts import subjects
from lastword.contracts.messages import Definition, Logged, ProgressMade, Pulse
from lastword.contracts.permissions import User
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
from lastword.telemetry import traces
from lastword.telemetry.metrics import Metrics
from lastword.wiring.adoption import adopt_live
from lastword.wiring.metrics import Neighbours, telling_metrics

__all__ = ["EdgeFeeds", "run_fed_edge"]

log = structlog.get_logger(__name__)

MAX_PROGRESS: Final = 131_072
"""Bytes of a message of progress: 256 tasks, each with a label of 200 characters, and room for escapes."""


class EdgeFeeds:
    """Decodes what the streams say and hands it on; nothing here raises."""

    def __init__(self, status_log: StatusLog, hub: Hub, catalogue: Catalogue, metrics: Metrics) -> None:
        self._log = status_log
        self._metrics = metrics
        self._hub = hub
        self._catalogue = catalogue
        self._pulses = Inspector("pulse", Pulse, metrics, name_of=lambda pulse: pulse.executor)
        self._progress = Inspector(
            "progress", ProgressMade, metrics, name_of=lambda made: made.id, max_bytes=MAX_PROGRESS
        )
        self._definitions = Inspector("definition", Definition, metrics, name_of=lambda one: one.name)
        self._lines = Inspector("logline", Logged, metrics, name_of=lambda logged: logged.id)
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
        if not entry.record.status.is_terminal:
            self._hub.accept(entry, heard.data)
        else:  # the hub hands it on before this loop turns
            with _told(entry, heard):
                self._hub.accept(entry, heard.data)
            lag_s = time.time() - heard.stored_at.timestamp()
            self._metrics.truth_lag("told", lag_s)
            self._hub.trail.told(lag_s)

    def _hear_pulse(self, heard: Heard) -> None:
        if heard.is_marker or not heard.data:
            self._hub.pulse_expired(subjects.last_token(heard.subject))
        elif (pulse := self._pulses.read(heard.subject, heard.data)) is not None:
            # The server's time, as in the database: executors' clocks may differ, and two times of one beat
            # would make a list and a stream disagree about which of them is later.
            self._hub.pulse(msgspec.structs.replace(pulse, at=heard.stored_at))

    def _hear_progress(self, heard: Heard) -> None:
        if heard.data and (made := self._progress.read(heard.subject, heard.data)) is not None:
            self._hub.progress(made)

    def _hear_definition(self, heard: Heard) -> None:
        if not heard.data:
            return
        definition = self._definitions.read(heard.subject, heard.data)
        if definition is not None and not self._catalogue.define(definition):
            self._definitions.doorkeeper.turn_away("excess", heard.subject)

    def _hear_lines(self, heard: Heard) -> None:
        if heard.data and (logged := self._lines.read(heard.subject, heard.data)) is not None:
            self._hub.logged(heard.position, logged)


def _told(entry: Entry, heard: Heard) -> AbstractContextManager[traces.Span]:
    """Return the last step of a workflow's trace: its end is known to this edge."""
    if not traces.is_on():
        return traces.OFF
    return traces.span(
        f"told {entry.record.status}", "consumer", carrier=heard.headers, lastword__workflow=entry.record.id
    )


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
        own = CollectorRegistry()  # told like any other process's, and so shown under its name
        metrics = Metrics(own)
        neighbours = Neighbours(metrics)
        registry.register(neighbours)
        await stack.enter_async_context(neighbours.listening(bus))
        await stack.enter_async_context(telling_metrics(bus, own))
        status_log = StatusLog(bus)
        metrics.process(User.EDGE.value, __version__)
        await EdgeFeeds(status_log, hub, catalogue, metrics).open(bus, stack)
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
