"""The whole system under tokens: made and revoked while it runs, and nowhere to be read afterwards."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.integration.system.harness import System

BOOT = "bootstrap-secret-0123456789"
SPILLED = re.compile(r"lw_[0-9a-z]{8}_[A-Za-z0-9_-]{20,}")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[System]:
    """Give a system with an operator's token, not started."""
    system = System(tmp_path, LASTWORD_HTTP__TOKEN=BOOT, LASTWORD_LOG__LEVEL="debug")
    try:
        yield system
        assert [] == system.logged("bus.permission_denied")
    finally:
        system.destroy()


def test_tokens_come_and_go_while_it_runs_and_leave_no_trace(guarded: System) -> None:
    """A new one works and a revoked one does not within seconds; no log and no list shows any."""
    guarded.start()
    made = guarded.cli("auth", "create", "ci", "--role", "operator", "--expires", "1h")
    assert 0 == made.returncode, made.stderr
    token = made.stdout.strip()
    headers = {"Authorization": f"Bearer {token}"}

    def answered(code: int) -> bool:
        return code == guarded.get("/summary", headers=headers).status_code

    guarded.until(lambda: answered(200), "the new token to work", 10.0)
    boot = {"Authorization": f"Bearer {BOOT}"}
    guarded.until(lambda: "add" in guarded.get("/definitions", headers=boot).text, "the definition add", 20.0)
    body = {"definition": "add", "inputs": {"a": 1}}
    started = httpx.post(f"{guarded.url}/workflows", json=body, headers=headers, timeout=10)
    assert (201, "ci") == (started.status_code, started.json()["started_by"])
    address = f"{guarded.url.replace('http', 'ws')}/ws/workflows"
    with connect(address, additional_headers=headers) as socket:
        revoked = guarded.cli("auth", "revoke", "ci")
        assert 0 == revoked.returncode, revoked.stderr
        with pytest.raises(ConnectionClosed):
            list(socket)
        assert 4001 == socket.close_code
    assert answered(401)
    httpx.get(f"{guarded.url}/workflows", params={"token": token}, timeout=5)
    httpx.post(f"{guarded.url}/session", json={"token": token}, timeout=5)
    listed = guarded.cli("auth", "list", "--all")
    assert "revoked" in listed.stdout
    assert 0 == guarded.stop()
    credentials = json.loads((guarded.data / "nats" / "credentials.json").read_text("utf-8"))
    secrets = [BOOT, token, *(password for _, password in credentials.values())]
    told = [guarded.folder / "up.log", guarded.data / "nats" / "nats.log", guarded.data / "run.json"]
    for text in (listed.stdout, *(path.read_text("utf-8") for path in told if path.exists())):
        assert not [secret for secret in secrets if secret in text]
        assert not SPILLED.search(text)
    stored = b"".join(path.read_bytes() for path in guarded.data.glob("lastword.db*"))
    assert token.encode() not in stored
    trail = {(line["action"], line["by"], line["outcome"]) for line in guarded.logged("audit.recorded")}
    assert ("startWorkflow", "ci", 201) in trail
    assert ("signIn", "anonymous", 401) in trail


def test_nothing_is_started_beyond_loopback_without_a_token(tmp_path: Path) -> None:
    """The start ends with one line that names the remedy, and nothing left running."""
    system = System(tmp_path, LASTWORD_HTTP__HOST="0.0.0.0")  # noqa: S104  it is refused
    try:
        ended = system.cli("up", limit_s=60)
        assert 1 == ended.returncode
        assert "LASTWORD_HTTP__TOKEN" in ended.stdout
        assert "Traceback" not in ended.stdout + ended.stderr
        assert [] == system.leftovers()
    finally:
        system.destroy()
