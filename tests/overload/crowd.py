"""Many clients of one edge: idle ones, deaf ones, and ten thousand that want something at once."""

import asyncio
import json
import re
import secrets
import socket
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

__all__ = ["Answers", "deaf_clients", "idle_clients", "submit"]

HANDSHAKE: Final = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
AT_ONCE: Final = 100  # connections being opened
RETRY_AFTER: Final = re.compile(rb"(?i)\r\nretry-after: (\d+)")
WITHIN_S: Final = 120.0


class Answers(NamedTuple):
    """What became of many requests."""

    started: list[str]
    """Ids of the workflows that were accepted."""
    refused: Counter[int]
    """Refusals by status; 0 where the kernel ended the connection, whose queue was full."""
    unasked: int
    """Refusals that did not say when to ask again."""


async def _dial(port: int, *, receive_bytes: int | None = None) -> socket.socket:
    peer = socket.socket()
    if receive_bytes is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    peer.setblocking(False)  # noqa: FBT003  its only argument
    await asyncio.get_running_loop().sock_connect(peer, ("127.0.0.1", port))
    return peer


def _upgrade(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{HANDSHAKE}\r\n".encode()


@asynccontextmanager
async def idle_clients(port: int, path: str, count: int) -> AsyncGenerator[list[socket.socket], None]:
    """Keep so many WebSockets open that say nothing; raise where one is not accepted."""
    loop = asyncio.get_running_loop()
    peers: list[socket.socket] = []

    async def join() -> None:
        peer = await _dial(port)
        peers.append(peer)
        await loop.sock_sendall(peer, _upgrade(path))
        head = await asyncio.wait_for(loop.sock_recv(peer, 65_536), WITHIN_S)
        assert head.startswith(b"HTTP/1.1 101"), head[:200]

    try:
        for start in range(0, count, AT_ONCE):
            await asyncio.gather(*(join() for _ in range(min(AT_ONCE, count - start))))
        yield peers
    finally:
        for peer in peers:
            peer.close()


@asynccontextmanager
async def deaf_clients(port: int, path: str, count: int) -> AsyncGenerator[list[socket.socket], None]:
    """Open so many WebSockets whose clients never read, and have as little room for what they do not read."""
    loop = asyncio.get_running_loop()
    peers: list[socket.socket] = []
    try:
        for _ in range(count):
            peer = await _dial(port, receive_bytes=4_096)
            peers.append(peer)
            await loop.sock_sendall(peer, _upgrade(path))
        yield peers
    finally:
        for peer in peers:
            peer.close()


async def submit(port: int, bodies: Sequence[dict[str, Any]], *, tries: int = 1) -> Answers:
    """Ask for all of these workflows at once, each over a connection of its own.

    Who is refused asks again when he was told to, `tries` times in all, and by its key for the same workflow.
    """
    answers = Answers([], Counter(), 0)
    unasked = 0

    async def ask(body: dict[str, Any]) -> None:
        nonlocal unasked
        key = secrets.token_hex(16)
        for _ in range(tries):
            status, headers, answer = await _post(port, json.dumps(body).encode(), key)
            if status in {200, 201}:
                answers.started.append(str(json.loads(answer)["id"]))
                return
            answers.refused[status] += 1
            found = RETRY_AFTER.search(headers)
            unasked += found is None and status != 0
            await asyncio.sleep(int(found[1]) if found else 1)

    await asyncio.gather(*map(ask, bodies))
    return answers._replace(unasked=unasked)


async def _post(port: int, body: bytes, key: str) -> tuple[int, bytes, bytes]:
    head = (
        "POST /workflows HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: {key}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    loop, text = asyncio.get_running_loop(), b""
    try:
        with await _dial(port) as peer:
            await loop.sock_sendall(peer, head.encode() + body)
            while more := await asyncio.wait_for(loop.sock_recv(peer, 65_536), WITHIN_S):
                text += more
    except (OSError, TimeoutError):
        return 0, b"", b""
    headers, _, rest = text.partition(b"\r\n\r\n")
    return (int(headers.split(b" ", 2)[1]) if headers else 0), headers, rest
