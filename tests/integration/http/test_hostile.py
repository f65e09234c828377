"""Clients that mean harm: what they send piles up nowhere, and they are shown the door."""

import asyncio
import socket as sockets

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from lastword.contracts.messages import Reply, Start
from lastword.http.protocols import IDLE_FRAMES, EdgeWebSocket
from tests.integration.http.conftest import Edge, OpenEdge, next_frame, told, until
from tests.unit.http.fakes import World

HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
MASK = b"\0\0\0\0"  # leaves what is masked as it is


def frame(opcode: int, payload: bytes = b"", *, last: bool = True, masked: bool = True) -> bytes:
    """Return a frame of up to 125 bytes (RFC 6455, section 5.2): a client's, or, not masked, a server's."""
    head = bytes((opcode | (0x80 if last else 0), (0x80 if masked else 0) | len(payload)))
    return head + (MASK if masked else b"") + payload


async def dial(edge: Edge, request: bytes) -> sockets.socket:
    """Connect with small buffers, and ask."""
    peer = sockets.socket()
    peer.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    peer.setblocking(False)  # noqa: FBT003  its only argument
    loop = asyncio.get_running_loop()
    await loop.sock_connect(peer, ("127.0.0.1", int(edge.url.rpartition(":")[2])))
    await loop.sock_sendall(peer, request)
    return peer


async def shake_hands(edge: Edge, path: str) -> sockets.socket:
    """Open a stream by hand."""
    upgrade = HANDSHAKE if path.startswith("/ws") else ""
    peer = await dial(edge, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n".encode())
    await until(lambda: edge.hub.channels)
    return peer


async def read_to_the_end(peer: sockets.socket) -> bytes:
    """Return everything until the other side closes."""
    loop, text = asyncio.get_running_loop(), b""
    while more := await asyncio.wait_for(loop.sock_recv(peer, 65_536), 10):
        text += more
    return text


async def until_told(peer: sockets.socket, what: bytes) -> None:
    """Return once the other side has said `what`."""
    loop, text = asyncio.get_running_loop(), b""
    while what not in text:
        more = await asyncio.wait_for(loop.sock_recv(peer, 65_536), 10)
        assert more, text
        text += more


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let any number of frames say nothing, as a client may that takes its time over them."""
    monkeypatch.setattr("lastword.http.protocols.IDLE_FRAMES", 10**9)


@pytest.mark.usefixtures("patient")
async def test_answers_to_pings_do_not_pile_up(edge: Edge) -> None:
    """A client that asks for ever and never reads is answered as far as it reads, and no further."""
    edge.world.run("w-1")
    with await shake_hands(edge, "/ws/workflows/w-1") as peer:
        (connection,) = edge.server.server_state.connections
        pings = frame(0x9, b"x" * 125) * 500
        held = 0
        for _ in range(200):  # 13 MB
            await asyncio.get_running_loop().sock_sendall(peer, pings)
            held = max(held, connection.transport.get_write_buffer_size())
    assert held < 400_000


@pytest.mark.usefixtures("patient")
async def test_parts_of_a_message_do_not_pile_up(edge: Edge) -> None:
    """Empty parts count towards no length: however many come, one is held, and the message is taken."""
    edge.world.run("w-1")
    loop = asyncio.get_running_loop()
    with await shake_hands(edge, "/ws/workflows/w-1") as peer:
        (connection,) = edge.server.server_state.connections
        assert isinstance(connection, EdgeWebSocket)
        await loop.sock_sendall(peer, frame(0x1, b"{", last=False))
        for _ in range(20):
            await loop.sock_sendall(peer, frame(0x0, last=False) * 500)
        await loop.sock_sendall(peer, frame(0x0, b"x", last=False) + frame(0x9))
        await until_told(peer, frame(0xA, masked=False))
        assert [b"{x"] == connection.frames
        await loop.sock_sendall(peer, frame(0x0, b"}"))
        await until_told(peer, b"malformed_message")
        assert [] == connection.frames


@pytest.mark.parametrize("idle", [(0x9, True), (0xA, True), (0x0, False)], ids=["pings", "pongs", "parts"])
async def test_frames_that_say_nothing_are_1008_where_they_are_many(
    edge: Edge, idle: tuple[int, bool]
) -> None:
    """A thousand in a second are taken, more are shown the door; the number of parts has no other bound."""
    edge.world.run("w-1")
    opcode, last = idle
    with await shake_hands(edge, "/ws/workflows/w-1") as peer:
        flood = frame(0x1, last=False) + frame(opcode, last=last) * (IDLE_FRAMES + 1)
        await asyncio.get_running_loop().sock_sendall(peer, flood)
        told = await read_to_the_end(peer)
    assert told.endswith((1008).to_bytes(2, "big") + b"too many frames that say nothing")


async def test_a_message_that_grows_beyond_the_limit_is_1009(world: World, open_edge_over: OpenEdge) -> None:
    """In parts as well, each of which is within it."""
    world.run("w-1")
    async with (
        open_edge_over(world, max_frame_bytes=1_000) as edge,
        connect(f"{edge.ws}/ws/workflows/w-1") as socket,
    ):
        await socket.send(["x" * 600, "x" * 600])
        assert 1009 == (await told(socket))[1]


@pytest.mark.parametrize(
    "path", ["/ws/workflows/w-1/logs", "/events/workflows/w-1/logs", "/ws/workflows", "/events/workflows"]
)
async def test_whoever_never_reads_is_closed_on_every_stream(
    world: World, open_edge_over: OpenEdge, path: str
) -> None:
    """Also where lines are read at the client's own pace: it does not hold its place for ever."""
    world.run("w-1", inputs={"topic": "x" * 20_000})
    async with open_edge_over(world, stall_s=0.3, ping_s=0.5) as edge:
        with await shake_hands(edge, path):
            for number in range(400):
                world.say("w-1", "y" * 8_000)
                world.progress("w-1", number)
                await asyncio.sleep(0)
            await until(lambda: edge.hub.evicted)
            while "lastword_edge_admitted 0.0" not in (await edge.client.get("/metrics")).text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_a_body_that_never_comes_is_408(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for headers: who promises a body must send it."""
    monkeypatch.setattr("lastword.http.protocols.HEADERS_S", 0.1)
    begun = b"POST /workflows HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
    with await dial(edge, begun) as peer:
        answer = await read_to_the_end(peer)
    assert answer.startswith(b"HTTP/1.1 408")
    assert 1 == answer.count(b"HTTP/1.1")
    assert not edge.world.log


async def test_one_too_many_costs_no_reading(world: World, open_edge_over: OpenEdge) -> None:
    """A flood of streams that are refused leaves the log alone."""
    world.run("w-1")
    async with (
        open_edge_over(world, max_streams=1) as edge,
        connect(f"{edge.ws}/ws/workflows/w-1") as socket,
    ):
        await next_frame(socket, "snapshot")
        edge.hub.lost()  # so that memory is no answer
        reads = world.reads
        for _ in range(5):
            assert 429 == (await edge.client.get("/events/workflows/w-1")).status_code
            assert 429 == (await edge.client.get("/events/workflows?ids=w-1")).status_code
            with pytest.raises(InvalidStatus):
                await connect(f"{edge.ws}/ws/workflows/w-1")
        assert reads == world.reads


async def test_a_proxy_that_cuts_leaves_the_place(edge: Edge) -> None:
    """Cut in the middle of an event, the client has the id of the last whole one, and misses nothing."""
    edge.world.submit("w-1")
    loop, text = asyncio.get_running_loop(), b""
    with await dial(edge, b"GET /events/workflows/w-1 HTTP/1.1\r\nHost: localhost\r\n\r\n") as peer:
        while b"event: snapshot" not in text:
            text += await asyncio.wait_for(loop.sock_recv(peer, 4_096), 10)
        edge.world.claim("w-1")
        while b"event: status" not in text:
            text += await asyncio.wait_for(loop.sock_recv(peer, 64), 10)
    edge.world.succeed("w-1")
    # Of the status the id and the kind have come, and not the data: no client takes that for an event.
    whole = text.replace(b"\r\n", b"\n").rpartition(b"\n\n")[0]
    last_id = whole.rpartition(b"id: ")[2].partition(b"\n")[0].decode()
    got = [frame async for frame in edge.frames("/events/workflows/w-1", **{"Last-Event-ID": last_id})]
    assert ["running", "success"] == [frame["workflow"]["status"] for frame in got if "workflow" in frame]
    assert "end" == got[-1]["type"]


@pytest.mark.parametrize(
    "behind", [frame(0x8), frame(0x3), b"\0" * 9], ids=["goodbye", "reserved", "unmasked"]
)
async def test_a_client_that_leaves_in_its_handshake_leaves_no_error(
    edge: Edge, behind: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What it sends before it is accepted ends it, and nobody is there to be told anything."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def read(_workflow_id: str) -> None:
        asked.set()
        await gone.wait()

    monkeypatch.setattr(edge.world, "read", read)
    request = f"GET /ws/workflows/w-1 HTTP/1.1\r\nHost: localhost\r\n{HANDSHAKE}\r\n".encode()
    with await dial(edge, request) as peer:
        await asked.wait()
        (connection,) = edge.server.server_state.connections
        await asyncio.get_running_loop().sock_sendall(peer, behind)
        await until(connection.transport.is_closing)
        gone.set()
        await read_to_the_end(peer)
    await until(lambda: not edge.server.server_state.tasks)
    assert [] == [record.getMessage() for record in caplog.records]


async def test_more_commands_than_are_taken_at_once_are_503(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words, undone, and when to ask again; whoever only looks is not kept waiting."""
    monkeypatch.setattr("lastword.http.gate.COMMANDS", 2)
    start, asked, freed = edge.world.start, list[Start](), asyncio.Event()

    async def wait(command: Start) -> Reply:
        asked.append(command)
        await freed.wait()
        return await start(command)

    monkeypatch.setattr(edge.world, "start", wait)

    async def post() -> httpx.Response:
        body = {"definition": "research-brief", "inputs": {"topic": "tides"}}
        return await edge.client.post("/workflows", json=body)

    waiting = [asyncio.create_task(post()) for _ in range(2)]
    await until(lambda: len(asked) == 2)
    refused = await post()
    assert (503, "overloaded") == (refused.status_code, refused.json()["code"])
    assert 1 <= int(refused.headers["retry-after"]) <= 10
    assert 200 == (await edge.client.get("/definitions")).status_code
    freed.set()
    assert [201, 201] == [(await one).status_code for one in waiting]
    assert 201 == (await post()).status_code
    assert 3 == len(asked)


async def test_one_connection_too_many_is_told_so(edge: Edge) -> None:
    """Before there is no descriptor left, not even for NATS; streams that are open go on."""
    edge.world.run("w-1")
    edge.server.config.limit_concurrency = 2
    with await shake_hands(edge, "/events/workflows/w-1"):
        with await dial(edge, b"GET /workflows/w-1 HTTP/1.1\r\nHost: localhost\r\n\r\n") as peer:
            answer = await read_to_the_end(peer)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"overloaded" in answer
        assert b"retry-after: 5" in answer
    await until(lambda: not edge.server.server_state.connections)
    assert 200 == (await edge.client.get("/workflows/w-1")).status_code
