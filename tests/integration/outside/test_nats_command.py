"""The official `nats` command, as the viewer and as the operator: what docs/reference/nats.md shows."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.integration.outside.conftest import find_program, run
from tests.integration.system.harness import System

NATS = find_program("nats")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NATS is None, reason="there is no `nats`: `make` builds it where Go is at hand"),
]


class Person:
    """Somebody at a terminal."""

    def __init__(self, system: System, folder: Path, *options: str) -> None:
        self._folder = folder
        self.command = (str(NATS), "-s", system.nats_url, *options)

    def ask(self, *arguments: str) -> tuple[int, str]:
        """Run a command to its end; return its exit code and all that it wrote."""
        done = subprocess.run(
            [*self.command, "--timeout", "2s", *arguments],
            env={"HOME": str(self._folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stdout


@pytest.fixture
def stranger(system: System, tmp_path: Path) -> Person:
    """Give somebody without credentials: the viewer."""
    return Person(system, tmp_path)


@pytest.fixture
def someone(system: System, operator: tuple[str, str], tmp_path: Path) -> Person:
    """Give the operator."""
    user, password = operator
    return Person(
        system, tmp_path, "--user", user, "--password", password, "--inbox-prefix", "_INBOX_operator"
    )


def test_anyone_may_listen(system: System, stranger: Person, tmp_path: Path) -> None:
    """`nats sub` tells the statuses of a workflow, the terminal one last."""
    with run(*stranger.command, "sub", "lastword.status.>", folder=tmp_path) as listener:
        listener.until(lambda line: "Subscribing on lastword.status.>" in line)  # it is about to
        workflow_id = system.begin("steps", count=10, each_s=0.05)
        told = [record["status"] for record in listener.records(workflow_id, "success")]
        assert told == ["pending", "running", "success"][-len(told) :]


def test_a_viewer_moves_nothing(system: System, stranger: Person) -> None:
    """Neither by a status of its own making, nor by a command; the server says so."""
    workflow_id = system.begin("steps", count=20, each_s=0.1)
    system.await_status(workflow_id, "running")
    forged = json.dumps({"id": workflow_id, "status": "failed"})
    for arguments in (
        ("pub", f"lastword.status.{workflow_id}", forged),
        ("pub", f"lastword.log.{workflow_id}", forged),
        ("req", "lastword.command.cancel", json.dumps({"id": workflow_id})),
    ):
        code, said = stranger.ask(*arguments)
        assert "ermissions" in said or code != 0
        assert "accepted" not in said
    assert "success" == system.await_end(workflow_id)["status"]


def test_an_operator_commands_and_looks(system: System, someone: Person) -> None:
    """Start, cancel, the services, streams, their messages and their consumers."""
    start = {"definition": "steps", "inputs": {"count": 600, "each_s": 0.1}, "started_by": "ada"}
    code, said = someone.ask("req", "--raw", "lastword.command.start", json.dumps(start))
    assert 0 == code, said
    workflow_id = json.loads(said)["accepted"]["record"]["id"]
    system.await_status(workflow_id, "running")
    code, said = someone.ask("req", "--raw", "lastword.command.cancel", json.dumps({"id": workflow_id}))
    assert "cancelling" == json.loads(said)["accepted"]["record"]["status"]
    assert "cancelled" == system.await_end(workflow_id)["status"]
    code, said = someone.ask("micro", "ls")
    assert "lastword-supervisor" in said
    assert "lastword-auditor" in said
    assert "lastword.command.start" in someone.ask("micro", "info", "lastword-supervisor")[1]
    assert "cancel" in someone.ask("micro", "stats", "lastword-supervisor")[1]
    last = ("stream", "get", "LASTWORD_LOG", "--last-for", f"lastword.log.{workflow_id}")
    code, said = someone.ask(*last)
    assert 0 == code, said
    assert '"status":"cancelled"' in said
    assert "LASTWORD_REPORT" in someone.ask("stream", "ls")[1]
    assert "LASTWORD_LOG" in someone.ask("stream", "info", "LASTWORD_LOG")[1]
    assert "supervisor-0" in someone.ask("consumer", "ls", "LASTWORD_REPORT")[1]


def test_an_operator_may_not_write(system: System, someone: Person) -> None:
    """The log has one writer, and nobody takes anything away."""
    before = someone.ask("stream", "info", "LASTWORD_LOG", "--json")[1]
    for arguments in (
        ("pub", "lastword.log.x", "{}"),
        ("stream", "purge", "LASTWORD_LOG", "--force"),
        ("stream", "rm", "LASTWORD_LOG", "--force"),
    ):
        code, said = someone.ask(*arguments)
        assert "ermissions" in said or code != 0
    after = someone.ask("stream", "info", "LASTWORD_LOG", "--json")[1]
    assert json.loads(before)["state"]["last_seq"] == json.loads(after)["state"]["last_seq"]
