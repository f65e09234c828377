"""A whole lastword for the tests of live streams: real server, supervisor, database and edges.

Only the executor is played, so that a test says when a workflow moves.  Everything runs on the test's own
loop; edges come and go on sockets that stay open, as under `lastword up`, where clients of a restarted edge
wait in its backlog.
"""

import asyncio
import itertools
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
from prometheus_client import CollectorRegistry

from lastword.actors.settings import SupervisorSettings
from lastword.actors.supervisor import Supervisor
from lastword.bus import Bus, BusSettings, CommandClient, StatusLog, Unavailable, ensure_streams
from lastword.contracts import subjects
from lastword.contracts.events import Cancelled, Progress, Succeeded
from lastword.contracts.messages import (
    Accepted,
    Cancel,
    Claim,
    Definition,
    Held,
    Logged,
    LogLine,
    ProgressMade,
    Pulse,
    Reply,
    Report,
    Start,
)
from lastword.contracts.statuses import Status
from lastword.http.settings import HttpSettings
from lastword.settings import Settings
from lastword.storage import open_database, upgrade
from lastword.storage.settings import StorageSettings
from lastword.telemetry.metrics import Metrics
from lastword.wiring.roles import run_edge
from tests.integration.http.conftest import PLAIN
from tests.integration.servers import NatsServer

__all__ = ["PARTITIONS", "LiveEdge", "Play", "Stage", "open_stage", "until"]

PARTITIONS = 2
WITHIN_S = 40.0  # far more than anything here takes


class Play:
    """A workflow whose executor is played by the test, and its lease."""

    def __init__(self, stage: "Stage", title: str) -> None:
        self._stage = stage
        self._executor = f"on-{title}"
        self.title = title
        self.id = ""
        self.lease = 0

    async def submit(self, **inputs: Any) -> None:
        """Begin."""
        command = Start(definition="played", title=self.title, inputs=inputs)
        self.id = _accepted(await self._stage.commands.start(command)).record.id

    async def claim(self) -> None:
        """Let the executor take it."""
        command = Claim(id=self.id, executor=self._executor, event_id=f"claim-{self.id}")
        self.lease = _accepted(await self._stage.commands.claim(command)).position

    async def run(self) -> "Play":
        """Begin, and be taken."""
        await self.submit()
        await self.claim()
        return self

    async def cancel(self) -> None:
        """Ask for its end."""
        _accepted(await self._stage.commands.cancel(Cancel(id=self.id)))

    async def progress(self, done: int) -> None:
        """Get further."""
        made = ProgressMade(
            id=self.id,
            at=datetime.now(UTC),
            lease=self.lease,
            revision=done,
            progress=Progress(done=done, total=9, label=f"task {done}"),
        )
        await self._stage.bus.store(subjects.progress(self.id), msgspec.json.encode(made))

    async def beat(self, at: datetime | None = None) -> None:
        """Let the executor vouch for it; `at` is what its clock says."""
        held = (Held(id=self.id, lease=self.lease),)
        pulse = Pulse(executor=self._executor, at=at or datetime.now(UTC), leases=held, slots=8)
        await self._stage.bus.store(subjects.pulse(self._executor), msgspec.json.encode(pulse))

    async def expire(self) -> None:
        """Let the executor's last beat expire, as the server says it."""
        marker = {"Nats-Marker-Reason": "MaxAge"}
        await self._stage.bus.js.publish(subjects.pulse(self._executor), b"", headers=marker)

    async def say(self, *texts: str) -> None:
        """Let the process write."""
        lines = tuple(LogLine(at=datetime.now(UTC), stream="stdout", text=text) for text in texts)
        logged = Logged(id=self.id, lines=lines)
        await self._stage.bus.store(subjects.logline(self.id), msgspec.json.encode(logged))

    async def end(self) -> None:
        """Report that the process has ended: as cancelled where that was asked for, else well."""
        at = datetime.now(UTC)
        entry = await self._stage.log.read(self.id)
        assert entry is not None
        event: Succeeded | Cancelled = Succeeded(lease=self.lease, finished_at=at, result="done")
        if entry.record.status is Status.CANCELLING:
            event = Cancelled(lease=self.lease, finished_at=at)
        report = Report(id=self.id, event=event, event_id=f"end-{self.id}", actor=self._executor, at=at)
        payload = msgspec.json.encode(report)
        await self._stage.bus.store(subjects.report(self.id), payload, message_id=report.event_id)


class LiveEdge:
    """An edge on a port of its own, which may be restarted."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setblocking(False)  # noqa: FBT003  its only argument
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.client = httpx.AsyncClient(base_url=self.url, trust_env=False, verify=PLAIN, timeout=WITHIN_S)

    @property
    def ws(self) -> str:
        """The address for WebSocket."""
        return self.url.replace("http", "ws", 1)

    async def start(self) -> None:
        """Serve; whoever connects is answered once the edge is there."""
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(
            run_edge(self._settings, self._stop, listening=self._listening.dup()), name="edge under test"
        )

    async def stop(self) -> None:
        """Drain, as after SIGTERM."""
        running, self._running = self._running, None
        if running is not None:
            self._stop.set()
            await running

    async def restart(self) -> None:
        """Stop and start."""
        await self.stop()
        await self.start()

    async def ready(self) -> "LiveEdge":
        """Return once the probe says so."""
        await until(self._is_ready)
        return self

    async def gauge(self, name: str) -> float:
        """Return a metric's sum over its labels."""
        lines = (await self.client.get("/metrics")).text.splitlines()
        return sum(
            float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{"))
        )

    async def close(self) -> None:
        """End it for good."""
        await self.stop()
        await self.client.aclose()
        self._listening.close()

    async def _is_ready(self) -> bool:
        assert self._running is not None
        if self._running.done():
            self._running.result()
        return (await self.client.get("/health/ready")).status_code == 200


class Stage:
    """What runs, and what may be made to happen."""

    def __init__(self, bus: Bus, settings: Settings, stack: AsyncExitStack) -> None:
        self.bus = bus
        self.settings = settings
        self.log = StatusLog(bus)
        self.commands = CommandClient(bus)
        self._stack = stack
        self._numbers = itertools.count(1)

    async def open_edge(self, **http: Any) -> LiveEdge:
        """Run one edge more; `http` are settings of its own."""
        own = msgspec.structs.replace(self.settings, http=msgspec.structs.replace(self.settings.http, **http))
        edge = LiveEdge(own)
        self._stack.push_async_callback(edge.close)
        await edge.start()
        return await edge.ready()

    async def is_served(self) -> bool:
        """Tell whether the supervisor takes commands."""
        try:
            await self.commands.cancel(Cancel(id="nobody"))
        except Unavailable:
            return False
        return True

    def play(self, name: str = "play") -> Play:
        """Return a workflow that has not begun, with a title of its own."""
        return Play(self, f"{name}-{next(self._numbers)}")


@asynccontextmanager
async def open_stage(
    server: NatsServer, folder: Path, *, database: str, url: str | None = None, **http: Any
) -> AsyncGenerator[Stage, None]:
    """Run a supervisor with the database at a URL; `url` is how edges reach the server, if not directly."""
    bus_settings: BusSettings = server.settings()
    edge_bus = bus_settings if url is None else server.settings(url=url)
    settings = Settings(
        data_dir=str(folder),
        bus=edge_bus,
        storage=StorageSettings(url=database),
        supervisor=SupervisorSettings(partitions=PARTITIONS, project_every_s=0.005),
        http=HttpSettings(port=0, **http),
    )
    await upgrade(str(settings.storage.url))
    async with AsyncExitStack() as stack:
        # This loop is everyone's, and may be busy.
        bus = await stack.enter_async_context(server.open(name="supervisor", request_timeout_s=20.0))
        await ensure_streams(bus, partitions=PARTITIONS)
        definition = Definition(name="played", kind="function", input_schema={"type": "object"})
        await bus.store(subjects.definition("played"), msgspec.json.encode(definition))
        opened = await stack.enter_async_context(open_database(settings.storage, settings.data))
        supervisor = Supervisor(
            bus,
            opened,
            settings.supervisor,
            Metrics(CollectorRegistry()),
            name="supervisor",
            max_inputs_bytes=settings.http.max_inputs_bytes,
        )
        running = asyncio.create_task(supervisor.run(), name="supervisor under test")
        stack.push_async_callback(_cancel, running)
        stage = Stage(bus, settings, stack)
        await until(stage.is_served)
        yield stage


async def until(holds: Callable[[], Awaitable[object]], within_s: float = WITHIN_S) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110  what is waited for is in another process, or as good as
            await asyncio.sleep(0.01)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})


def _accepted(reply: Reply) -> Accepted:
    assert reply.accepted is not None, reply.problem
    return reply.accepted
