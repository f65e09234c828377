"""Health: a role that works says so, and one that hangs, is gone or is cut off is told from it."""

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from lastword.cli import invoke
from lastword.cli.exits import Exit
from lastword.http.settings import HttpSettings
from lastword.wiring.health import TOO_OLD_S, ask_edge, look_at, showing_health

READY: Final[Mapping[str, object]] = {"status": 200}
NOT_YET: Final[Mapping[str, object]] = {"status": 503, "detail": "The feed is not current."}


async def until_shown(path: Path) -> None:
    """Return when a sign has been written."""
    async with asyncio.timeout(20):
        while not path.exists():  # noqa: ASYNC110, ASYNC240  a thread writes it, to a disk that is at hand
            await asyncio.sleep(0.01)


async def test_a_role_that_works_is_seen_to_work(tmp_path: Path) -> None:
    """While it runs, and no longer than that; each role for itself."""
    async with showing_health("auditor", tmp_path, lambda: None):
        await until_shown(tmp_path / "health" / "auditor.json")
        assert look_at("auditor", tmp_path) is None
        assert f"no supervisor works with the data folder {tmp_path}" == look_at("supervisor", tmp_path)
    assert f"no auditor works with the data folder {tmp_path}" == look_at("auditor", tmp_path)


async def test_one_that_is_cut_off_does_not_work(tmp_path: Path) -> None:
    """Its process is well; what it is for, it cannot do."""
    async with showing_health("executor", tmp_path, lambda: "cannot reach NATS"):
        await until_shown(tmp_path / "health" / "executor.json")
        assert (look_at("executor", tmp_path) or "").endswith(") cannot reach NATS")


async def test_one_that_hangs_does_not_work(tmp_path: Path) -> None:
    """A sign of long ago is none, and neither is one of another life of the host."""
    path = tmp_path / "health" / "executor.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"pid": 7, "at_s": 1_000.0}))
    assert look_at("executor", tmp_path, now_s=1_000.0 + TOO_OLD_S / 2) is None
    late = look_at("executor", tmp_path, now_s=1_000.0 + 2 * TOO_OLD_S)
    assert "the executor (process 7) has given no sign of life for 20 s" == late
    assert look_at("executor", tmp_path, now_s=5.0) is not None
    path.write_text("{")
    assert "cannot be read" in (look_at("executor", tmp_path) or "")


async def test_a_role_does_its_work_where_it_cannot_write(tmp_path: Path) -> None:
    """What it is for matters more than being seen; a file in the folder's place is as bad as it gets."""
    (tmp_path / "health").write_text("in the way")
    async with showing_health("auditor", tmp_path, lambda: None):
        await asyncio.sleep(0)
    assert look_at("auditor", tmp_path) is not None


class Edge(http.server.BaseHTTPRequestHandler):
    """Answers as an edge does."""

    says: Mapping[str, object] = READY

    def do_GET(self) -> None:
        """Answer the one question."""
        assert "/health/ready" == self.path
        self.send_response(int(str(self.says["status"])))
        self.end_headers()
        self.wfile.write(json.dumps(self.says).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """Return the port of an edge that answers what `Edge.says`."""
    with http.server.HTTPServer(("127.0.0.1", 0), Edge) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_an_edge_is_asked(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the address that it is bound to, or this host's where it is bound to all; the exit code tells."""
    everywhere = HttpSettings(host="0.0.0.0", port=port)  # noqa: S104  nothing is bound
    assert ask_edge(everywhere) is None
    environ = {"LASTWORD_HTTP__PORT": str(port)}
    assert Exit.SUCCESS == invoke(["health", "edge"], environ, tmp_path)
    assert "the edge works\n" == capsys.readouterr().out
    monkeypatch.setattr(Edge, "says", NOT_YET)
    assert Exit.UNREACHABLE == invoke(["health", "edge"], environ, tmp_path)
    assert "the edge is not ready: The feed is not current.\n" == capsys.readouterr().err
    assert Exit.UNREACHABLE == invoke(["health", "edge"], {"LASTWORD_HTTP__PORT": "1"}, tmp_path)
    assert "does not answer on 127.0.0.1 port 1" in capsys.readouterr().err
    assert Exit.UNREACHABLE == invoke(["health", "executor"], environ, tmp_path)
