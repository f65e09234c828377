"""A real nats-server for a test, a proxy that breaks what passes through it, and things to send."""

import asyncio
import os
import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from lastword.bus import Bus, BusSettings, EmbeddedServer, open_bus
from lastword.bus.accounts import Credentials
from lastword.contracts.events import Succeeded
from lastword.contracts.messages import Report
from lastword.contracts.permissions import User, inbox
from lastword.contracts.records import Record
from lastword.contracts.statuses import Status
from tests.cluster.nodes import NatsCluster

__all__ = [
    "AT",
    "ClusterServer",
    "Collected",
    "LoneServer",
    "NatsServer",
    "Proxy",
    "make_record",
    "make_report",
    "run_cluster",
    "run_server",
]

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WITHIN_S = 20.0  # far more than anything here takes, far less than the test's own limit

T = TypeVar("T")


class Collected(list[T], Generic[T]):
    """A list that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._grown = asyncio.Event()

    def add(self, item: T) -> None:
        """Append, and wake whoever waits."""
        self.append(item)
        self._grown.set()

    async def reach(self, count: int) -> "Collected[T]":
        """Return when there are `count` items."""
        return await self.until(lambda items: len(items) >= count)

    async def until(self, enough: "Callable[[Collected[T]], bool]") -> "Collected[T]":
        """Return when `enough` says so of the list."""
        async with asyncio.timeout(WITHIN_S):
            while not enough(self):
                self._grown.clear()
                await self._grown.wait()
        return self


class NatsServer(ABC):
    """A server or a cluster, and what tests do to it."""

    replicas: ClassVar[int]
    """How many copies of a stream it can keep."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it listens, every node of it."""

    @property
    @abstractmethod
    def port(self) -> int:
        """Where it listens; of a cluster, the first node."""

    @property
    @abstractmethod
    def credentials(self) -> Credentials:
        """Its users."""

    def settings(self, user: str = "actor", **given: Any) -> BusSettings:
        """Return the settings of a user; `nobody` gives no credentials."""
        fields: dict[str, Any] = {"url": self.url, "replicas": self.replicas, **given}
        if user != "nobody":
            login = getattr(self.credentials, user)
            fields |= {"user": login.user, "password": login.password}
        return BusSettings(**fields)

    def open(self, user: str = "actor", name: str = "test", **given: Any) -> AbstractAsyncContextManager[Bus]:
        """Connect as a user, with the inbox that is its own."""
        prefix = inbox(User(user)) if user in set(User) else "_INBOX"
        return open_bus(self.settings(user, **given), name=name, inbox_prefix=prefix)

    async def crash(self) -> None:
        """End it as a power cut would, every node of it, and start it again."""
        self.kill()
        await self.start()

    @abstractmethod
    async def start(self) -> None:
        """Start it where it does not run, and return when it serves."""

    @abstractmethod
    def kill(self) -> None:
        """End it as a power cut would."""

    @abstractmethod
    def wipe(self) -> None:
        """Lose everything that is stored, after it was killed; users stay."""

    @abstractmethod
    def freeze(self) -> None:
        """Stop it in its tracks."""

    @abstractmethod
    def thaw(self) -> None:
        """Let it go on."""


class LoneServer(NatsServer):
    """The embedded server."""

    replicas: ClassVar[int] = 1

    def __init__(self, embedded: EmbeddedServer, folder: Path) -> None:
        self.embedded = embedded
        self._folder = folder

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.embedded.url

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.embedded.port

    @property
    def credentials(self) -> Credentials:
        """Its users."""
        return self.embedded.credentials

    async def start(self) -> None:
        """Start it, at the port that it had."""
        await self.embedded.start()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.embedded.kill()

    def wipe(self) -> None:
        """Lose the store."""
        shutil.rmtree(self._folder / "nats" / "jetstream")

    def freeze(self) -> None:
        """Stop it in its tracks."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, sent: signal.Signals) -> None:
        assert self.embedded.pid is not None
        os.kill(self.embedded.pid, sent)


class ClusterServer(NatsServer):
    """Three nodes, each stream on all of them."""

    replicas: ClassVar[int] = 3

    def __init__(self, cluster: NatsCluster) -> None:
        self.cluster = cluster

    @property
    def url(self) -> str:
        """Where each node listens."""
        return self.cluster.url

    @property
    def port(self) -> int:
        """Where the first node listens."""
        return self.cluster.nodes[0].port

    @property
    def credentials(self) -> Credentials:
        """Its users."""
        return self.cluster.credentials

    async def start(self) -> None:
        """Start the nodes that do not run; whoever shares our loop goes on meanwhile."""
        self.cluster.launch()
        await asyncio.to_thread(self.cluster.await_ready)

    def kill(self) -> None:
        """End every node."""
        self.cluster.kill()

    def wipe(self) -> None:
        """Lose every node's store."""
        self.cluster.wipe()

    def freeze(self) -> None:
        """Stop every node."""
        self.cluster.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self.cluster.signal(signal.SIGCONT)


@asynccontextmanager
async def run_server(folder: Path, **given: Any) -> AsyncGenerator[LoneServer, None]:
    """Run a lone server on a free port with its data in `folder`."""
    embedded = EmbeddedServer(_settings({"port": 0, **given}), folder)
    await embedded.start()
    server = LoneServer(embedded, folder)
    try:
        yield server
    finally:
        if embedded.is_running:
            server.thaw()
        await embedded.stop()


@asynccontextmanager
async def run_cluster(folder: Path) -> AsyncGenerator[ClusterServer, None]:
    """Run three nodes on free ports with their data in `folder`."""
    server = ClusterServer(NatsCluster(folder))
    try:
        await server.start()
        yield server
    finally:
        server.cluster.stop()


class Proxy:
    """A TCP proxy before a server, which can cut, freeze, and lose single messages to clients."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0
        self.lose: Callable[[bytes, bytes], bool] = _lose_nothing
        """Says of a message, by its protocol line and its body, whether it gets lost."""

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"nats://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def open(self) -> "AsyncGenerator[Proxy, None]":
        """Pass on until the block is left."""
        await self.listen()
        try:
            yield self
        finally:
            self.thaw()
            await self.cut()

    async def listen(self) -> None:
        """Accept connections, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End every connection, and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def freeze(self) -> None:
        """Pass nothing on, either way, and end nothing: a cable that was pulled."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Pass on what has piled up."""
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, up_writer}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._upwards(reader, up_writer))
                tasks.create_task(self._downwards(up_reader, writer))
        except* (OSError, EOFError):
            pass
        finally:
            for end in (writer, up_writer):
                self._open.discard(end)
                end.transport.abort()

    async def _upwards(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            await self._flowing.wait()
            writer.write(chunk)
            await writer.drain()
        raise EOFError

    async def _downwards(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            body = b""
            if head.startswith((b"MSG ", b"HMSG ")):
                body = await reader.readexactly(int(head.split()[-1]) + 2)
                if self.lose(head, body):
                    continue
            await self._flowing.wait()
            writer.write(head + body)
            await writer.drain()
        raise EOFError


def _settings(fields: dict[str, Any]) -> BusSettings:
    return BusSettings(**fields)


def _lose_nothing(_head: bytes, _body: bytes) -> bool:
    return False


def make_record(workflow_id: str = "w-1", version: int = 1, *, event: str = "", **given: Any) -> Record:
    """Return the record of a workflow's `version`-th status: pending, running, success."""
    statuses = (None, Status.PENDING, Status.RUNNING, Status.SUCCESS)
    fields: dict[str, Any] = {
        "id": workflow_id,
        "status": statuses[version],
        "at": AT,
        "version": version,
        "definition": "research-brief",
        "previous": statuses[version - 1],
        "cause": (None, "submitted", "claimed", "succeeded")[version],
        "actor": "test",
        "event": event or f"{workflow_id}-{version}",
        "created_at": AT,
    }
    return Record(**(fields | given))


def make_report(workflow_id: str = "w-1", number: int = 1) -> Report:
    """Return a report that the workflow has succeeded under the lease `number`."""
    event = Succeeded(lease=number, finished_at=AT)
    return Report(id=workflow_id, event=event, event_id=f"{workflow_id}-{number}", actor="host-1", at=AT)
