"""Back-up and restore: what comes back, what is refused, and what clients are told."""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from websockets.asyncio.client import connect

from lastword.bus import Bus, Outputs, StatusLog, Unavailable, ensure_streams
from lastword.contracts import subjects
from lastword.contracts.events import ResultReference, Succeeded
from lastword.contracts.messages import Report
from lastword.contracts.permissions import User
from lastword.settings import Settings
from lastword.storage import TokenStore, WorkflowStore, digest, digest_of, open_database, upgrade
from lastword.storage.settings import StorageSettings
from lastword.wiring.backup import KEPT, back_up, restore
from lastword.wiring.saved import BackupError, check
from tests.integration.backends import Backend, ClusterBackend, SingleBackend
from tests.integration.http.conftest import kinds, next_frame, told
from tests.integration.live.stage import PARTITIONS, LiveEdge, Play, Stage, open_stage, until
from tests.integration.servers import NatsServer

pytestmark = pytest.mark.timeout(120)

RESULT = b'"' + b"tides " * 60_000 + b'"'
LEGACY = (
    "INSERT INTO workflows"
    " (id, name, status, version, position, stored_at, created_at, updated_at, search, record)"
    " SELECT 'legacy', 'old', 'success', 1, 0, stored_at, created_at, updated_at, '',"
    " replace(record, id, 'legacy')"
    " FROM workflows LIMIT 1"
)


def settings_of(server: NatsServer, user: User, database: str, folder: Path) -> Settings:
    """Return the settings of a process that is a user of the server's."""
    return msgspec.convert(
        {
            "data_dir": str(folder),
            "bus": server.settings(user),
            "storage": StorageSettings(url=database),
            "supervisor": {"partitions": PARTITIONS},
        },
        Settings,
    )


class Past:
    """A deployment with something of everything in it."""

    def __init__(self, server: NatsServer, database: str) -> None:
        self.server = server
        self.database = database
        self.ended = self.running = self.pending = self.unheard = ""
        self.lease = 0
        self.reference: ResultReference | None = None
        self.headers: dict[str, str] = {}
        """What opens an edge's door: there is a token, so nobody gets in without."""

    async def live(self, stage: Stage) -> None:
        """Let workflows begin, run, speak and end, and one be overtaken by the back-up."""
        plays = [stage.play() for _ in range(4)]
        ended, running, pending, unheard = plays
        for play in plays:
            await play.submit()
        for play in (ended, running, unheard):
            await play.claim()
            await play.beat()
        await ended.say("low water", "high water")
        await ended.end()
        self.reference = await Outputs(stage.bus).keep_result(ended.id, ended.lease, RESULT)
        self.ended, self.running, self.pending = ended.id, running.id, pending.id
        self.unheard, self.lease = unheard.id, unheard.lease
        await until(lambda: _has_reached(stage.bus, stage.settings, 8))

    async def report_to_nobody(self, bus: Bus) -> None:
        """Publish an outcome that no supervisor hears before the back-up."""
        event = Succeeded(lease=self.lease, finished_at=datetime.now(UTC), result="unheard")
        report = Report(
            id=self.unheard, event=event, event_id="unheard", actor="on-play", at=datetime.now(UTC)
        )
        await bus.store(subjects.report(self.unheard), msgspec.json.encode(report))


async def _has_reached(bus: Bus, settings: Settings, position: int) -> bool:
    """Tell whether log and database are there, heartbeats included."""
    async with open_database(settings.storage, settings.data) as database, database.reading() as connection:
        _, reached = await WorkflowStore(database).position()
        beats = await connection.scalar(sa.text("SELECT count(last_heartbeat_at) FROM workflows"))
    return reached >= position and bool(beats)


@asynccontextmanager
async def a_past(backend: Backend, folder: Path) -> AsyncGenerator[Past, None]:
    """Run NATS with a past, and no process of lastword beside it."""
    await asyncio.to_thread(folder.mkdir)
    async with backend.serve(folder / "data", with_streams=True) as server:
        past = Past(server, backend.database(folder))
        async with open_stage(server, folder, database=past.database) as stage:
            await past.live(stage)
            async with open_database(stage.settings.storage, folder) as database:
                now = datetime.now(UTC)
                _, token = await TokenStore(database).create("anna", "operator", by="test", now=now)
                past.headers = {"Authorization": f"Bearer {token}"}
                async with database.writing() as connection:
                    await connection.execute(sa.text(LEGACY))
        async with server.open() as bus:
            await past.report_to_nobody(bus)
        yield past


async def _saved(past: Past, folder: Path) -> None:
    await back_up(settings_of(past.server, User.BACKUP, past.database, folder), folder / "saved")


async def _everything(bus: Bus) -> Any:
    return [entry async for entries in StatusLog(bus).replay() for entry in entries]


async def _tokens(settings: Settings) -> Any:
    async with open_database(settings.storage, settings.data) as database:
        return await TokenStore(database).all()


async def _check_restored(past: Past, server: NatsServer, database: str, folder: Path) -> None:
    """Compare two deployments: what must be the same is, and what must not be is not."""
    old = settings_of(past.server, User.SUPERVISOR, past.database, folder)
    new = settings_of(server, User.SUPERVISOR, database, folder)
    async with past.server.open() as before, server.open() as after:
        entries = await _everything(before)
        assert entries == await _everything(after)
        assert (await StatusLog(before).head()).epoch != (await StatusLog(after).head()).epoch
        assert past.reference is not None
        assert RESULT == await Outputs(after).result(past.reference)
        lines = await Outputs(before).lines(past.ended, 0, 10)
        assert 1 == len(lines)
        assert lines == await Outputs(after).lines(past.ended, 0, 10)
        for name in KEPT:
            info = await after.ask_api(f"STREAM.INFO.{name}")
            assert server.replicas == info["config"]["num_replicas"], name
        jobs = await after.ask_api(f"STREAM.INFO.{subjects.JOB_STREAM}")
        assert 1 == jobs["state"]["messages"]  # the pending one's
    assert await _tokens(old) == await _tokens(new)
    async with open_database(new.storage, folder) as opened, opened.reading() as connection:
        assert digest_of(entries) == await digest(opened)
        rows = await connection.execute(sa.text("SELECT id FROM workflows WHERE position = 0"))
        assert ["legacy"] == list(rows.scalars())
        assert 1 <= (await connection.scalar(sa.text("SELECT count(last_heartbeat_at) FROM workflows")) or 0)


async def _check_life_goes_on(past: Past, server: NatsServer, database: str, folder: Path) -> None:
    """Let a supervisor and an edge take over what was restored."""
    async with open_stage(server, folder, database=database) as stage:
        edge = await stage.open_edge()
        edge.client.headers.update(past.headers)
        await until(lambda: _stands(edge, past.unheard, "success"))  # the report that waited was heard
        assert "pending" == (await edge.client.get(f"/workflows/{past.pending}")).json()["status"]
        listed = (await edge.client.get("/workflows")).json()["items"]
        assert {past.ended, past.running, past.pending, past.unheard, "legacy"} == {
            one["id"] for one in listed
        }
        late = Play(stage, "late")
        late.id = past.pending
        await late.claim()
        await late.end()
        await until(lambda: _stands(edge, past.pending, "success"))


async def _stands(edge: LiveEdge, workflow_id: str, status: str) -> bool:
    return bool(status == (await edge.client.get(f"/workflows/{workflow_id}")).json().get("status"))


@pytest.mark.cluster
async def test_everything_comes_back_and_goes_on(backend: Backend, tmp_path: Path) -> None:
    """Records with their positions, results, output, tokens, older rows, reports not yet heard, and jobs."""
    async with a_past(backend, tmp_path / "old") as past, backend.serve(tmp_path / "new") as server:
        database = backend.database(tmp_path)
        await _saved(past, tmp_path)

        await restore(settings_of(server, User.RESTORE, database, tmp_path), tmp_path / "saved")

        await _check_restored(past, server, database, tmp_path)
        await _check_life_goes_on(past, server, database, tmp_path)


async def test_what_one_node_saved_a_cluster_restores(
    streams_template: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The way from a laptop to a real deployment: three copies of each stream, and PostgreSQL."""
    single, cluster = SingleBackend(streams_template), ClusterBackend(request.getfixturevalue("postgres"))
    async with a_past(single, tmp_path / "old") as past, cluster.serve(tmp_path / "new") as server:
        database = cluster.database(tmp_path)
        await _saved(past, tmp_path)

        await restore(settings_of(server, User.RESTORE, database, tmp_path), tmp_path / "saved")

        await _check_restored(past, server, database, tmp_path)


async def test_clients_that_watched_begin_anew_and_see_it_end(backend: Backend, tmp_path: Path) -> None:
    """All is lost and restored under an edge: it tells `resync`, a new epoch, and the rest of it."""
    async with a_past(backend, tmp_path / "old") as past:
        server, database = past.server, past.database
        await _saved(past, tmp_path)
        edge = LiveEdge(settings_of(server, User.EDGE, database, tmp_path))
        await edge.start()
        try:
            await edge.ready()
            watched = f"{edge.ws}/ws/workflows/{past.running}"
            async with connect(watched, additional_headers=past.headers) as socket:
                before = await next_frame(socket, "hello")
                shown = (await next_frame(socket, "snapshot"))["workflow"]
                server.kill()
                server.wipe()
                await server.start()
                await _empty(database, tmp_path)
                await restore(settings_of(server, User.RESTORE, database, tmp_path), tmp_path / "saved")
                frames, code = await told(socket)
                assert ("resync", "epoch", 4200) == (frames[-1]["type"], frames[-1]["reason"], code)
            await edge.ready()
            place = f"{before['epoch']}:{before['position']}"
            async with (
                connect(f"{watched}?after={place}", additional_headers=past.headers) as socket,
                open_stage(server, tmp_path, database=database) as stage,
            ):
                hello = await next_frame(socket, "hello")
                assert not hello["recovered"]
                assert before["epoch"] != hello["epoch"]
                again = (await next_frame(socket, "snapshot"))["workflow"]
                assert (shown["position"], "running") == (again["position"], again["status"])
                play = Play(stage, "restored")
                play.id, play.lease = past.running, again["position"]
                await play.end()
                frames, code = await told(socket)
                assert (["status", "end"], 1000) == (kinds(frames)[-2:], code)
        finally:
            await edge.close()


async def _empty(database: str, folder: Path) -> None:
    """Lose the database."""
    async with open_database(StorageSettings(url=database), folder) as opened, opened.writing() as connection:
        for statement in (
            "DELETE FROM workflow_statuses",
            "DELETE FROM workflows",
            "DELETE FROM tokens",
            "UPDATE projection SET epoch = NULL, position = 0",
        ):
            await connection.execute(sa.text(statement))


async def test_nothing_is_restored_over_anything(backend: Backend, tmp_path: Path) -> None:
    """Neither into NATS that is in use nor into a database that is; and nothing has changed then."""
    async with a_past(backend, tmp_path / "old") as past, backend.serve(tmp_path / "new") as server:
        await _saved(past, tmp_path)
        async with past.server.open() as bus:
            before = await _everything(bus)
            used = settings_of(past.server, User.RESTORE, backend.database(tmp_path), tmp_path)
            with pytest.raises(BackupError, match=r"in use: it has LASTWORD_REPORT, .*empty data folder"):
                await restore(used, tmp_path / "saved")
            assert before == await _everything(bus)
        with pytest.raises(BackupError, match="is not empty"):
            await restore(settings_of(server, User.RESTORE, past.database, tmp_path), tmp_path / "saved")
        async with server.open() as bus:
            assert 0 == (await bus.ask_api("STREAM.NAMES"))["total"]
        with pytest.raises(BackupError, match="not empty; name a new folder"):
            await _saved(past, tmp_path)


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "unfinished", "swap"])
async def test_a_damaged_backup_is_recognised_before_anything_is_touched(
    backend: Backend, tmp_path: Path, harm: str
) -> None:
    """A flipped bit, a file cut short or gone, one without its manifest, one of another back-up."""
    async with backend.serve(tmp_path / "data", with_streams=True) as server:
        database = backend.database(tmp_path)
        await upgrade(database)
        async with server.open() as bus:
            await ensure_streams(bus, partitions=PARTITIONS)
        folder = tmp_path / "saved"
        await back_up(settings_of(server, User.BACKUP, database, tmp_path), folder)
        assert 0 == check(folder).position
        file = folder / f"{subjects.LOG_STREAM}.snapshot"
        data = bytearray(file.read_bytes())
        match harm:
            case "flip":
                data[len(data) // 2] ^= 1
                file.write_bytes(data)
            case "cut":
                file.write_bytes(data[:-1])
            case "remove":
                file.unlink()
            case "unfinished":
                (folder / "manifest.json").unlink()
            case _:
                shutil.copy(folder / f"{subjects.REPORT_STREAM}.snapshot", file)
        with pytest.raises(BackupError, match=r"is damaged|is missing|no complete back-up"):
            await asyncio.to_thread(check, folder)


async def test_reports_are_not_stranded_in_partitions_that_nobody_reads(
    backend: Backend, tmp_path: Path
) -> None:
    """Another number of partitions is refused while saved reports wait, and named."""
    async with a_past(backend, tmp_path / "old") as past, backend.serve(tmp_path / "new") as server:
        await _saved(past, tmp_path)
        settings = settings_of(server, User.RESTORE, backend.database(tmp_path), tmp_path)
        other = msgspec.structs.replace(
            settings, supervisor=msgspec.structs.replace(settings.supervisor, partitions=3)
        )
        with pytest.raises(BackupError, match=r"partitions is 3, and 1 reports .*partition\(2,1\)"):
            await restore(other, tmp_path / "saved")


async def test_each_user_may_do_its_own_part_alone(nats_server: NatsServer, bus: Bus) -> None:
    """Who saves changes nothing, and who restores takes no snapshot; an executor may do neither."""
    for user in (User.BACKUP, User.RESTORE, User.EXECUTOR):
        async with nats_server.open(user, request_timeout_s=0.3) as own:
            allowed = [verb for verb in ("SNAPSHOT", "RESTORE") if await _answers(own, verb)]
        assert {User.BACKUP: ["SNAPSHOT"], User.RESTORE: ["RESTORE"]}.get(user, []) == allowed


async def _answers(bus: Bus, verb: str) -> bool:
    """Tell whether the server lets us ask; the request itself is a bad one."""
    try:
        await bus.ask_api(f"STREAM.{verb}.{subjects.LOG_STREAM}", {})
    except Unavailable:
        return False
    return True
