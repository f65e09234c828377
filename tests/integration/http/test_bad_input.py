"""What clients get wrong, by accident or on purpose: a documented answer each, and nobody else notices."""

import asyncio
import gc
import socket as sockets
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.integration.http.conftest import Edge, OpenEdge, next_frame, told, until
from tests.integration.http.test_workflows import GOOD, problem
from tests.unit.http.fakes import World

NO_IDS = ["a%0A", "%2A", "%3E", "a.b", "w%20x", "%00", "x" * 65, "x" * 10_000, "ä"]


async def test_an_unknown_definition_is_answered_with_the_known(edge: Edge) -> None:
    """404, and what could have been asked for."""
    body = problem(
        await edge.client.post("/workflows", json=GOOD | {"definition": "reserch"}), 404, "unknown_definition"
    )
    assert ["research-brief"] == body["known"]
    assert not edge.world.log


@pytest.mark.parametrize(
    ("given", "status", "code", "field"),
    [
        ({"definition": "research-brief", "inputs": {}}, 422, "invalid_inputs", "inputs.topic"),
        ({"inputs": {}}, 422, "invalid_request", ""),
        ({"definition": 7}, 422, "invalid_request", "definition"),
        (GOOD | {"inputs": "text"}, 422, "invalid_request", "inputs"),
        (GOOD | {"tittle": "x"}, 422, "invalid_request", "tittle"),
        ("text", 422, "invalid_request", ""),
    ],
)
async def test_a_body_that_does_not_fit_names_the_field(
    edge: Edge, given: Any, status: int, code: str, field: str
) -> None:
    """422 with the path of each culprit; nothing is started."""
    body = problem(await edge.client.post("/workflows", json=given), status, code)
    assert [field] == [error["field"] for error in body["errors"]]
    assert not edge.world.log


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"\xff\xfe", b'{"definition":"a","inputs":{"a":' + b"[" * 20_000, b'{"definition": "a"} x'],
)
async def test_a_body_that_is_no_json_is_400(edge: Edge, body: bytes) -> None:
    """Whatever the bytes are."""
    headers = {"Content-Type": "application/json"}
    problem(await edge.client.post("/workflows", content=body, headers=headers), 400, "malformed_json")


async def test_a_body_of_another_kind_is_415(edge: Edge) -> None:
    """Forms, which any page may send anywhere, are not read."""
    headers = {"Content-Type": "text/plain"}
    response = await edge.client.post("/workflows", content=b'{"definition": "a"}', headers=headers)
    problem(response, 415, "unsupported_media_type")


async def test_large_bodies_and_inputs_are_413(world: World, open_edge_over: OpenEdge) -> None:
    """The whole body and the inputs have limits of their own; a stream without a length has them too."""
    async with open_edge_over(world, max_body_bytes=2_000, max_inputs_bytes=1_000) as edge:
        fits = GOOD | {"inputs": {"topic": "x" * 900}}
        assert 201 == (await edge.client.post("/workflows", json=fits)).status_code
        body = problem(
            await edge.client.post("/workflows", json=GOOD | {"inputs": {"topic": "x" * 1_100}}),
            413,
            "inputs_too_large",
        )
        assert "inputs" == body["errors"][0]["field"]
        problem(await edge.client.post("/workflows", json=GOOD | {"title": "x" * 3_000}), 413, "too_large")

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b" " * 100

        response = await edge.client.post(
            "/workflows", content=chunks(), headers={"Content-Type": "application/json"}
        )
        problem(response, 413, "too_large")
        assert 1 == len(world.log)


@pytest.mark.parametrize("bad", NO_IDS)
async def test_ids_that_are_no_tokens_name_no_workflow(edge: Edge, bad: str) -> None:
    """No such text reaches a subject: 404 for HTTP and SSE, 4004 for WebSocket."""
    reads = edge.world.reads
    for path in (f"/workflows/{bad}", f"/workflows/{bad}/history", f"/events/workflows/{bad}"):
        response = await edge.client.get(path)
        assert (404, "application/problem+json") == (response.status_code, response.headers["content-type"])
        assert len(response.content) < 600
    assert 404 == (await edge.client.post(f"/workflows/{bad}/cancel")).status_code
    if len(bad) > 8_000:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{edge.ws}/ws/workflows/{bad}")
        assert 414 == refused.value.response.status_code
    else:
        async with connect(f"{edge.ws}/ws/workflows/{bad}") as socket:
            assert ([], 4004) == await told(socket)
    assert reads == edge.world.reads


async def test_unknown_workflows_are_404_and_4004(edge: Edge) -> None:
    """Everywhere the same code."""
    for path in ("", "/history", "/logs", "/result"):
        problem(await edge.client.get(f"/workflows/nobody{path}"), 404, "unknown_workflow")
    for path in ("cancel", "retry", "reconcile"):
        problem(await edge.client.post(f"/workflows/nobody/{path}"), 404, "unknown_workflow")
    problem(await edge.client.get("/events/workflows/nobody"), 404, "unknown_workflow")
    problem(await edge.client.get("/events/workflows?ids=nobody"), 404, "unknown_workflow")
    for path in ("/ws/workflows/nobody", "/ws/workflows/nobody/logs"):
        async with connect(f"{edge.ws}{path}") as socket:
            assert ([], 4004) == await told(socket)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=runing", "status"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("since=yesterday", "since"),
        ("since=2026-01-01T00:00:00", "since"),
        ("until=null", "until"),
        ("limit=1&limit=2", "limit"),
        ("sort=colour", "sort"),
        ("cursor=garbage", "cursor"),
        ("staus=running", "staus"),
        ("q=" + "x" * 300, "q"),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_named(edge: Edge, query: str, field: str) -> None:
    """400, naming it; a misspelt name is not silently left out."""
    body = problem(await edge.client.get(f"/workflows?{query}"), 400, "invalid_parameter")
    assert [field] == [error["field"] for error in body["errors"]]


async def test_addresses_and_methods_that_do_not_exist(edge: Edge) -> None:
    """404, 405 with `Allow`, 426 for a socket's address: problems like all others."""
    problem(await edge.client.get("/nowhere"), 404, "not_found")
    response = await edge.client.put("/workflows/w-1")
    problem(response, 405, "method_not_allowed")
    assert "GET" in response.headers["allow"]
    problem(await edge.client.get("/ws/workflows/w-1"), 426, "upgrade_required")
    with pytest.raises(InvalidStatus):
        await connect(f"{edge.ws}/nowhere")


async def test_a_bug_is_a_problem_without_its_secrets(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 says nothing of what broke; the log does."""

    async def broken(_: str) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(edge.world, "read", broken)
    response = await edge.client.get("/workflows/w-1")
    problem(response, 500, "internal_error")
    assert "secret" not in response.text


@pytest.mark.parametrize("given", ['"a', "W/", "*x", '"a",,"b"', 'W/"otherlog.2.0f"', "," * 5_000])
async def test_garbage_in_if_none_match_matches_nothing(edge: Edge, given: str) -> None:
    """And lists are read: one that names the state gets a 304."""
    edge.world.run("w-1")
    response = await edge.client.get("/workflows/w-1", headers={"If-None-Match": given})
    assert 200 == response.status_code
    listed = f'"x", {response.headers["etag"]}'
    assert 304 == (await edge.client.get("/workflows/w-1", headers={"If-None-Match": listed})).status_code
    assert 304 == (await edge.client.get("/workflows/w-1", headers={"If-None-Match": "*"})).status_code


@pytest.mark.parametrize(
    "message",
    ["{", "[]", '{"type":"dance"}', '{"ids":["w-1"]}', '{"type":"subscribe"}', b"\xff", "[" * 9_000, ""],
)
async def test_messages_that_cannot_be_read_are_answered(edge: Edge, message: str | bytes) -> None:
    """A `problem` frame, and the stream goes on; whoever keeps sending them is closed with 1008."""
    edge.world.run("w-1")
    async with connect(f"{edge.ws}/ws/workflows/w-1") as socket:
        await next_frame(socket, "snapshot")
        await socket.send(message)
        assert "malformed_message" == (await next_frame(socket))["code"]
        edge.world.progress("w-1", 1)
        await next_frame(socket, "progress")
        for _ in range(30):
            await socket.send(message)
        assert 1008 == (await told(socket))[1]


async def test_a_frame_that_is_too_large_is_1009(world: World, open_edge_over: OpenEdge) -> None:
    """The limit is the setting's."""
    world.run("w-1")
    async with (
        open_edge_over(world, max_frame_bytes=1_000) as edge,
        connect(f"{edge.ws}/ws/workflows/w-1") as socket,
    ):
        await socket.send("x" * 1_001)
        assert 1009 == (await told(socket))[1]


async def test_subscriptions_have_a_limit(world: World, open_edge_over: OpenEdge) -> None:
    """Too many ids are refused whole; those that were shown stay."""
    for number in range(5):
        world.run(f"w-{number}")
    async with open_edge_over(world, max_ids_per_stream=3) as edge:
        problem(await edge.client.get("/events/workflows?ids=w-0,w-1,w-2,w-3"), 400, "invalid_parameter")
        problem(await edge.client.get("/events/workflows?ids=a.b"), 400, "invalid_parameter")
        async with connect(f"{edge.ws}/ws/workflows?ids=w-0,w-1,w-2,w-3") as socket:
            assert ([], 4400) == await told(socket)
        async with connect(f"{edge.ws}/ws/workflows?ids=w-0,w-1") as socket:
            await next_frame(socket, "ping")
            await socket.send('{"type":"subscribe","ids":["w-2","w-3"]}')
            assert "too_many_ids" == (await next_frame(socket))["code"]
            await socket.send('{"type":"subscribe","ids":["a.b", "w-2"]}')
            assert "unknown_workflow" == (await next_frame(socket))["code"]
            assert "w-2" == (await next_frame(socket))["workflow"]["id"]


async def test_streams_have_limits_in_all_and_for_one_address(world: World, open_edge_over: OpenEdge) -> None:
    """429 with Retry-After, for SSE and in place of a handshake; a place that is left is free again."""
    world.run("w-1")
    for limits in ({"max_streams": 2}, {"max_streams_per_address": 2}):
        async with open_edge_over(world, **limits) as edge:
            first = await connect(f"{edge.ws}/ws/workflows/w-1")
            async with connect(f"{edge.ws}/ws/workflows/w-1"):
                response = await edge.client.get("/events/workflows/w-1")
                problem(response, 429, "too_many_streams")
                assert "5" == response.headers["retry-after"]
                with pytest.raises(InvalidStatus) as refused:
                    await connect(f"{edge.ws}/ws/workflows/w-1")
                assert 429 == refused.value.response.status_code
                assert "5" == refused.value.response.headers["retry-after"]
            await until(lambda: len(edge.hub.channels) <= 1)
            async with connect(f"{edge.ws}/ws/workflows/w-1") as again:
                assert "hello" == (await next_frame(again))["type"]
            await first.close()


async def test_clients_that_never_read_cost_nothing_and_are_closed(
    world: World, open_edge_over: OpenEdge
) -> None:
    """Twenty do not read three hundred large frames: memory is flat, the others hear all, 4100 follows."""
    world.run("w-1", inputs={"topic": "x" * 20_000})
    async with open_edge_over(world, stall_s=0.3) as edge:
        stalled = [await _silent(edge, "/ws/workflows/w-1") for _ in range(10)]
        stalled += [await _silent(edge, "/events/workflows/w-1") for _ in range(10)]
        async with connect(f"{edge.ws}/ws/workflows/w-1") as reader:
            await next_frame(reader, "snapshot")
            await until(lambda: len(edge.hub.channels) >= 21)
            gc.collect()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            for done in range(1, 301):
                world.progress("w-1", done)
                assert done == (await next_frame(reader, "progress"))["progress"]["done"]
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            assert grown < 20 * 400_000, grown
            await until(lambda: len(edge.hub.channels) <= 1)
            assert 20 == edge.hub.evicted
            world.succeed("w-1")
            assert "success" == (await next_frame(reader, "status"))["workflow"]["status"]
        for peer in stalled:
            peer.close()


async def test_a_slow_client_gets_the_latest_and_the_end(world: World, open_edge_over: OpenEdge) -> None:
    """What it could not take is left out; one snapshot makes up for it, then exactly one end."""
    world.run("w-1", inputs={"topic": "x" * 60_000})
    async with open_edge_over(world) as edge:
        peer = await _silent(edge, "/events/workflows/w-1")
        await until(lambda: edge.hub.channels)
        for done in range(1, 201):
            world.progress("w-1", done)
            await asyncio.sleep(0)
        world.succeed("w-1")
        await asyncio.sleep(0)
        text = b""
        loop = asyncio.get_running_loop()
        while b"event: end" not in text[-2_000:]:
            more = await asyncio.wait_for(loop.sock_recv(peer, 1 << 20), 5)
            assert more, text[-300:]
            text += more
        peer.close()
    assert 1 == text.count(b"event: end")
    assert text.count(b"event: progress") < 200
    assert b'"status":"success"' in text.rpartition(b"event: snapshot")[2]
    assert edge.hub.coalesced >= 1


async def test_clients_that_come_and_vanish_leave_nothing(edge: Edge) -> None:
    """Three hundred connections, broken off at different points: no channel stays, the others are served."""
    edge.world.run("w-1")
    loop = asyncio.get_running_loop()
    async with connect(f"{edge.ws}/ws/workflows/w-1") as reader:
        await next_frame(reader, "snapshot")
        for number in range(300):
            request = _request("/ws/workflows/w-1" if number % 2 else "/events/workflows/w-1")
            peer = _peer(edge)
            await loop.sock_sendall(peer, request[: len(request) if number % 3 else number % len(request)])
            if number % 5 == 0:
                await asyncio.sleep(0)
            peer.close()
        await until(lambda: len(edge.hub.channels) <= 1)
        edge.world.succeed("w-1")
        assert "success" == (await next_frame(reader, "status"))["workflow"]["status"]
    assert 200 == (await edge.client.get("/workflows/w-1")).status_code


async def test_endless_headers_are_431(edge: Edge) -> None:
    """Headers are bounded, on HTTP and in a handshake."""
    loop = asyncio.get_running_loop()
    peer = _peer(edge)
    await loop.sock_sendall(peer, b"GET / HTTP/1.1\r\n" + b"a: " + b"x" * 70_000)
    assert b"HTTP/1.1 431" in await asyncio.wait_for(loop.sock_recv(peer, 1000), 5)
    peer.close()
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{edge.ws}/ws/workflows/w-1", additional_headers={"a": "x" * 9_000})
    assert 431 == refused.value.response.status_code


async def test_slow_headers_are_not_waited_for(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that does not become whole is ended with 408."""
    monkeypatch.setattr("lastword.http.protocols.HEADERS_S", 0.1)
    loop = asyncio.get_running_loop()
    for begun in (b"", b"GET /workflows HTTP/1.1\r\nHost: loc"):
        peer = _peer(edge)
        if begun:
            await loop.sock_sendall(peer, begun)
        assert b"HTTP/1.1 408" in await asyncio.wait_for(loop.sock_recv(peer, 1000), 5)
        assert b"" == await asyncio.wait_for(loop.sock_recv(peer, 1000), 5)
        peer.close()


@pytest.mark.parametrize("to", ["websocket", "h2c"])
async def test_a_body_goes_with_no_upgrade(edge: Edge, to: str) -> None:
    """The parser would lose it: the request is refused, and nothing is started with half of it."""
    headers = {"Connection": "Upgrade", "Upgrade": to}
    response = await edge.client.post("/workflows", json=GOOD, headers=headers)
    assert (400, "bad_request") == (response.status_code, response.json()["code"])
    assert "Upgrade" in response.json()["detail"]
    assert not edge.world.log


def _peer(edge: Edge) -> sockets.socket:
    peer = sockets.create_connection(("127.0.0.1", int(edge.url.rpartition(":")[2])))
    peer.setblocking(False)  # noqa: FBT003
    return peer


def _request(path: str) -> bytes:
    upgrade = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{upgrade if path.startswith('/ws') else ''}\r\n".encode()
    )


async def _silent(edge: Edge, path: str) -> sockets.socket:
    """Open a stream with small buffers, and never read from it."""
    peer = sockets.socket()
    peer.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    peer.setblocking(False)  # noqa: FBT003
    loop = asyncio.get_running_loop()
    await loop.sock_connect(peer, ("127.0.0.1", int(edge.url.rpartition(":")[2])))
    await loop.sock_sendall(peer, _request(path))
    return peer
