"""What a container has for itself, without one: an address of loopback, a folder, and files that name them.

Every service keeps the ports that `compose.yaml` gives it, on an address of its own, as a container does.
Only where a name or a path is written does something change: `nats-1:4222` becomes that server's address,
`0.0.0.0` the service's own, and a path that is mounted the place where it lies here.
"""

import random
import re
import shutil
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.topology.compose import Compose, Service

__all__ = ["Block", "Room", "take_block"]

LOCK_PORT: Final = 65_000
LOOPBACK: Final = "127.0.0.0/8"
OWN: Final = ("0.0.0.0", "127.0.0.1")  # noqa: S104  what containers call themselves


class Block:
    """Addresses of loopback that nobody else on this machine uses, while it is held."""

    def __init__(self, prefix: str, held: socket.socket) -> None:
        self._prefix = prefix
        self._held = held
        self._taken: dict[str, str] = {}

    def address(self, name: str) -> str:
        """Return the address of a service."""
        return self._taken.setdefault(name, f"{self._prefix}.{len(self._taken) + 2}")

    def release(self) -> None:
        """Let others have it."""
        self._held.close()


def take_block() -> Block:
    """Return a free block of addresses."""
    while True:
        prefix = f"127.{random.randint(16, 250)}.{random.randint(1, 250)}"  # noqa: S311  no secret
        with suppress(OSError):
            return Block(prefix, socket.create_server((f"{prefix}.1", LOCK_PORT)))


class Room:
    """The place of one container."""

    def __init__(self, name: str, service: Service, compose: Compose, block: Block, folder: Path) -> None:
        """Lay out in `folder` what the service mounts."""
        self.name = name
        self.service = service
        self.folder = folder
        self.address = block.address(name)
        self._names = {other: block.address(other) for other in compose.services} | {
            "localhost": self.address
        }
        self._subnets = [one.subnet for network in compose.networks.values() for one in network.ipam.config]
        targets = [*service.tmpfs, *(mount.target for mount in service.volumes)]
        targets += ["/run/secrets"] if service.secrets else []
        self._targets = sorted(targets, key=len, reverse=True)
        self._written = self._pattern()
        for target in targets:
            self.path(target).mkdir(parents=True, exist_ok=True)
        for secret in service.secrets:
            self._copy(Path(compose.secrets[secret.source].file), self.path(secret.target))
        for mount in service.volumes:
            if mount.type == "bind" and Path(mount.source).exists():  # else Docker makes an empty folder
                self._copy(Path(mount.source), self.path(mount.target))

    def path(self, inside: str) -> Path:
        """Return where a path of the container lies."""
        return self.folder / inside.lstrip("/")

    def translate(self, text: str) -> str:
        """Return text with the names and paths of the container turned into ours."""
        return self._written.sub(self._turn, text)

    def environment(self) -> Mapping[str, str]:
        """Return the variables of the service."""
        return {name: self.translate(value) for name, value in self.service.environment.items()}

    def _pattern(self) -> "re.Pattern[str]":
        """Return what finds all that is to be turned, in one pass: nothing is turned twice."""
        names = "|".join(re.escape(name) for name in sorted(self._names, key=len, reverse=True))
        own = "|".join(re.escape(address) for address in OWN)
        subnets = "|".join(re.escape(subnet) for subnet in self._subnets) or r"(?!)"
        paths = "|".join(re.escape(target) for target in self._targets) or r"(?!)"
        return re.compile(
            rf"(?<![\w.-])(?P<name>{names})(?=:\d)|(?<![\w.])(?P<own>{own})(?![\w.])"
            rf"|(?P<subnet>{subnets})|(?<![\w./:-])(?P<path>{paths})(?=[/\s\"';,]|$)",
            re.MULTILINE,
        )

    def _turn(self, found: "re.Match[str]") -> str:
        match found.lastgroup:
            case "name":
                return self._names[found[0]]
            case "own":
                return self.address
            case "subnet":
                return LOOPBACK
            case _:
                return str(self.path(found[0]))

    def _copy(self, source: Path, target: Path) -> None:
        """Copy a file, or all files of a folder, with what they say turned."""
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
        for path in [target] if target.is_file() else target.rglob("*"):
            if path.is_file():
                with suppress(UnicodeDecodeError):
                    path.write_text(self.translate(path.read_text("utf-8")), "utf-8")
