"""The system under test: real processes, on one NATS node and SQLite or on three and PostgreSQL."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, Literal

import httpx

from lastword.bus import BusSettings
from lastword.bus.accounts import Credentials, read_credentials
from lastword.contracts.permissions import User
from lastword.storage import upgrade
from tests.chaos import clocks, disks, hosts
from tests.chaos.clocks import Clock
from tests.chaos.disks import Disk
from tests.chaos.hosts import Host
from tests.chaos.link import Link
from tests.chaos.places import Place
from tests.chaos.plan import ACTORS, Cast
from tests.cluster.nodes import free_ports, prepare_nodes
from tests.integration.postgres import PrivatePostgres, private_postgres

__all__ = ["Backend", "Deployment", "Edge", "deploy"]

PROJECT: Final = Path(__file__).with_name("project")
Backend = Literal["single", "cluster"]


class Edge:
    """Where an edge is; it comes back at the same port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.AsyncClient(
            base_url=self.url,
            trust_env=False,
            verify=False,  # noqa: S501  it speaks no TLS, and a context costs 20 ms
            timeout=10,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )

    @property
    def ws(self) -> str:
        """The address for WebSocket."""
        return self.url.replace("http", "ws", 1)


class Deployment:
    """What runs."""

    def __init__(self, folder: Path, cast: Cast, postgres: PrivatePostgres | None, database: str) -> None:
        self.folder = folder
        self.cast = cast
        self.postgres = postgres
        self.database = database
        """Its URL."""
        self.credentials: Credentials = read_credentials(folder / "users")
        self.places: dict[str, Place] = {}
        self.links: dict[str, list[Link]] = {}
        """By executor: its way to each node."""
        self.hosts: dict[str, Host] = {}
        """By executor: what it runs on, where it has one of its own."""
        self.disks: dict[str, Disk] = {}
        """By place, and that of the `database`."""
        self.clocks: dict[str, Clock] = {}
        self.edges: list[Edge] = []
        self.nats_ports: list[int] = []

    @property
    def nats_url(self) -> str:
        """Every node, directly."""
        return _urls(self.nats_ports)

    def bus_settings(self, user: User) -> BusSettings:
        """Return how to connect as a user."""
        name, password = self.credentials.of(user)
        return BusSettings(
            url=self.nats_url,
            user=name,
            password=password,
            replicas=self.cast.nodes,
            request_timeout_s=2.0,
        )

    def add_nodes(self) -> None:
        """Prepare the NATS servers."""
        for node in prepare_nodes(self.folder, self.credentials, self.cast.nodes):
            self.nats_ports.append(node.port)
            self._add(node.name, node.command, {}, ready="Server is ready")

    async def add_actors(self, stack: AsyncExitStack) -> None:
        """Prepare two of each actor; executors reach NATS over links of their own."""
        library = clocks.build(self.folder) if self.cast.clocks else None
        for role in ACTORS:
            for name in self.cast.named(role):
                command = [sys.executable, "-m", "lastword", "run", role]
                environ = self._environ(name, User(role))
                if library is not None:
                    self.clocks[name] = Clock(library, self.folder / f"{name}.clock")
                    environ |= self.clocks[name].environ
                if role == "executor":
                    inside, environ["LASTWORD_BUS__URL"] = await self._lead_to_nats(stack, name)
                    command = [*inside, *command]
                elif role == "auditor":
                    user, password = self.credentials.system
                    urls = [f"nats://{user}:{password}@127.0.0.1:{port}" for port in self.nats_ports]
                    environ["LASTWORD_BUS__SYSTEM_URL"] = ",".join(urls)
                elif role == "edge":
                    edge = Edge(free_ports(1)[0])
                    stack.push_async_callback(edge.client.aclose)
                    self.edges.append(edge)
                    environ["LASTWORD_HTTP__PORT"] = str(edge.port)
                self._add(
                    name,
                    command,
                    environ,
                    ready=f'"{role}.ready"',
                    numbered="LASTWORD_EXECUTOR__NAME" if role == "executor" else None,
                )

    async def _lead_to_nats(self, stack: AsyncExitStack, name: str) -> tuple[Sequence[str], str]:
        """Open an executor's links; return what goes before its command, and the links' URLs."""
        inside: Sequence[str] = ()
        address = "127.0.0.1"
        if self.cast.hosts:
            host = self.hosts[name] = await stack.enter_async_context(Host().open())
            inside, address = host.inside, host.address
        links = [Link(port, address) for port in self.nats_ports]
        self.links[name] = [await stack.enter_async_context(link.open()) for link in links]
        return inside, _urls([link.port for link in links], address)

    def named(self, role: str) -> list[Place]:
        """Return the places of a role."""
        return [place for name, place in self.places.items() if name.startswith(f"{role}-")]

    async def start(self, *roles: str) -> None:
        """Start everything of these roles, and return when it works."""
        places = [place for role in roles for place in self.named(role)]
        for place in places:
            place.start()
        await asyncio.gather(*(place.ready() for place in places))

    async def close(self) -> None:
        """End everything, the servers last."""
        for roles in (("edge", "auditor", "executor", "supervisor"), ("nats",)):
            await asyncio.gather(*(place.close() for role in roles for place in self.named(role)))

    def _add(
        self,
        name: str,
        command: list[str],
        environ: Mapping[str, str],
        *,
        ready: str,
        numbered: str | None = None,
    ) -> None:
        self.places[name] = Place(name, command, self.folder, environ, ready=ready, numbered=numbered)

    def _environ(self, name: str, user: User) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("LASTWORD")}
        login, password = self.credentials.of(user)
        return {
            **kept,
            "LASTWORD_CONFIG": str(self.folder / "lastword.toml"),
            "LASTWORD_DATA_DIR": str(self.folder / name),
            "LASTWORD_BUS__URL": self.nats_url,
            "LASTWORD_BUS__USER": login,
            "LASTWORD_BUS__PASSWORD": password,
            "LASTWORD_BUS__REPLICAS": str(self.cast.nodes),
            "LASTWORD_STORAGE__URL": self.database,
            "LASTWORD_HTTP__PING_S": "5",
            "LASTWORD_LOG__FORMAT": "json",
        }


@asynccontextmanager
async def deploy(backend: Backend, folder: Path) -> AsyncGenerator[Deployment, None]:
    """Run everything in `folder`, an absolute path, until the block is left."""
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
    cast = Cast(
        nodes=3 if backend == "cluster" else 1,
        postgres=backend == "cluster",
        hosts=hosts.can_have_hosts(),
        disks=disks.can_mount(),
        clocks=clocks.can_jump(),
    )
    async with AsyncExitStack() as stack:
        # Not below `folder`, which the account of PostgreSQL may not enter.
        place = Path(stack.enter_context(_open_folder()))
        full_ones = {name: folder / name for name in (*cast.named("nats"), *cast.named("executor"))}
        mounted = {
            name: stack.enter_context(Disk(at).open())
            for name, at in ({"database": place, **full_ones} if cast.disks else {}).items()
        }
        postgres = None
        if cast.postgres:
            postgres = stack.enter_context(private_postgres(place))
            database = postgres.url(postgres.create_database())
        else:
            database = f"sqlite:///{place}/lastword.db"
        await upgrade(database)
        deployment = Deployment(folder, cast, postgres, database)
        deployment.disks = mounted
        deployment.add_nodes()
        await deployment.add_actors(stack)
        stack.push_async_callback(deployment.close)
        await deployment.start("nats")
        await deployment.start("supervisor")
        await deployment.start("auditor", "executor", "edge")
        yield deployment


@contextmanager
def _open_folder() -> Generator[str]:
    """Give a temporary folder through which any account may pass."""
    with tempfile.TemporaryDirectory(prefix="lastword-database-") as folder:
        Path(folder).chmod(0o711)
        yield folder


def _urls(ports: list[int], address: str = "127.0.0.1") -> str:
    return ",".join(f"nats://{address}:{port}" for port in ports)
