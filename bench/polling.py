"""What a GET of a watched workflow costs, with authentication and metrics on, against bare ASGI.

The floor is an ASGI function of two lines on the same server, which answers every request with the very
bytes and headers that the edge sends.  Counted is the processor time of the serving process; the requests
come from a process of their own, over a few connections that are kept alive.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any, Final, cast

import httpx
import uvicorn
import uvloop

from bench.apart import SPAWN, apart
from bench.edges import open_bare_edge, workflow_ids
from bench.figures import Ratio, ratio

__all__ = ["measure_polling"]

CONNECTIONS: Final = 16
REQUESTS: Final = 20_000
TOKEN: Final = "a-token-of-the-bench"  # noqa: S105  of a server that lives for a second


async def measure_polling(rounds: int) -> list[Ratio]:
    """Return the ratios for 200 and for 304."""
    rows: list[Ratio] = []
    for fresh in (False, True):
        costs = [(await apart(answer_barely, fresh), await apart(answer, fresh)) for _ in range(rounds)]
        rows.append(
            ratio(
                f"GET, {304 if fresh else 200}",
                "µs",
                [ours * 1e6 for _, ours in costs],
                [floor * 1e6 for floor, _ in costs],
                less_is_better=True,
            )
        )
    return rows


async def answer(fresh: bool) -> float:  # noqa: FBT001  passed by position between processes
    """Return the processor seconds of one answer of the edge."""
    async with open_bare_edge(1, token=TOKEN) as (_, port):
        shown = await _ask(port)
        return await _measure(port, _request(shown.headers["etag"] if fresh else None))


async def answer_barely(fresh: bool) -> float:  # noqa: FBT001
    """Return the processor seconds of one answer of a bare ASGI function."""
    async with open_bare_edge(1, token=TOKEN) as (_, port):
        shown = await _ask(port)
        told = await _ask(port, shown.headers["etag"]) if fresh else shown
    headers = [(n, v) for n, v in told.headers.raw if n.lower() not in {b"date", b"server"}]
    body = told.content

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": told.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async with _served(app) as port:
        return await _measure(port, _request(shown.headers["etag"] if fresh else None))


@asynccontextmanager
async def _served(app: Any) -> AsyncGenerator[int, None]:
    config = uvicorn.Config(
        app, port=0, lifespan="off", log_config=None, access_log=False, server_header=False, loop="none"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


def _path() -> str:
    (workflow_id,) = workflow_ids(1)
    return f"/workflows/{workflow_id}"


def _request(etag: str | None) -> bytes:
    condition = f"If-None-Match: {etag}\r\n" if etag else ""
    return (
        f"GET {_path()} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
        f"Authorization: Bearer {TOKEN}\r\n{condition}\r\n"
    ).encode()


async def _ask(port: int, etag: str | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {TOKEN}", **({"if-none-match": etag} if etag else {})}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        return await client.get(_path(), headers=headers)


async def _measure(port: int, request: bytes) -> float:
    """Return the processor seconds of one answer, of this process."""
    loop = asyncio.get_running_loop()
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=ask_often, args=(port, request, theirs))
    process.start()
    await loop.run_in_executor(None, ours.recv)  # each connection has had an answer
    begun = time.process_time()
    ours.send("go")
    await loop.run_in_executor(None, ours.recv)
    spent = time.process_time() - begun
    await loop.run_in_executor(None, process.join)
    return spent / REQUESTS


class _Asker(asyncio.Protocol):
    """Sends a request after each answer."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._left = 0
        self._size = 0
        self._heard = 0
        self.answered = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time, to learn how long an answer is."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count an answer once all of it has come; they all have the same length."""
        self._heard += len(data)
        if not self._size:
            self._size = self._heard
        if self._heard < self._size:
            return
        self._heard = 0
        if self._left:
            self._left -= 1
            self._transport.write(self._request)
        elif not self.answered.done():
            self.answered.set_result(None)

    def ask(self, times: int) -> None:
        """Ask that many times, one after the other."""
        self.answered = asyncio.get_running_loop().create_future()
        self._left = times - 1
        self._transport.write(self._request)


def ask_often(port: int, request: bytes, pipe: Connection) -> None:
    """Be all clients."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        askers = [
            (await loop.create_connection(lambda: _Asker(request), "127.0.0.1", port))[1]
            for _ in range(CONNECTIONS)
        ]
        await asyncio.gather(*(asker.answered for asker in askers))
        pipe.send("ready")
        await loop.run_in_executor(None, pipe.recv)
        for asker in askers:
            asker.ask(REQUESTS // CONNECTIONS)
        await asyncio.gather(*(asker.answered for asker in askers))
        pipe.send("done")

    uvloop.run(run())
