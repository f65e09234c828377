"""All containers of `compose.yaml`, started in its order."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from lastword.bus import BusSettings
from lastword.contracts.permissions import User
from lastword.wiring.deployment import write_secrets
from tests.topology import programs
from tests.topology.certificates import make_certificates
from tests.topology.compose import PLAIN, Compose, File, Service, read_compose
from tests.topology.container import Container
from tests.topology.layout import Block, Room, take_block

__all__ = ["ONLOOKERS", "Topology", "open_topology"]

NO_STAND_IN: Final = ("grafana",)
"""Services that nothing here can stand in for."""
ONLOOKERS: Final = (*NO_STAND_IN, "prometheus", "canary")
"""Services that only look on, or begin work of their own, which a test has no use for."""
BY_HAND: Final = "by-hand"
"""The profile of what a person starts."""
LAST: Final = ("nats", "postgres")
"""Images of what others need to say goodbye."""


class Topology:
    """What runs."""

    def __init__(self, compose: Compose, block: Block, folder: Path) -> None:
        self.compose = compose
        self.folder = folder
        self.secrets = folder / "secrets"
        self.block = block
        self.containers: dict[str, Container] = {}
        self._instances: dict[str, list[Container]] = {}
        for name, service in compose.services.items():
            if service.profiles:  # a person's to start
                continue
            for instance in _instances(name, service):
                room = Room(instance, service, compose, block, folder / instance)
                container = self.containers[instance] = Container(room)
                self._instances.setdefault(name, []).append(container)

    def of(self, service: str) -> Sequence[Container]:
        """Return the containers of a service."""
        return self._instances[service]

    async def run_by_hand(self, name: str, *command: str) -> Room:
        """Run one of the services that `up` does not start, to its end; return the place where it was."""
        service = msgspec.structs.replace(self.compose.services[name], command=command)
        room = Room(name, service, self.compose, self.block, self.folder / name)
        container = Container(room)
        assert await container.run_once() == 0, container.said
        return room

    def url(self, service: str) -> str:
        """Return the address of what a service publishes."""
        port = self.compose.services[service].ports[-1].target
        scheme = "https" if port == 8443 else "http"
        return f"{scheme}://{self.block.address(service)}:{port}"

    def token(self, role: str) -> str:
        """Return the first token of an operator or a viewer."""
        return (self.secrets / f"{role}-token").read_text("utf-8").strip()

    def bus_settings(self, user: User) -> BusSettings:
        """Return how to connect to NATS as a user."""
        room = self.of("supervisor")[0].room
        variables = room.environment()
        return BusSettings(
            url=variables["LASTWORD_BUS__URL"],
            nkey_seed=str(self.secrets / f"{user}.nk"),
            tls_ca=variables.get("LASTWORD_BUS__TLS_CA"),
            replicas=3,
            request_timeout_s=2.0,
        )

    async def start(self) -> None:
        """Start everything, each when what it depends on is as it should be."""
        done = {name: asyncio.Event() for name in self._instances}

        async def begin(name: str) -> None:
            service = self.compose.services[name]
            for other in service.depends_on:
                await done[other].wait()
            for container in self.of(name):
                if service.restart == "no":
                    code = await container.run_once()
                    assert code == 0, container.said
                else:
                    await container.start()
            await asyncio.gather(*(one.works() for one in self.of(name) if service.restart != "no"))
            done[name].set()

        async with asyncio.TaskGroup() as tasks:
            for name in self._instances:
                tasks.create_task(begin(name), name=f"begin {name}")

    async def close(self, *, grace_s: float) -> None:
        """End everything, what others need last."""
        everyone = list(self.containers.values())
        last = [one for one in everyone if programs.image_of(one.room) in LAST]
        for containers in ([one for one in everyone if one not in last], last):
            await asyncio.gather(*(one.close(grace_s=grace_s) for one in containers))
        self.block.release()


@asynccontextmanager
async def open_topology(
    files: Sequence[str] = PLAIN,
    *,
    environ: Mapping[str, str] | None = None,
    without: Sequence[str] = NO_STAND_IN,
    grace_s: float = 3.0,
) -> AsyncGenerator[Topology, None]:
    """Run everything, `without` some services, until the block is left.

    `environ` holds the variables that the files ask for, such as DEPLOY_WORK.  What it all keeps lies in a
    temporary folder, which other users may pass through, as PostgreSQL's must.
    """
    with _open_folder() as folder:
        block = take_block()
        compose = read_compose(files, environ, profiles=[BY_HAND])
        services = {name: one for name, one in compose.services.items() if name not in without}
        secrets = _make_secrets(compose, folder / "secrets", block)
        compose = msgspec.structs.replace(compose, services=services, secrets=secrets)
        topology = Topology(compose, block, folder)
        try:
            await topology.start()
            yield topology
        finally:
            await topology.close(grace_s=grace_s)


@contextmanager
def _open_folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="lastword-topology-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def _make_secrets(compose: Compose, folder: Path, block: Block) -> dict[str, File]:
    """Make secrets of the topology's own; return where they are."""
    write_secrets(folder)
    if "ca.pem" in compose.secrets:
        nodes = [name for name in compose.services if name.startswith("nats-")]
        make_certificates(folder, *(block.address(name) for name in ("proxy", *nodes)))
    return {name: File(str(folder / name)) for name in compose.secrets}


def _instances(name: str, service: Service) -> list[str]:
    count = service.deploy.replicas
    return [name] if count == 1 else [f"{name}-{number}" for number in range(1, count + 1)]
