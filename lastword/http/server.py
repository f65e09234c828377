"""Running the edge inside a loop that others share.

uvicorn's own shutdown waits for open streams for ever, or ends the application's resources before them.  Here
the hub is drained first: each stream gets its last frame and its end, and only then the rest goes.
"""

import asyncio
import contextlib
import errno
import resource
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import uvicorn

from lastword.http.access import check_bind
from lastword.http.hub import Hub
from lastword.http.protocols import EdgeHttp, EdgeWebSocket
from lastword.http.settings import HttpSettings

__all__ = ["CannotBind", "EdgeServer", "open_edge", "serve_edge"]

BACKLOG = 4_096  # connections that may wait while the loop is busy; Linux's own limit by default


RESERVED: Final = 128  # descriptors for NATS, the database and files: connections must not take them all


class CannotBind(Exception):
    """The address cannot be listened on."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        if error.errno == errno.EADDRINUSE:
            text = (
                f"port {port} on {host} is in use: stop what listens there "
                "(is `lastword up` running already?), "
                "or choose another by LASTWORD_HTTP__PORT (0 takes a free one)"
            )
        elif error.errno == errno.EACCES:
            text = f"port {port} on {host} is the system's: choose one above 1023 by LASTWORD_HTTP__PORT"
        else:
            text = f"cannot listen on {host} port {port}: {error}; check LASTWORD_HTTP__HOST"
        super().__init__(text)
        self.host = host
        self.port = port


class EdgeServer(uvicorn.Server):
    """uvicorn, drained before it stops, and leaving signals to whoever owns the process."""

    def __init__(
        self,
        app: Any,
        *,
        hub: Hub,
        settings: HttpSettings,
        listening: socket.socket | None = None,
        has_tokens: bool = False,
    ) -> None:
        """Take a bound socket, if there is one; raise `InsecureBind` where strangers could command.

        `has_tokens` says that there are others than the settings' own.
        """
        check_bind(settings, has_tokens=has_tokens)
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                http=EdgeHttp,
                ws=EdgeWebSocket,
                ws_max_size=settings.max_frame_bytes,
                ws_per_message_deflate=False,  # it halves the throughput and costs 35 KB a connection
                ws_ping_interval=None,  # the hub's own pings, and the kernel, find dead peers
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.trusted_proxies),  # else anyone could name any address
                forwarded_allow_ips=list(settings.trusted_proxies),
                timeout_keep_alive=30,
                backlog=BACKLOG,
                limit_concurrency=_places(),
            )
        )
        self._hub = hub
        self._settings = settings
        self._asked = asyncio.Event()
        self._socket = listening

    def bind(self) -> str:
        """Take the port, unless one was given; return the server's address. Raises `CannotBind`."""
        if self._socket is None:
            self._socket = _take_port(self._settings.host, self._settings.port)
        return self.url

    @property
    def url(self) -> str:
        """The address by which this host reaches the edge."""
        if self._socket is None:
            raise RuntimeError("bind first")
        host, port = self._settings.host, int(self._socket.getsockname()[1])
        if host in {"0.0.0.0", "::"}:  # noqa: S104  a comparison
            host = "127.0.0.1"
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{port}"

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Leave signals alone."""
        yield

    def stop(self) -> None:
        """Ask the server to drain and end."""
        self.should_exit = True
        self._asked.set()

    async def run_until_stopped(self) -> None:
        """Serve until `stop`, or until cancelled; either way the streams are drained."""
        self.bind()
        taken = [self._socket] if self._socket is not None else None
        serving = asyncio.create_task(self.serve(sockets=taken), name="edge server")
        clock = asyncio.create_task(self._hub.keep_time(), name="edge clock")
        try:
            await asyncio.wait({serving, clock}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.stop()
            await asyncio.wait({serving})
            clock.cancel()
            await asyncio.wait({clock})
        for task in (serving, clock):  # a clock that has crashed must not go unnoticed
            if not task.cancelled():
                task.result()

    async def main_loop(self) -> None:
        """Renew the `Date` header and look for overdue requests every second, until asked to stop."""
        loop = asyncio.get_running_loop()
        while not self.should_exit:
            await self.on_tick(0)
            now = loop.time()
            for connection in tuple(self.server_state.connections):
                if isinstance(connection, EdgeHttp):  # here, since a timer for each would cost as much as it
                    connection.look(now)
            try:
                async with asyncio.timeout(1.0):
                    await self._asked.wait()
            except TimeoutError:
                pass

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, end every stream with a proper last frame, and give the rest a moment."""
        for server in self.servers:
            server.close()
        for taken in sockets or []:
            taken.close()
        self._hub.drain()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.drain_s
        for connection in list(self.server_state.connections):
            if not isinstance(connection, EdgeWebSocket):  # those have their close frame
                connection.shutdown()
        while self.server_state.connections and loop.time() < until:  # noqa: ASYNC110  uvicorn has no event
            await asyncio.sleep(0.01)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()
        if self.server_state.tasks:
            await asyncio.wait(list(self.server_state.tasks), timeout=1.0)


@asynccontextmanager
async def open_edge(
    app: Any, *, hub: Hub, settings: HttpSettings, listening: socket.socket | None = None
) -> AsyncGenerator[EdgeServer, None]:
    """Serve `app` while the block runs; yields the server once it listens (see `EdgeServer.url`)."""
    server = EdgeServer(app, hub=hub, settings=settings, listening=listening)
    server.bind()
    serving = asyncio.create_task(server.run_until_stopped(), name="edge")
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110  uvicorn has no event
            await asyncio.sleep(0.005)
        yield server
    finally:
        server.stop()
        await asyncio.wait({serving})
    serving.result()


async def serve_edge(
    app: Any,
    *,
    hub: Hub,
    settings: HttpSettings,
    listening: socket.socket | None = None,
    started: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
    has_tokens: bool = False,
) -> None:
    """Serve `app` until `stop` is set, or until cancelled; `started` is told the address once it listens.

    Raises `InsecureBind` and `CannotBind`, whose messages name the remedy.
    """
    server = EdgeServer(app, hub=hub, settings=settings, listening=listening, has_tokens=has_tokens)
    url = server.bind()
    serving = asyncio.create_task(server.run_until_stopped(), name="edge")
    asked = asyncio.create_task((stop or asyncio.Event()).wait(), name="edge stop")
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110  uvicorn has no event
            await asyncio.sleep(0.005)
        if started is not None and server.started:
            started(url)
        await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()
        server.stop()
        await asyncio.wait({serving, asked})
    serving.result()


def _places() -> int | None:
    """Return how many connections may be open, so that one more can be told so."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if allowed == resource.RLIM_INFINITY else max(allowed - RESERVED, 1)


def _take_port(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        taken.listen(BACKLOG)  # a port that another one listens on is refused here at the latest
    except OSError as error:
        taken.close()
        raise CannotBind(host, port, error) from error
    return taken
