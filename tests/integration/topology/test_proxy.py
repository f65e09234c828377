"""nginx as Debian has it, with the configuration that the deployment mounts, before edges that tell tales."""

import asyncio
import base64
import hashlib
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
from websockets.asyncio.client import connect

from lastword.http.settings import HttpSettings
from tests.topology.certificates import make_certificates
from tests.topology.compose import PLAIN, ROOT, WITH_TLS, File, read_compose
from tests.topology.container import Container
from tests.topology.layout import Block, Room, take_block

GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of RFC 6455
SPOOFED: Final = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
JSON: Final = b"Content-Type: application/json\r\n"


class Teller:
    """An edge that tells what it was sent, or does what a path names."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[str] = []
        self.go_on = asyncio.Event()
        """Lets a stream say its second word."""

    @asynccontextmanager
    async def open(self, address: str) -> AsyncGenerator[None, None]:
        """Listen until the block is left."""
        server = await asyncio.start_server(self._serve, address, 8484)
        async with server:
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        method, path, _ = asked.split()
        self.asked.append(f"{method} {path}")
        if path.startswith("/events/"):
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: 1\n\n"
            )
            await writer.drain()
            await self.go_on.wait()
            writer.write(b"data: 2\n\n")
        elif path.startswith("/ws/"):
            digest = hashlib.sha1(f"{headers['sec-websocket-key']}{GUID}".encode()).digest()  # noqa: S324  the RFC's
            accept = base64.b64encode(digest).decode()
            upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            told = json.dumps({"upgrade": headers["upgrade"], "for": headers["x-forwarded-for"]}).encode()
            frame = bytes((0x81, len(told))) + told
            writer.write(f"HTTP/1.1 101 Switching Protocols\r\n{upgrade}".encode() + frame)
            await writer.drain()
            await reader.read(100)  # the client says that it goes, or goes
        elif path != "/die":
            body = json.dumps({"edge": self.name, "headers": headers}).encode()
            length = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            status = b"503 Busy" if path == "/busy" else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\r\n" + JSON + length + body)
        await writer.drain()


class Stage:
    """The proxy and two edges."""

    def __init__(self, block: Block, tls: ssl.SSLContext | None) -> None:
        self.edges = [Teller("edge-1"), Teller("edge-2")]
        self.block = block
        self.address = block.address("proxy")
        scheme, port = ("https", 8443) if tls is not None else ("http", 8080)
        self.url = f"{scheme}://{self.address}:{port}"
        self.tls = tls
        verify = tls if tls is not None else False
        self.client = httpx.AsyncClient(base_url=self.url, trust_env=False, verify=verify, timeout=10)

    @property
    def asked(self) -> list[str]:
        """All that the edges were asked."""
        return [one for edge in self.edges for one in edge.asked]

    async def first_answer(self, path: str) -> httpx.Response:
        """Return the answer once the proxy listens."""
        async with asyncio.timeout(20):
            while True:
                try:
                    return await self.client.get(path)
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)

    async def headers(self, path: str = "/x", **rest: Any) -> dict[str, str]:
        """Return the headers that an edge was sent."""
        answer = await self.client.get(path, **rest)
        assert answer.status_code == 200, answer.text
        found: dict[str, str] = answer.json()["headers"]
        return found


@asynccontextmanager
async def staged(
    folder: Path, files: tuple[str, ...] = PLAIN, *, living: int = 2, limit: int | None = None
) -> AsyncGenerator[Stage, None]:
    """Run the proxy of these files before `living` edges, with `limit` connections to an address."""
    compose = read_compose(files)
    block = take_block()
    tls = None
    if files == WITH_TLS:
        await asyncio.to_thread(make_certificates, folder / "secrets", block.address("proxy"))
        secrets = {name: File(str(folder / "secrets" / name)) for name in compose.secrets}
        compose = msgspec.structs.replace(compose, secrets=secrets)
        tls = ssl.create_default_context(cafile=folder / "secrets" / "ca.pem")
    room = Room("proxy", compose.services["proxy"], compose, block, folder / "proxy")
    if limit is not None:
        path = room.path("/etc/nginx/lastword/server.conf")
        text = path.read_text("utf-8")
        assert "per_address 2000;" in text
        path.write_text(text.replace("per_address 2000;", f"per_address {limit};"), "utf-8")
    container = Container(room)
    stage = Stage(block, tls)
    async with AsyncExitStack() as stack:
        stack.callback(block.release)
        for edge in stage.edges[:living]:
            await stack.enter_async_context(edge.open(block.address(edge.name)))
        stack.push_async_callback(stage.client.aclose)
        stack.push_async_callback(container.close, grace_s=5.0)
        await container.start()
        if living:
            await container.works()
        for edge in stage.edges:
            edge.asked.clear()
        yield stage


async def test_an_edge_hears_who_asks_and_not_what_they_claim(tmp_path: Path) -> None:
    """The address is the connection's, the host is the one that was asked for; both edges have a share."""
    async with staged(tmp_path) as stage:
        heard = await stage.headers(headers={**SPOOFED, "Host": "lastword.example.com:8080"})
        assert ("127.0.0.1", "http") == (heard["x-forwarded-for"], heard["x-forwarded-proto"])
        assert "lastword.example.com:8080" == heard["host"]
        for _ in range(9):
            await stage.headers()
        assert all(edge.asked for edge in stage.edges)


async def test_events_are_passed_on_as_they_are_said(tmp_path: Path) -> None:
    """The first arrives while the second is not yet said."""
    async with staged(tmp_path) as stage, stage.client.stream("GET", "/events/workflows") as stream:
        lines = stream.aiter_lines()
        assert "data: 1" == await anext(lines)
        for edge in stage.edges:
            edge.go_on.set()
        assert ["", "data: 2", ""] == [line async for line in lines]


async def test_a_socket_is_a_socket(tmp_path: Path) -> None:
    """It is upgraded, and the edge hears whose it is."""
    async with (
        staged(tmp_path) as stage,
        connect(stage.url.replace("http", "ws") + "/ws/workflows") as socket,
    ):
        assert {"upgrade": "websocket", "for": "127.0.0.1"} == json.loads(await socket.recv())


async def test_a_dead_edge_costs_nobody_an_answer(tmp_path: Path) -> None:
    """What was not taken is given to the other; what may have been done is not done twice."""
    async with staged(tmp_path, living=1) as stage:
        for _ in range(6):
            await stage.headers()
            assert 200 == (await stage.client.post("/workflows", json={})).status_code
        stage.edges[0].asked.clear()
    async with staged(tmp_path / "both") as stage:
        answer = await stage.client.post("/die", json={})
        assert 503 == answer.status_code
        assert ["POST /die"] == stage.asked


async def test_where_no_edge_answers_the_proxy_speaks_as_one(tmp_path: Path) -> None:
    """A problem with a code that clients know, and when to come back; an edge's own 503 is passed on."""
    async with staged(tmp_path, living=0) as stage:
        answer = await stage.first_answer("/workflows")
        assert (503, "1") == (answer.status_code, answer.headers["Retry-After"])
        assert "application/problem+json" == answer.headers["Content-Type"]
        assert ("unavailable", 503) == (answer.json()["code"], answer.json()["status"])
    async with staged(tmp_path / "busy") as stage:
        answer = await stage.client.get("/busy")
        assert (503, 1) == (answer.status_code, len(stage.asked))
        assert "headers" in answer.json()


async def test_one_address_has_so_many_connections_and_no_more(tmp_path: Path) -> None:
    """Two thousand; here two, since that many take long to open."""
    async with staged(tmp_path, limit=2) as stage, AsyncExitStack() as streams:
        opened = [
            await streams.enter_async_context(stage.client.stream("GET", "/events/workflows"))
            for _ in range(2)
        ]
        assert [200, 200] == [stream.status_code for stream in opened]
        refused = await stage.client.get("/events/workflows")
        assert (429, "5") == (refused.status_code, refused.headers["Retry-After"])
        assert "too_many_streams" == refused.json()["code"]
        for edge in stage.edges:
            edge.go_on.set()


async def test_metrics_are_nobody_elses_business(tmp_path: Path) -> None:
    """Prometheus asks the edges themselves."""
    async with staged(tmp_path) as stage:
        assert 404 == (await stage.client.get("/metrics")).status_code
        assert 413 == (await stage.client.post("/workflows", content=b"x" * 300_000)).status_code
        assert [] == stage.asked


async def test_tls_ends_at_the_proxy(tmp_path: Path) -> None:
    """The edge is told that it was there, the browser not to do without; plain HTTP leads to it."""
    async with staged(tmp_path, WITH_TLS) as stage:
        answer = await stage.client.get("/x", headers=SPOOFED)
        assert ("https", "127.0.0.1") == tuple(
            answer.json()["headers"][f"x-forwarded-{name}"] for name in ("proto", "for")
        )
        assert "max-age=31536000" == answer.headers["Strict-Transport-Security"]
        async with connect(stage.url.replace("http", "ws") + "/ws/x", ssl=stage.tls) as socket:
            assert "websocket" == json.loads(await socket.recv())["upgrade"]
        led = await stage.client.get(f"http://{stage.address}:8080/ui/?x=1", headers={"Host": "example.com"})
        assert (308, "https://example.com/ui/?x=1") == (led.status_code, led.headers["Location"])


def test_silence_is_borne_longer_than_streams_are_silent() -> None:
    """Edges ping every 15 seconds; a proxy that waits for less cuts every quiet stream."""
    text = (ROOT / "deploy" / "nginx" / "server.conf").read_text("utf-8")
    for place in ("/events/", "/ws/"):
        block = text.partition(f"location {place} {{")[2].partition("}")[0]
        assert "proxy_read_timeout 75s;" in block
    assert 75.0 >= 3 * HttpSettings().ping_s
