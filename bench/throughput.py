"""How many statuses one supervisor accepts a second, against bare appends that wait for nothing in between.

The reports are in the stream before the supervisor starts, so nothing but the supervisor holds it up; what is
counted is the time from the first accepted record to the last, as the server stamped them.  It reads
each report, decides, appends by compare-and-set, writes its log line, acknowledges, and projects into SQLite.

The floor appends as many records of the same size by compare-and-set to a stream with the same settings, with
bare nats-py and 256 of them on their way at once.  The server syncs every record to disk either way.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import nats
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import api
from prometheus_client import CollectorRegistry

from bench.apart import apart, running_apart
from bench.figures import Ratio, ratio
from lastword.actors.settings import SupervisorSettings
from lastword.actors.supervisor import Supervisor
from lastword.bus import Bus, BusSettings, EmbeddedServer, StatusLog, ensure_streams, open_bus
from lastword.contracts import subjects
from lastword.contracts.events import Claimed, Event, Submitted, Succeeded
from lastword.contracts.messages import Report
from lastword.contracts.records import Entry, advance
from lastword.settings import LogSettings
from lastword.storage import WorkflowStore, open_database, upgrade
from lastword.storage.settings import StorageSettings
from lastword.telemetry.logs import configure_logs
from lastword.telemetry.metrics import Metrics

__all__ = ["measure_throughput"]

AT_ONCE: Final = 256  # appends on their way
PARTITIONS: Final = 4
INPUTS: Final = {"topic": "tidal power"}
AT: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

Item = TypeVar("Item")
T = TypeVar("T")


class _Login(Struct, frozen=True):
    """Where the server is, for processes of their own."""

    url: str
    user: str
    password: str


async def measure_throughput(reports: int, rounds: int) -> Ratio:
    """Return accepted statuses a second against bare appends, each round a fresh server."""
    floors: list[float] = []
    found: list[float] = []
    for _ in range(rounds):
        async with _server() as (login, folder):
            await upgrade(_database(folder))
            size = await _prepare(login, folder, reports)
            floors.append(await apart(append_barely, login, reports, size))
            found.append(await _supervised(login, folder, reports))
    return ratio("accepted statuses, one supervisor", "/s", found, floors)


@asynccontextmanager
async def _server() -> AsyncGenerator[tuple[_Login, Path], None]:
    with tempfile.TemporaryDirectory(prefix="lastword-bench-") as name:
        folder = Path(name)
        server = EmbeddedServer(BusSettings(port=0), folder)
        await server.start()
        try:
            actor = server.credentials.actor
            yield _Login(server.url, actor.user, actor.password), folder
        finally:
            await server.stop()


@asynccontextmanager
async def _bus(login: _Login) -> AsyncGenerator[Bus, None]:
    settings = BusSettings(url=login.url, user=login.user, password=login.password)
    async with open_bus(settings, name="bench") as bus:
        yield bus


async def _prepare(login: _Login, folder: Path, reports: int) -> int:
    """Let `reports` workflows run, and report each one's success; return a terminal record's size in bytes.

    A supervisor dispatches and projects what came before, so that none of it is left for the one that is
    measured.
    """
    async with _bus(login) as bus:
        await ensure_streams(bus, partitions=PARTITIONS)
        log = StatusLog(bus)
        running = await _each(range(reports), partial(_run, log))
        async with running_apart(supervise, login, folder):
            await _until_idle(bus, folder, running[-1].position)
        await _each(running, partial(_report_success, bus))
    ended = advance(running[0], _success(running[0]), workflow_id="x", event_id="x", actor="x", at=AT)
    return len(msgspec.json.encode(ended))


async def _each(items: Iterable[Item], work: Callable[[Item], Awaitable[T]]) -> list[T]:
    """Do `work` for each, some at once; return what came of it."""
    places = asyncio.Semaphore(AT_ONCE)

    async def limited(item: Item) -> T:
        async with places:
            return await work(item)

    return await asyncio.gather(*map(limited, items))


async def _run(log: StatusLog, number: int) -> Entry:
    """Let one workflow be accepted and claimed."""
    workflow_id = f"measured-{number:06}"
    submitted = Submitted(definition="measured", inputs=INPUTS)
    pending = await _append(log, workflow_id, None, submitted)
    return await _append(log, workflow_id, pending, Claimed(executor="host-1"))


async def _append(log: StatusLog, workflow_id: str, after: Entry | None, event: Event) -> Entry:
    event_id = f"{workflow_id}-{event.__struct_config__.tag}"
    record = advance(after, event, workflow_id=workflow_id, event_id=event_id, actor="bench", at=AT)
    return await log.append(record, expected=after.position if after else 0)


def _success(running: Entry) -> Succeeded:
    return Succeeded(lease=running.position, result="the brief", finished_at=AT)


async def _report_success(bus: Bus, running: Entry) -> None:
    name = running.record.id
    report = Report(id=name, event_id=f"{name}-end", actor="host-1", event=_success(running), at=AT)
    await bus.store(subjects.report(name), msgspec.json.encode(report))


async def _until_idle(bus: Bus, folder: Path, position: int) -> None:
    """Return when everything up to `position` has been dispatched and projected."""
    async with open_database(StorageSettings(url=_database(folder)), folder) as database:
        store = WorkflowStore(database)
        while True:
            info = await bus.ask_api(f"CONSUMER.INFO.{subjects.LOG_STREAM}.dispatch")
            dispatched = info.get("ack_floor", {}).get("stream_seq", 0) >= position
            if dispatched and (await store.position())[1] >= position:
                return
            await asyncio.sleep(0.1)


def _database(folder: Path) -> str:
    return f"sqlite:///{folder}/lastword.db"


async def append_barely(login: _Login, count: int, size: int) -> float:
    """Append `count` records of `size` bytes; return how many a second."""
    client: Client = await nats.connect(login.url, user=login.user, password=login.password)
    stream = client.jetstream()
    await stream.add_stream(
        api.StreamConfig(
            name="FLOOR",
            subjects=["floor.log.*"],
            allow_direct=True,
            republish=api.RePublish(src="floor.log.*", dest="floor.status.{{wildcard(1)}}"),
        )
    )
    payload = b"x" * size
    places = asyncio.Semaphore(AT_ONCE)

    async def append(number: int) -> None:
        async with places:
            headers = {"Nats-Expected-Last-Subject-Sequence": "0", "Nats-Msg-Id": str(number)}
            await stream.publish(f"floor.log.{number}", payload, headers=headers)

    began_s = time.perf_counter()
    await asyncio.gather(*map(append, range(count)))
    took_s = time.perf_counter() - began_s
    await stream.delete_stream("FLOOR")
    await client.close()
    return count / took_s


async def _supervised(login: _Login, folder: Path, reports: int) -> float:
    """Return how many statuses a second a supervisor in a process of its own accepts."""
    heard: list[datetime] = []
    everything = asyncio.Event()

    async def hear(message: Msg) -> None:
        stored_at = (message.headers or {})["Nats-Time-Stamp"]
        heard.append(msgspec.convert(stored_at, datetime, strict=False))
        if len(heard) == reports:
            everything.set()

    async with _bus(login) as bus:
        await bus.client.subscribe(subjects.status(), cb=hear)
        await bus.barrier()
        async with running_apart(supervise, login, folder):
            await asyncio.wait_for(everything.wait(), 120)
    return (reports - 1) / (heard[-1] - heard[0]).total_seconds()


async def supervise(login: _Login, folder: Path) -> None:
    """Be a supervisor until the process is ended."""
    configure_logs(LogSettings(format="json"), "supervisor", stream=Path("/dev/null").open("wb"))  # noqa: SIM115, ASYNC230
    settings = SupervisorSettings(partitions=PARTITIONS)
    metrics = Metrics(CollectorRegistry())
    async with _bus(login) as bus, open_database(StorageSettings(url=_database(folder)), folder) as database:
        await Supervisor(bus, database, settings, metrics, name="bench", max_inputs_bytes=65_536).run()
