"""An edge in a process of its own: stopped, killed and restarted under load, and leaned on by strangers."""

import asyncio
import signal
import socket as sockets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake

from tests.integration.http import clients
from tests.integration.http.clients import Client, Wire
from tests.integration.http.conftest import kinds, next_frame, told
from tests.integration.http.test_hostile import HANDSHAKE
from tests.integration.live.process import EdgeProcess, run_edge_process
from tests.integration.live.stage import Play, Stage, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

WATCHED = 6  # workflows
EACH = 3  # clients of each kind and workflow
KINDS = (clients.one_by_events, clients.one_by_socket, clients.ids_by_events, clients.list_by_socket)
GROWTH_KB = 24_000
"""What a process may grow by for reasons of its allocator; what is piled up at it is many times as much."""


async def test_sigterm_ends_every_stream_with_a_word(stage: Stage, tmp_path: Path) -> None:
    """WebSocket with 4200, SSE with a last event that names the place and a clean end; the process with 0."""
    play = await stage.play("drained").run()
    async with run_edge_process(stage, tmp_path) as edge:
        opened = [await connect(f"{edge.ws}/ws/workflows/{play.id}") for _ in range(20)]
        for socket in opened:
            await next_frame(socket, "snapshot")
        listening = [asyncio.create_task(_read_all(edge, f"/events/workflows/{play.id}")) for _ in range(20)]
        await until(lambda: _streams(edge, 40))
        asked_at = time.monotonic()
        stopping = asyncio.create_task(edge.stop())
        over_sockets = [await told(socket) for socket in opened]
        over_events = await asyncio.gather(*listening)  # raises where a chunked answer ends without its end
        took_s = time.monotonic() - asked_at
        assert 0 == await stopping
    assert [4200] * 20 == [code for _, code in over_sockets]
    assert ["hello", "snapshot"] == kinds(over_events[0])
    assert {("ping", f"{play.lease}")} == {
        (frames[-1]["type"], frames[-1]["_id"].partition(":")[2]) for frames in over_events
    }
    assert took_s < 2.0  # 0.3 s on a machine that does nothing else


async def test_a_restart_under_load_loses_nobodys_truth(stage: Stage, tmp_path: Path) -> None:
    """Stopped and killed by turns while workflows move: every client ends with the truth, told forwards."""
    plays = [await stage.play("loaded").run() for _ in range(WATCHED)]
    async with run_edge_process(stage, tmp_path) as edge:
        watching = [
            (Client(play.id, play.title), wire) for play in plays for wire in KINDS for _ in range(EACH)
        ]
        async with asyncio.timeout(200), asyncio.TaskGroup() as following:
            for client, wire in watching:
                following.create_task(_follow(client, wire, edge))
            await until(lambda: _streams(edge, len(watching)))
            moving = following.create_task(_move(plays))
            for sent in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
                await asyncio.sleep(0.2)  # under way, not synchronised with anything
                await edge.stop(sent)
                await edge.start()
            await moving
            for play in plays:
                await play.end()
        truth = {play.id: (await edge.client.get(f"/workflows/{play.id}")).json() for play in plays}
    assert {"success"} == {workflow["status"] for workflow in truth.values()}
    for client, _ in watching:
        assert (truth[client.id], 1) == (client.workflow, client.ends)


async def test_memory_is_flat_whoever_connects(stage: Stage, tmp_path: Path) -> None:
    """Clients that never read, and a minute's thousand that come and vanish; a bystander hears everything."""
    play = stage.play("leant-on")
    await play.submit(topic="x" * 60_000)
    await play.claim()
    async with run_edge_process(stage, tmp_path, stall_s="1") as edge:
        async with connect(f"{edge.ws}/ws/workflows/{play.id}", max_size=None) as bystander:
            await next_frame(bystander, "snapshot")
            _come_and_vanish(edge, play.id, 200)  # what is made once is made now
            before_kb = edge.rss_kb
            silent = [
                _open(edge, path, read=False)
                for path in (f"/ws/workflows/{play.id}", f"/events/workflows/{play.id}", "/events/workflows")
                for _ in range(8)
            ]
            await until(lambda: _streams(edge, 25))
            for done in range(1, 121):  # 7 MB a client, far more than the kernel takes
                await play.progress(done)
                assert done == (await next_frame(bystander, "progress"))["revision"]
            for _ in range(10):
                await asyncio.to_thread(_come_and_vanish, edge, play.id, 100)
                await play.beat()
            await until(lambda: _has_only(edge, 1))
            grown_kb = edge.rss_kb - before_kb
            await play.end()
            assert "success" == (await next_frame(bystander, "status"))["workflow"]["status"]
            assert 24 == await _gauge(edge, "lastword_edge_evicted_total")
        for peer in silent:
            peer.close()
    assert grown_kb < GROWTH_KB


async def _follow(client: Client, wire: Wire, edge: EdgeProcess) -> None:
    """Follow to the end, whatever happens to the edge."""
    while not client.ends:
        try:
            async for frame in wire(client, edge):
                client.take(frame)
                if frame["type"] == "end":
                    return
        except (clients.NotNow, httpx.TransportError, InvalidHandshake, OSError, EOFError):
            await asyncio.sleep(0.25)  # as a client waits before it tries again


async def _move(plays: list[Play]) -> None:
    """Let workflows get further, in turns."""
    for done in range(1, 20):
        for play in plays:
            await play.progress(done)
        await asyncio.sleep(0.1)


def _open(edge: EdgeProcess, path: str, *, read: bool) -> sockets.socket:
    peer = sockets.socket()
    if not read:
        peer.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    peer.connect(("127.0.0.1", int(edge.url.rpartition(":")[2])))
    upgrade = HANDSHAKE if path.startswith("/ws") else ""
    peer.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n".encode())
    return peer


def _come_and_vanish(edge: EdgeProcess, workflow_id: str, count: int) -> None:
    """Connect so many times, ask, and be gone, now and then without waiting for a word."""
    for number in range(count):
        wire = "ws" if number % 2 else "events"
        peer = _open(edge, f"/{wire}/workflows/{workflow_id}", read=True)
        if number % 3:
            peer.recv(64)
        peer.close()


async def _read_all(edge: EdgeProcess, path: str) -> list[dict[str, Any]]:
    found: AsyncIterator[dict[str, Any]] = clients.events(edge.client, path)
    return [frame async for frame in found]


async def _gauge(edge: EdgeProcess, name: str) -> float:
    lines = (await edge.client.get("/metrics")).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


async def _streams(edge: EdgeProcess, count: int) -> bool:
    return await _gauge(edge, "lastword_edge_streams") >= count


async def _has_only(edge: EdgeProcess, count: int) -> bool:
    return await _gauge(edge, "lastword_edge_admitted") == count
