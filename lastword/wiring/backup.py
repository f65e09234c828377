"""Back-up and restore: everything that cannot be made again, in a folder, and proof that it came back whole.

**What is kept**, and in this order.  A back-up is of the moment at which the log's snapshot is taken; what is
taken before may hold more of the past than the log shows, and what is taken after, more of the future, and
neither does harm:

* *reports* that nobody has handled yet.  One that is handled in between stands in the log as well, and
  handling it twice equals handling it once.
* *definitions*, so that workflows can be started before their executors are back.
* *the log*, with its consumer's place: the truth.
* *large results*, after the log that speaks of them, so that each one is there.
* *output* and *refused reports*.
* of the database, what the log does not hold (`storage.remnants`).

**What is not kept**: jobs, which are made again for each workflow that is pending; pulses and progress, which
speak of processes that are gone; and the database's copy of the log, which is written anew.

Sequences stay what they were (see `bus.snapshots`), so leases and places mean what they meant.  The restored
log is nevertheless another log, since what was appended after the back-up is not in it: it has a name (epoch)
of its own, clients that hold places of the old one begin anew, and executors give up what they ran for it.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from lastword import __version__
from lastword.bus import (
    Bus,
    EmbeddedServer,
    Snapshot,
    StatusLog,
    Unavailable,
    ensure_streams,
    find_stream,
    raw_messages,
    read_embedded,
    restore_stream,
    save_stream,
)
from lastword.bus.streams import LAYOUT, stream_configs
from lastword.contracts import subjects
from lastword.contracts.ids import new_workflow_id
from lastword.contracts.messages import Job
from lastword.contracts.permissions import User
from lastword.contracts.records import Entry
from lastword.contracts.statuses import Status
from lastword.settings import Settings
from lastword.storage import (
    Database,
    database_url,
    is_empty,
    load_heartbeats,
    load_remnants,
    open_database,
    read_remnants,
    rebuild,
    upgrade,
)
from lastword.storage.migrations import HEAD
from lastword.wiring.roles import open_bus_as
from lastword.wiring.saved import (
    FORMAT,
    BackupError,
    Manifest,
    NewFile,
    SavedFile,
    SavedStream,
    check,
    new_folder,
    pieces,
    write_manifest,
)

__all__ = ["KEPT", "back_up", "restore"]

log = structlog.get_logger(__name__)

KEPT: Final = (
    subjects.REPORT_STREAM,
    subjects.DEFINITION_STREAM,
    subjects.LOG_STREAM,
    subjects.RESULT_OBJECTS,
    subjects.LOGLINE_STREAM,
    subjects.REFUSED_STREAM,
)
"""The streams that are kept, in the order in which their snapshots are taken."""

REMNANTS: Final = "database.jsonl"
AGING: Final = frozenset({subjects.LOGLINE_STREAM, subjects.REFUSED_STREAM})
"""Streams whose messages end by age: fewer may come back than went in."""


async def back_up(settings: Settings, folder: Path) -> Manifest:
    """Write a back-up into `folder`, which must be new or empty, while everything goes on.

    Raises `BackupError`, and what the bus and the database raise.
    """
    if settings.bus.url is None and not (settings.data / "nats").is_dir():
        raise BackupError(f"there is nothing to back up in the data folder {settings.data.absolute()}")
    new_folder(folder)
    async with (
        _bus(settings, User.BACKUP) as bus,
        open_database(settings.storage, settings.data) as database,
    ):
        head = await StatusLog(bus).head()
        streams = tuple([await _save(bus, name, folder) for name in KEPT])
        (kept,) = (stream for stream in streams if stream.name == subjects.LOG_STREAM)
        position = int(kept.snapshot.state["last_seq"])
        manifest = Manifest(
            format=FORMAT,
            version=__version__,
            made_at=datetime.now(UTC),
            layout=LAYOUT,
            revision=HEAD,
            epoch=head.epoch,
            position=position,
            log_sha256=await _log_digest(bus, position),
            streams=streams,
            database=await _save_remnants(database, folder),
        )
    write_manifest(folder, manifest)
    return manifest


async def restore(settings: Settings, folder: Path) -> Manifest:
    """Put a back-up into a deployment that holds nothing, and prove that it came back whole.

    Nothing is touched before the back-up is known to be good and the place to be empty.  Raises
    `BackupError`, and what the bus and the database raise.
    """
    manifest = await asyncio.to_thread(check, folder)
    if (manifest.layout, manifest.revision) != (LAYOUT, HEAD):
        raise BackupError(
            f"the back-up was made by lastword {manifest.version}, which kept things in another way; restore "
            "it with that version, and upgrade then"
        )
    async with _bus(settings, User.RESTORE) as bus:
        await _refuse_unless_empty(bus)
        _refuse_other_partitions(settings, manifest)
        await upgrade(database_url(settings.storage, settings.data))
        async with open_database(settings.storage, settings.data) as database:
            if not await is_empty(database):
                raise BackupError(f"{database.shown} is not empty; restore into a new one")
            for stream in manifest.streams:
                await _put_back(bus, stream, folder)
            await ensure_streams(bus, partitions=settings.supervisor.partitions)
            found = await _log_digest(bus, manifest.position)
            if found != manifest.log_sha256:
                raise BackupError("the restored log is not the one that was saved: its digest differs")
            await _write_database(bus, database, folder, manifest)
    return manifest


@asynccontextmanager
async def _bus(settings: Settings, user: User) -> AsyncGenerator[Bus, None]:
    """Connect; where the embedded server is meant and does not run, run it meanwhile."""
    server: EmbeddedServer | None = None
    if settings.bus.url is None and read_embedded(settings.data) is None:
        server = EmbeddedServer(settings.bus, settings.data)
        await server.start()
    try:
        async with open_bus_as(user, settings, new_workflow_id(user)) as bus:
            yield bus
    finally:
        if server is not None:
            await server.stop()


# Saving


async def _save(bus: Bus, name: str, folder: Path) -> SavedStream:
    with NewFile(folder / f"{name}.snapshot") as file:
        snapshot = await save_stream(bus, name, file.write)
    log.info("backup.stream_saved", stream=name, messages=snapshot.state["messages"], bytes=file.size)
    return SavedStream(snapshot=snapshot, saved=file.saved)


async def _save_remnants(database: Database, folder: Path) -> SavedFile:
    with NewFile(folder / REMNANTS) as file:
        async for line in read_remnants(database):
            file.write(line)
    return file.saved


async def _log_digest(bus: Bus, position: int) -> str:
    digest = hashlib.sha256()
    async for sequence, record in raw_messages(bus, subjects.LOG_STREAM, subjects.log(), position):
        digest.update(b"%d %b\n" % (sequence, record))
    return digest.hexdigest()


# Restoring


async def _refuse_unless_empty(bus: Bus) -> None:
    standing = [name for name in KEPT if await find_stream(bus, name) is not None]
    if standing:
        raise BackupError(
            f"this NATS account is in use: it has {', '.join(standing)}. A back-up is restored where no "
            "lastword has worked yet: into an empty data folder or account, before anything is started"
        )


def _refuse_other_partitions(settings: Settings, manifest: Manifest) -> None:
    """Refuse to strand reports that wait in partitions which nobody will read."""
    partitions = settings.supervisor.partitions
    wanted = stream_configs(replicas=1, partitions=partitions, settings=settings.bus)
    (reports,) = (config for config in wanted if config["name"] == subjects.REPORT_STREAM)
    (kept,) = (stream for stream in manifest.streams if stream.name == subjects.REPORT_STREAM)
    transform: dict[str, Any] = kept.snapshot.config.get("subject_transform") or {}
    waiting = int(kept.snapshot.state["messages"])
    if waiting and transform != reports["subject_transform"]:
        raise BackupError(
            f"supervisor.partitions is {partitions}, and {waiting} reports were saved under another number: "
            f"{transform.get('dest')}; restore with that number, and change it when they are handled"
        )


async def _put_back(bus: Bus, stream: SavedStream, folder: Path) -> None:
    config = {**stream.snapshot.config, "num_replicas": bus.settings.replicas}
    snapshot = Snapshot(config=config, state=stream.snapshot.state)
    found = await restore_stream(bus, snapshot, pieces(folder / stream.saved.file))
    same = ("last_seq",) if stream.name in AGING else ("last_seq", "messages", "num_subjects")
    for key in same:
        if found.get(key) != stream.snapshot.state.get(key):
            raise BackupError(
                f"stream {stream.name} did not come back whole: {key} is {found.get(key)} and was "
                f"{stream.snapshot.state.get(key)}"
            )
    log.info("restore.stream_restored", stream=stream.name, messages=found["messages"])


async def _write_database(bus: Bus, database: Database, folder: Path, manifest: Manifest) -> None:
    """Write the database from the log and the remnants, and make the jobs of what is pending."""
    path = folder / manifest.database.file
    status_log = StatusLog(bus)
    pending: dict[str, Job] = {}

    async def entries() -> AsyncIterator[list[Entry]]:
        async for batch in status_log.replay():
            for entry in batch:
                _note(pending, entry)
            yield batch

    with path.open("rb") as lines:
        await load_remnants(database, lines)
    await rebuild(database, epoch=(await status_log.head()).epoch, entries=entries())
    with path.open("rb") as lines:
        await load_heartbeats(database, lines)
    digest = hashlib.sha256()
    async for line in read_remnants(database):
        digest.update(line)
    if digest.hexdigest() != manifest.database.sha256:
        raise BackupError("what was saved of the database did not come back whole: its digest differs")
    for job in pending.values():
        await _dispatch(bus, job)


def _note(pending: dict[str, Job], entry: Entry) -> None:
    record = entry.record
    if record.status is Status.PENDING:
        pending[record.id] = Job(id=record.id, definition=record.definition, position=entry.position)
    else:
        pending.pop(record.id, None)


async def _dispatch(bus: Bus, job: Job) -> None:
    """Publish a job under the id that the dispatcher gives it, so that there are no two."""
    for _ in range(20):
        try:
            await bus.store(
                subjects.job(job.definition), msgspec.json.encode(job), message_id=f"job-{job.id}"
            )
        except Unavailable:
            await asyncio.sleep(0.5)
        else:
            return
    raise Unavailable(subjects.job(job.definition))
