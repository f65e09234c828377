"""The command line against the whole system, as its users type it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import NamedTuple

import pytest

from lastword.cli import invoke
from tests.integration.backends import Backend
from tests.integration.system.harness import System, free_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> Iterator[System]:
    """Give a running system with plain functions, shared by the module's tests."""
    running = backend.system(tmp_path_factory.mktemp("cli"))
    try:
        yield running.start().await_definitions("add", "steps", "raises", "dies")
    finally:
        running.destroy()


class Done(NamedTuple):
    """What a command did."""

    returncode: int
    stdout: str
    stderr: str


class Typist:
    """Runs commands in this process against a system: its real network, without a second's start each."""

    def __init__(self, system: System, capsys: pytest.CaptureFixture[str]) -> None:
        self._system = system
        self._capsys = capsys

    def cli(self, *arguments: str) -> Done:
        """Run a command to its end."""
        self._capsys.readouterr()
        code = invoke(arguments, self._system.environ, self._system.folder)
        written = self._capsys.readouterr()
        return Done(code, written.out, written.err)


@pytest.fixture
def typist(system: System, capsys: pytest.CaptureFixture[str]) -> Typist:
    """Give someone who types commands."""
    return Typist(system, capsys)


class Command:
    """A command in a process of its own, that goes on while a test does other things."""

    def __init__(self, system: System, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lastword", *arguments],
            cwd=system.folder,
            env=system.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.said: list[str] = []

    def until(self, part: str) -> str:
        """Return the next line that holds `part`; fail after half a minute without one."""
        while True:
            line = self._lines.get(timeout=30)
            self.said.append(line)
            if part in line:
                return line

    def wait(self) -> int:
        """Return the exit code, having read everything."""
        code = self.process.wait(30)
        self._reader.join(10)
        while not self._lines.empty():
            self.said.append(self._lines.get())
        return code

    def close(self) -> str:
        """Make sure that nothing is left; return what was said on standard error."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(10)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return said

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)


@pytest.mark.parametrize(
    ("arguments", "code", "last"),
    [
        (("add", "-i", "a:=2", "-i", "b:=3"), 0, "success"),
        (("raises",), 1, "failed"),
        (("dies", "-i", "how=kill"), 1, "failed"),
    ],
    ids=["success", "exception", "killed"],
)
def test_start_and_watch_exits_by_how_it_ended(
    typist: Typist, arguments: tuple[str, ...], code: int, last: str
) -> None:
    """And says so in JSON as in words; the edge is found by run.json."""
    done = typist.cli("start", *arguments, "--watch", "--json")
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert (code, "") == (done.returncode, done.stderr)
    assert last == shown[-1]["status"]
    positions = [one["position"] for one in shown]
    assert positions == sorted(positions)
    assert [True] == [one["isTerminal"] for one in shown if one["isTerminal"]]


def test_an_id_from_start_serves_all_other_commands(typist: Typist) -> None:
    """Show, list, logs, retry, reconcile, cancel of what has ended."""
    workflow_id = typist.cli("start", "add", "-i", "a:=2", "-i", "b:=3").stdout.strip()
    assert 0 == typist.cli("watch", workflow_id).returncode
    shown = typist.cli("show", workflow_id)
    assert "success" in shown.stdout
    assert "history" in shown.stdout
    assert "5\n" == typist.cli("show", workflow_id, "--result").stdout
    assert workflow_id in typist.cli("list", "--status", "success", "--definition", "add").stdout
    assert 0 == typist.cli("logs", workflow_id).returncode
    assert "success" in typist.cli("reconcile", workflow_id).stdout
    again = typist.cli("retry", workflow_id, "--watch", "--json")
    assert workflow_id == json.loads(again.stdout.splitlines()[-1])["retry_of"]
    refused = typist.cli("cancel", workflow_id, "--json")
    assert (5, "") == (refused.returncode, refused.stdout)
    assert "success" == json.loads(refused.stderr)["workflow"]["status"]


def test_a_cancelled_workflow_exits_with_3_for_its_watcher_and_0_for_its_canceller(
    system: System, typist: Typist
) -> None:
    """The one waited for its end, the other for it to be over."""
    workflow_id = system.begin("steps", count=400)
    system.await_status(workflow_id, "running")
    watcher = Command(system, "watch", workflow_id)
    try:
        watcher.until("running")
        assert 0 == typist.cli("cancel", workflow_id, "--wait").returncode
        assert 3 == watcher.wait()
    finally:
        watcher.close()


def test_an_idempotency_key_starts_one_workflow(typist: Typist) -> None:
    """However often it is typed."""
    ids = {typist.cli("start", "add", "-i", "a:=1", "--idempotency-key", "k-1").stdout for _ in range(2)}
    assert 1 == len(ids)


def test_definitions_and_executors_show_what_runs(typist: Typist) -> None:
    """The broken one with its error."""
    listed = typist.cli("definitions").stdout
    assert "broken: " in listed
    assert "add\tfunction\ta: integer" in listed
    assert "serving" in typist.cli("executors").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("start", "ad"), 5, "Did you mean add?"),
        (("start", "add", "-i", "a=two"), 5, "-i a:="),
        (("start", "broken"), 5, "broken"),
        (("show", "nobody"), 5, "lastword list"),
        (("start", "add", "-i", "a"), 2, "-i key=text"),
    ],
    ids=["definition", "inputs", "broken", "workflow", "usage"],
)
def test_bad_input_gets_the_culprit_and_the_remedy(
    typist: Typist, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """From the real server's problems."""
    done = typist.cli(*arguments)
    assert code == done.returncode
    assert said in done.stderr


def test_nobody_at_the_address_is_exit_4(typist: Typist) -> None:
    """Naming the address and what starts a server."""
    done = typist.cli("list", "--url", f"http://127.0.0.1:{free_port()}")
    assert 4 == done.returncode
    assert "lastword up" in done.stderr


def test_ctrl_c_leaves_the_workflow_running(system: System) -> None:
    """Only the watching ends, with the command to come back."""
    watcher = Command(system, "start", "steps", "-i", "count:=400", "--watch")
    try:
        workflow_id = watcher.until("running").split()[1]
        os.kill(watcher.process.pid, signal.SIGINT)
        assert 130 == watcher.wait()
    finally:
        said = watcher.close()
    assert f"lastword watch {workflow_id}" in said
    assert "running" == system.workflow(workflow_id)["status"]
    assert 200 == system.post(f"/workflows/{workflow_id}/cancel").status_code
    system.await_end(workflow_id)


def test_a_watch_outlives_the_edge(system: System, typist: Typist) -> None:
    """Killed mid-run and restarted by its keeper; the watcher hears of the end, and never goes back."""
    workflow_id = system.begin("steps", count=400)
    watcher = Command(system, "watch", workflow_id, "--json")
    try:
        watcher.until('"status":"running"')
        old = system.kill("edge")
        system.until(
            lambda: int(system.run_file["pids"]["edge"]) != old and system._is_ready(), "a new edge", 30
        )
        assert typist.cli("cancel", workflow_id, "--wait").returncode == 0
        assert 3 == watcher.wait()
    finally:
        watcher.close()
    shown = [json.loads(line) for line in watcher.said]
    positions = [one["position"] for one in shown]
    assert positions == sorted(positions)
    assert "cancelled" == shown[-1]["status"]


def test_the_database_is_at_the_newest_revision(typist: Typist) -> None:
    """As `lastword up` left it."""
    before = typist.cli("db", "current")
    assert 0 == before.returncode
    assert before.stdout.strip() in typist.cli("db", "upgrade").stdout


def test_without_a_server_run_json_is_missing_and_the_default_is_named(tmp_path: Path) -> None:
    """Nothing runs in an empty folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LASTWORD")}
    done = subprocess.run(
        [sys.executable, "-m", "lastword", "list", "--json"],
        cwd=tmp_path,
        env={**kept, "LASTWORD_HTTP__PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 4 == done.returncode
    assert "the default" in json.loads(done.stderr)["detail"]


def test_the_installed_command_finds_its_server_and_exits_by_the_end(system: System) -> None:
    """A process as a script starts it, with nothing but the folder to go by."""
    assert 0 == system.cli("start", "add", "-i", "a:=2", "--watch").returncode
    assert 1 == system.cli("start", "raises", "--watch").returncode
