"""Many clients of one server, in a process of their own: they connect, read, and count bytes."""

import asyncio
import multiprocessing
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import cast

import uvloop

__all__ = ["crowd", "stream_request"]

AT_ONCE = 100  # connections being opened


def stream_request(kind: str, workflow_id: str) -> bytes:
    """Return what opens a stream of one workflow; `raw` is the floor's, which answers anything."""
    if kind == "raw":
        return b"x"
    upgrade = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        if kind == "ws"
        else ""
    )
    path = f"/{'ws' if kind == 'ws' else 'events'}/workflows/{workflow_id}"
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n".encode()


@asynccontextmanager
async def crowd(port: int, requests: Sequence[bytes]) -> AsyncGenerator[None, None]:
    """Keep a client for each of `requests` connected while the block runs."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_attend, args=(port, requests, theirs))
    loop = asyncio.get_running_loop()
    process.start()
    try:
        await loop.run_in_executor(None, ours.recv)
        yield
    finally:
        ours.send("go")
        await loop.run_in_executor(None, process.join)


class _Sink(asyncio.Protocol):
    def __init__(self, request: bytes) -> None:
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)  # uvloop's transports are no subclasses


def _attend(port: int, requests: Sequence[bytes], pipe: Connection) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        for start in range(0, len(requests), AT_ONCE):
            some = requests[start : start + AT_ONCE]
            await asyncio.gather(
                *(loop.create_connection(partial(_Sink, one), "127.0.0.1", port) for one in some)
            )
        pipe.send("connected")
        await loop.run_in_executor(None, pipe.recv)

    uvloop.run(run())
