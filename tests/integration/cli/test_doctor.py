"""`lastword doctor`, before what is sound, what is not there, and what is wrong."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nkeys
import pytest

from lastword.bus import BusSettings, StatusLog, ensure_streams, open_bus, write_nkeys
from lastword.bus.accounts import CONFIGURATION
from lastword.bus.server import _find_binary
from lastword.cli import invoke
from lastword.cli.exits import Exit
from lastword.contracts.permissions import WHOAMI, User, inbox
from lastword.storage import WorkflowStore, open_database, upgrade
from lastword.storage.settings import StorageSettings
from tests.integration.servers import make_record
from tests.integration.system.harness import System, free_port


class Doctor:
    """Runs the command, and keeps what it found."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.found: list[dict[str, Any]] = []

    def look(self, environ: Mapping[str, str], folder: Path) -> int:
        """Look, and return the exit code."""
        self._capsys.readouterr()
        code = invoke(["doctor", "--json"], environ, folder)
        written = self._capsys.readouterr()
        assert "" == written.err
        self.found = json.loads(written.out)
        return code

    def said(self, level: str) -> str:
        """Return all that was found on a level, with what to do."""
        return "\n".join(
            f"{one['check']}: {one['said']} > {one['remedy']}" for one in self.found if one["level"] == level
        )


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Give a doctor."""
    return Doctor(capsys)


@contextmanager
def own_server(folder: Path, users: str = "") -> Generator[str]:
    """Run a nats-server as somebody else would, with `users` in its configuration; yield its address."""
    port = free_port()
    path = folder / "server.conf"
    path.write_text(f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{folder}/js" }}\n{users}', "utf-8")
    process = subprocess.Popen(
        [_find_binary(None), "-c", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.slow
def test_a_running_system_is_looked_at_whole(tmp_path: Path, doctor: Doctor) -> None:
    """What is sound is said, and then, of an executor that is stopped, that it does not answer."""
    system = System(tmp_path)
    try:
        system.start().await_definitions("add")
        assert Exit.FAILED == doctor.look(system.environ, tmp_path)  # for the definition that is broken
        sound = doctor.said("ok")
        for part in (
            *(f"nats login: {user}," for user in ("supervisor", "executor", "auditor", "edge", "operator")),
            "clocks: the NATS server and this host agree",
            "streams: 8 of 8",
            "supervisor: one answers",
            "auditor: one answers",
            "projection: at position",
            "definition: add: a function",
            "is ready, version",
            "executors: 1 beating",
        ):
            assert part in sound
        failed = doctor.said("fail").splitlines()
        assert 2 == len([line for line in failed if "definition: broken cannot be loaded" in line])
        assert "" == doctor.said("skip") == doctor.said("warn")
        pid = system.kill("executor", signal.SIGSTOP)
        try:
            assert Exit.FAILED == doctor.look(system.environ, tmp_path)
        finally:
            system.kill("executor", signal.SIGCONT)
        assert "does not answer" in doctor.said("fail"), pid
    finally:
        system.destroy()


def test_where_nothing_runs_it_says_how_to_begin(tmp_path: Path, doctor: Doctor) -> None:
    """Nothing is made by looking."""
    assert Exit.FAILED == doctor.look({"LASTWORD_HTTP__PORT": str(free_port())}, tmp_path)
    failed = doctor.said("fail")
    assert "lastword up" in failed
    assert "`lastword db upgrade`" in failed
    assert "edge: no lastword answers" in doctor.said("skip")
    assert [] == list(tmp_path.iterdir())


def test_a_server_without_users_is_warned_of(tmp_path: Path, doctor: Doctor) -> None:
    """As are streams that nobody has made yet, and actors that do not run."""
    with own_server(tmp_path) as url:
        assert Exit.FAILED == doctor.look({"LASTWORD_BUS__URL": url}, tmp_path)
    assert "may do everything" in doctor.said("warn")
    failed = doctor.said("fail")
    assert "LASTWORD_LOG: stream not found > A supervisor makes it" in failed
    assert "supervisor: none answers > Start one: `lastword run supervisor`" in failed
    assert "auditor: none answers" in failed


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Give a folder with a seed for each user, and their configuration."""
    folder = tmp_path / "keys"
    write_nkeys(folder)
    return folder


def test_a_host_with_one_login_says_what_it_cannot_see(tmp_path: Path, keys: Path, doctor: Doctor) -> None:
    """Which login it is comes out by itself."""
    with own_server(tmp_path, (keys / CONFIGURATION).read_text("utf-8")) as url:
        environ = {"LASTWORD_BUS__URL": url, "LASTWORD_BUS__NKEY_SEED": str(keys / "auditor.nk")}
        doctor.look(environ, tmp_path)
        assert "nats login: auditor, with what this version needs" in doctor.said("ok")
        assert "may not be looked at by this user > Look from a supervisor's host" in doctor.said("skip")


def test_permissions_of_an_older_version_are_named(tmp_path: Path, keys: Path, doctor: Doctor) -> None:
    """With the command that brings the server up to date."""
    text = (keys / CONFIGURATION).read_text("utf-8").replace('"lastword.command.start", ', "")
    with own_server(tmp_path, text) as url:
        environ = {"LASTWORD_BUS__URL": url, "LASTWORD_BUS__NKEY_SEED": str(keys / "edge.nk")}
        assert Exit.FAILED == doctor.look(environ, tmp_path)
    assert "the edge may not use lastword.command.start > Run `lastword auth nats" in doctor.said("fail")
    older = text.replace(f', "{WHOAMI}"', "")
    assert older != text
    (tmp_path / "old").mkdir()
    with own_server(tmp_path / "old", older) as url:
        assert Exit.FAILED == doctor.look({**environ, "LASTWORD_BUS__URL": url}, tmp_path)
    assert "not as any role of this version > Run `lastword auth nats" in doctor.said("fail")


def test_a_server_that_refuses_us_is_named(tmp_path: Path, keys: Path, doctor: Doctor) -> None:
    """With the settings that may be wrong."""
    stranger = tmp_path / "stranger.nk"
    stranger.write_bytes(nkeys.encode_seed(b"0" * 32, nkeys.PREFIX_BYTE_USER))
    with own_server(tmp_path, (keys / CONFIGURATION).read_text("utf-8")) as url:
        environ = {"LASTWORD_BUS__URL": url, "LASTWORD_BUS__NKEY_SEED": str(stranger)}
        assert Exit.FAILED == doctor.look(environ, tmp_path)
    assert "does not let us in" in doctor.said("fail")


def test_a_database_of_another_log_is_named(tmp_path: Path, doctor: Doctor) -> None:
    """It is written anew by one command."""

    async def make(url: str) -> None:
        await upgrade(f"sqlite:///{tmp_path}/.lastword/lastword.db")
        async with open_bus(BusSettings(url=url), name="test", inbox_prefix=inbox(User.SUPERVISOR)) as bus:
            await ensure_streams(bus, partitions=4)
            entry = await StatusLog(bus).append(make_record(), expected=0)
        async with open_database(StorageSettings(), tmp_path / ".lastword") as database:
            await WorkflowStore(database).project([entry], epoch="another")

    with own_server(tmp_path) as url:
        asyncio.run(make(url))
        assert Exit.FAILED == doctor.look({"LASTWORD_BUS__URL": url}, tmp_path)
    assert "follows another log than this one > Run `lastword db rebuild`" in doctor.said("fail")
