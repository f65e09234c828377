"""The whole system under tokens: made and revoked while it runs, and nowhere to be read afterwards."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from lastword.cli import invoke
from tests.integration.backends import Backend
from tests.integration.system.harness import System

BOOT = "bootstrap-secret-0123456789"
SPILLED = re.compile(r"lw_[0-9a-z]{8}_[A-Za-z0-9_-]{20,}")


@pytest.fixture
def guarded(tmp_path: Path, backend: Backend) -> Iterator[System]:
    """Give a system with an operator's token, not started."""
    system = backend.system(tmp_path, LASTWORD_HTTP__TOKEN=BOOT, LASTWORD_LOG__LEVEL="debug")
    try:
        yield system
        assert [] == system.logged("bus.permission_denied")
    finally:
        system.destroy()


@pytest.mark.timeout(120)
def test_tokens_come_and_go_while_it_runs_and_leave_no_trace(
    guarded: System, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new one works and a revoked one does not within seconds; no log and no list shows any."""

    def told(*arguments: str) -> str:
        assert 0 == invoke(["auth", *arguments], guarded.environ, guarded.folder)
        return capsys.readouterr().out

    def answered(code: int) -> bool:
        return code == guarded.get("/summary", headers=headers).status_code

    guarded.start()
    token = told("create", "ci", "--role", "operator", "--expires", "1h").strip()
    headers = {"Authorization": f"Bearer {token}"}
    guarded.until(lambda: answered(200), "the new token to work", 10.0)
    refused = httpx.post(f"{guarded.url}/workflows/none/cancel", headers=headers, timeout=10)
    assert 404 == refused.status_code
    address = f"{guarded.url.replace('http', 'ws')}/ws/workflows"
    with connect(address, additional_headers=headers) as socket:
        assert "revoked" in told("revoke", "ci")
        with pytest.raises(ConnectionClosed):
            list(socket)
        assert 4001 == socket.close_code
    assert answered(401)
    httpx.get(f"{guarded.url}/workflows", params={"token": token}, timeout=5)
    httpx.post(f"{guarded.url}/session", json={"token": token}, timeout=5)
    listed = told("list", "--all")
    assert "revoked" in listed
    assert 0 == guarded.stop()
    secrets = [BOOT, token, *guarded.nats_secrets]
    for text in (listed, *(path.read_text("utf-8") for path in guarded.logs)):
        assert not [secret for secret in secrets if secret in text]
        assert not SPILLED.search(text)
    assert token not in str(guarded.sql("SELECT * FROM tokens"))
    assert not any(token.encode() in path.read_bytes() for path in guarded.data.glob("lastword.db*"))
    trail = {(line["action"], line["by"], line["outcome"]) for line in guarded.logged("audit.recorded")}
    assert ("cancelWorkflow", "ci", 404) in trail
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
