"""The embedded server: its port, its data, its users, and its end."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import nats.errors
import pytest

from lastword.bus import (
    Bus,
    BusSettings,
    Conflict,
    EmbeddedServer,
    ServerFailed,
    StatusLog,
    Unavailable,
    ensure_streams,
    read_embedded,
)
from lastword.contracts import subjects
from tests.integration.servers import Collected, NatsServer, make_record, run_server

PARENT = """
import asyncio, sys
from pathlib import Path
from lastword.bus import BusSettings, EmbeddedServer

async def main():
    server = EmbeddedServer(BusSettings(port=0), Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def mode(path: Path) -> int:
    """Return the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


async def gone(pid: int) -> bool:
    """Return once a process has ended that may be nobody's child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        async with asyncio.timeout(10):
            await ended.wait()
        loop.remove_reader(descriptor)
    finally:
        os.close(descriptor)
    return True


async def test_another_port_is_taken_where_the_wanted_one_is_in_use(tmp_path: Path) -> None:
    """A second checkout on the same laptop just works."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        async with run_server(tmp_path, port=taken) as server:
            assert server.embedded.port not in {0, taken}
            async with server.open() as bus:
                assert bus.is_connected


async def test_the_wanted_port_is_taken_where_it_is_free(tmp_path: Path) -> None:
    """So that `nats sub` without options finds it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]
    async with run_server(tmp_path, port=free) as server:
        assert free == server.embedded.port


async def test_servers_that_start_at_once_never_share_a_port(tmp_path: Path) -> None:
    """Each server takes its port itself, so no probe can be overtaken."""
    servers = [EmbeddedServer(BusSettings(port=0), tmp_path / str(number)) for number in range(4)]
    try:
        await asyncio.gather(*(server.start() for server in servers))
        assert len({server.port for server in servers}) == 4
    finally:
        for server in servers:
            await server.stop()


async def test_data_and_users_stay_between_runs(tmp_path: Path) -> None:
    """A restart of the laptop loses nothing, and no client needs a new password."""
    async with run_server(tmp_path) as first, first.open() as bus:
        await ensure_streams(bus, partitions=2)
        kept = await StatusLog(bus).append(make_record(), expected=0)
        users = first.embedded.credentials
    async with run_server(tmp_path) as second, second.open() as bus:
        assert users == second.embedded.credentials
        standing = await StatusLog(bus).read("w-1")
        assert standing is not None
        assert (kept.position, kept.record) == (standing.position, standing.record)


async def test_secrets_are_for_the_owner_alone(tmp_path: Path) -> None:
    """Both files that hold passwords are closed to others."""
    async with run_server(tmp_path):
        for name in ("credentials.json", "nats.conf"):
            assert mode(tmp_path / "nats" / name) == 0o600


async def test_the_server_comes_back_on_the_same_port_with_everything_acknowledged(
    nats_server: NatsServer, bus: Bus
) -> None:
    """After kill -9, everyone connected finds it again, and what it acknowledged."""
    port = nats_server.port
    back = asyncio.Event()
    bus.on_reconnect.append(back.set)
    entry = await StatusLog(bus).append(make_record(), expected=0)
    await nats_server.crash()
    assert port == nats_server.port
    async with asyncio.timeout(10):
        await back.wait()
    standing = await StatusLog(bus).read("w-1")
    assert standing is not None
    assert entry.position == standing.position


async def test_the_server_dies_with_its_parent(tmp_path: Path) -> None:
    """Even when the parent is killed and can tell nobody."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    found = read_embedded(tmp_path)
    assert found is not None
    parent.kill()
    await parent.wait()
    assert await gone(pid)
    assert read_embedded(tmp_path) is None


async def test_a_new_server_waits_until_the_old_one_has_let_go_of_the_data(tmp_path: Path) -> None:
    """Two on one store would ruin it; the old one may take a moment to end after its owner was killed."""
    old = EmbeddedServer(BusSettings(port=0), tmp_path)
    await old.start()
    assert old.pid is not None
    new = EmbeddedServer(BusSettings(port=0), tmp_path)
    starting = asyncio.create_task(new.start())
    try:
        for _ in range(3):
            await asyncio.wait({starting}, timeout=0.05)
            assert not starting.done()
        assert new.pid is None
        os.kill(old.pid, signal.SIGTERM)
        await starting
        assert not old.is_running
        assert new.is_running
    finally:
        await old.stop()
        await new.stop()


async def test_a_data_folder_in_use_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two on one folder is refused, and the first is not harmed."""
    monkeypatch.setattr("lastword.bus.server.STOP_S", -1.0)
    async with run_server(tmp_path) as first:
        second = EmbeddedServer(BusSettings(port=0), tmp_path)
        with pytest.raises(ServerFailed, match="another one runs on"):
            await second.start()
        monkeypatch.undo()
        async with first.open() as bus:
            assert bus.is_connected


@pytest.mark.parametrize("kind", ["missing", "not executable", "a folder"])
async def test_a_binary_that_cannot_be_run_is_named(tmp_path: Path, kind: str) -> None:
    """Before anything is started."""
    binary = tmp_path / "nats-server"
    if kind == "not executable":
        binary.write_text("", "utf-8")
    elif kind == "a folder":
        binary.mkdir()
    with pytest.raises(ServerFailed, match=r"bus\.server_binary is no executable file") as caught:
        EmbeddedServer(BusSettings(server_binary=str(binary)), tmp_path / "data")
    assert str(binary) in str(caught.value)


async def test_a_file_that_is_no_program_is_named(tmp_path: Path) -> None:
    """An executable of another machine, say."""
    binary = tmp_path / "nats-server"
    binary.write_bytes(b"\0not a program")
    binary.chmod(0o755)
    server = EmbeddedServer(BusSettings(server_binary=str(binary)), tmp_path / "data")
    with pytest.raises(ServerFailed, match="Exec format error"):
        await server.start()


async def test_a_server_that_fails_is_quoted_and_only_its_own_words(tmp_path: Path) -> None:
    """The log of earlier runs stands in the same file."""
    binary = tmp_path / "nats-server"
    binary.write_text("#!/bin/sh\necho 'no room for your store' >&2\nexit 1\n", "utf-8")
    binary.chmod(0o755)
    server = EmbeddedServer(BusSettings(server_binary=str(binary)), tmp_path / "data")
    (tmp_path / "data" / "nats" / "nats.log").write_text("from an earlier run\n", "utf-8")
    with pytest.raises(ServerFailed, match=r"did not start: no room for your store$"):
        await server.start()
    assert server.pid is None
    binary.write_text("#!/bin/sh\nexit 1\n", "utf-8")
    with pytest.raises(ServerFailed, match="it said nothing"):
        await server.start()


async def test_a_server_that_never_answers_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left behind."""
    monkeypatch.setattr("lastword.bus.server.READY_S", 0.2)
    binary = tmp_path / "nats-server"
    binary.write_text("#!/bin/sh\necho $$\nexec sleep 600\n", "utf-8")
    binary.chmod(0o755)
    server = EmbeddedServer(BusSettings(server_binary=str(binary)), tmp_path / "data")
    with pytest.raises(ServerFailed, match="did not answer"):
        await server.start()
    said = (tmp_path / "data" / "nats" / "nats.log").read_text("utf-8")
    assert await gone(int(said))


async def test_a_data_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file in the way, say."""
    (tmp_path / "data").write_text("", "utf-8")
    with pytest.raises(ServerFailed, match=r"data folder cannot be used.*data"):
        EmbeddedServer(BusSettings(), tmp_path / "data")


async def test_users_that_cannot_be_read_are_named_with_the_remedy(tmp_path: Path) -> None:
    """A half-written file must not give the server other passwords in silence."""
    folder = tmp_path / "nats"
    folder.mkdir()
    (folder / "credentials.json").write_text('{"actor": ', "utf-8")
    with pytest.raises(ServerFailed, match=r"credentials\.json cannot be read.*remove it"):
        EmbeddedServer(BusSettings(), tmp_path)


async def test_tools_find_the_running_server_in_the_data_folder(tmp_path: Path) -> None:
    """While it runs, and no longer."""
    assert read_embedded(tmp_path) is None
    async with run_server(tmp_path) as server:
        assert (server.url, server.embedded.credentials) == read_embedded(tmp_path)
        server.embedded.kill()
        assert read_embedded(tmp_path) is None
        await server.embedded.start()
        assert (server.url, server.embedded.credentials) == read_embedded(tmp_path)
    assert read_embedded(tmp_path) is None


async def test_a_listener_without_credentials_sees_each_accepted_record_once_and_no_refused_one(
    nats_server: NatsServer, bus: Bus
) -> None:
    """One line of JSON each, that a person can read from its beginning."""
    log = StatusLog(bus)
    async with nats_server.open("nobody") as listener:
        told = Collected[bytes]()

        async def tell(message: object) -> None:
            told.add(getattr(message, "data", b""))

        await listener.client.subscribe("lastword.status.>", cb=tell)
        await listener.barrier()
        first = await log.append(make_record(version=1), expected=0)
        with pytest.raises(Conflict):
            await log.append(make_record(version=1, event="too-late"), expected=0)
        await log.append(make_record(version=2), expected=first.position)
        await log.append(make_record("w-2"), expected=0)
        await told.reach(3)
        await listener.barrier()
        assert ["pending", "running", "pending"] == [msgspec.json.decode(line)["status"] for line in told]
        assert told[0].startswith(b'{"id":"w-1","status":"pending","at":"2026-01-02T03:04:05Z",')
        assert not any(b"\n" in line for line in told)


async def test_a_stranger_moves_nothing_and_hears_no_answers(nats_server: NatsServer, bus: Bus) -> None:
    """Neither the log, nor a report, nor a command, nor the server's interface take its word."""
    async with nats_server.open("nobody") as stranger:
        heard = await stranger.client.subscribe("_INBOX.>")
        for subject in (
            subjects.log("w-1"),
            subjects.status("w-1"),
            subjects.report("w-1"),
            subjects.pulse("host-1"),
            subjects.command("start"),
            f"$JS.API.STREAM.DELETE.{subjects.LOG_STREAM}",
        ):
            await stranger.client.publish(subject, b"{}")
        with pytest.raises(Unavailable):
            await stranger.request("$JS.API.INFO", b"", timeout_s=0.05)
        await stranger.barrier()
        for stream in (subjects.LOG_STREAM, subjects.REPORT_STREAM, subjects.PULSE_STREAM):
            info = await bus.ask_api(f"STREAM.INFO.{stream}")
            assert info["state"]["last_seq"] == 0
        await stranger.barrier()
        with pytest.raises(nats.errors.TimeoutError):
            await heard.next_msg(timeout=0.05)


async def test_users_of_an_older_version_stay_and_new_ones_join_them(tmp_path: Path) -> None:
    """An upgrade changes no password, and gives each process a user of its own."""
    folder = tmp_path / "nats"
    folder.mkdir()
    old = {name: [name, f"{name}-password"] for name in ("actor", "viewer", "system")}
    (folder / "credentials.json").write_bytes(msgspec.json.encode(old))
    async with run_server(tmp_path) as server:
        users = server.embedded.credentials
        assert ("actor", "actor-password") == users.actor
        for name in ("actor", "supervisor", "executor", "auditor", "edge"):
            async with server.open(name) as bus:
                assert bus.is_connected
    assert 0o600 == mode(folder / "credentials.json")
