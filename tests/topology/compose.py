"""`compose.yaml` as Docker Compose itself understands it: merged, interpolated, with absolute paths.

The program needs no engine for that.  It comes from a package of the tests; where that has none for this
machine, `docker compose` is asked.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

__all__ = ["PLAIN", "ROOT", "WITH_TLS", "Compose", "Health", "Mount", "Secret", "Service", "read_compose"]

ROOT: Final = Path(__file__).parent.parent.parent
PLAIN: Final = ("compose.yaml",)
WITH_TLS: Final = ("compose.yaml", "compose.tls.yaml")


class Secret(Struct, frozen=True):
    """A secret, and where its service finds it."""

    source: str
    target: str


class Mount(Struct, frozen=True):
    """A folder of the host, or a volume."""

    type: str
    target: str
    source: str = ""
    read_only: bool = False


class Health(Struct, frozen=True):
    """How Docker asks whether a container works."""

    test: tuple[str, ...]


class Deploy(Struct, frozen=True):
    """How many there are."""

    replicas: int = 1


class Build(Struct, frozen=True):
    """What is built."""

    target: str


class Condition(Struct, frozen=True):
    """When whoever depends on a service may begin."""

    condition: str


class Port(Struct, frozen=True):
    """What the host passes on."""

    target: int
    published: str
    host_ip: str = ""


class Service(Struct, frozen=True):
    """The part of a service that a test or the launcher goes by."""

    image: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    build: Build | None = None
    environment: dict[str, str] = {}
    secrets: tuple[Secret, ...] = ()
    volumes: tuple[Mount, ...] = ()
    tmpfs: tuple[str, ...] = ()
    networks: dict[str, object] = {}
    ports: tuple[Port, ...] = ()
    working_dir: str | None = None
    user: str | None = None
    depends_on: dict[str, Condition] = {}
    deploy: Deploy = Deploy()
    healthcheck: Health | None = None
    restart: str = "no"
    read_only: bool = False
    cap_drop: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    stop_grace_period: str = "10s"
    profiles: tuple[str, ...] = ()

    @property
    def role(self) -> str | None:
        """Which part of lastword it runs, if any."""
        match self.command:
            case ("run", role) if self.build is not None:
                return role
            case _:
                return None


class File(Struct, frozen=True):
    """Where a secret lies."""

    file: str


class Subnet(Struct, frozen=True):
    """The addresses of a network."""

    subnet: str


class Ipam(Struct, frozen=True):
    """Who manages them."""

    config: tuple[Subnet, ...] = ()


class Network(Struct, frozen=True):
    """A network."""

    ipam: Ipam = Ipam()
    internal: bool = False


class Compose(Struct, frozen=True):
    """Everything."""

    services: dict[str, Service]
    secrets: dict[str, File]
    networks: dict[str, Network]


def read_compose(
    files: Sequence[str] = PLAIN,
    environ: Mapping[str, str] | None = None,
    *,
    profiles: Sequence[str] = (),
) -> Compose:
    """Return what the files say with these variables; raise `ValueError` with what Compose finds wrong."""
    command = _program()
    for file in files:
        command += ["--file", str(ROOT / file)]
    for profile in profiles:
        command += ["--profile", profile]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [*command, "--env-file", os.devnull, "config", "--format", "json"],
        env={**kept, **(environ or {})},
        capture_output=True,
        check=False,
    )
    if done.returncode or done.stderr:  # it warns of what it does not know
        raise ValueError(done.stderr.decode())
    return msgspec.json.decode(done.stdout, type=Compose)


def _program() -> list[str]:
    found = find_spec("compose")
    if found is not None and found.origin is not None:
        return [str(Path(found.origin).with_name("docker-compose"))]
    return ["docker", "compose"]
