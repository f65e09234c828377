"""What the lock files say: each package that is shipped or built with, its exact version and its digests."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["NODE_LOCK", "PYTHON_LOCK", "PYTHON_LOCKS", "ROOT", "Locked", "node_packages", "python_packages"]

ROOT: Final = Path(__file__).parent.parent
PYTHON_LOCK: Final = ROOT / "requirements" / "runtime.txt"
PYTHON_LOCKS: Final = (
    PYTHON_LOCK,
    *(PYTHON_LOCK.with_name(f"{name}.txt") for name in ("dev", "slim", "build", "docs")),
)
"""What is shipped, then what tests it, what the slim image has of it, what builds its wheel, and the site."""
NODE_LOCK: Final = ROOT / "frontend" / "package-lock.json"
_PIN: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")
_HASH: Final = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


class Locked(NamedTuple):
    """A package of a lock file."""

    name: str
    version: str
    hashes: tuple[str, ...]
    """`sha256:…` for Python, `sha512-…` for Node."""
    licence: str | None = None
    """As the lock file has it; Python's do not tell."""


def python_packages(path: Path = PYTHON_LOCK) -> Iterator[Locked]:
    """Yield the packages of a lock file of uv's; raise `ValueError` at a line that pins nothing."""
    text = path.read_text("utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            found = _PIN.match(line)
            if found is None:
                raise ValueError(f"{path.name}: {line.strip()[:80]!r} pins no version")
            yield Locked(found["name"], found["version"], tuple(_HASH.findall(line)))


def node_packages(path: Path = NODE_LOCK, *, with_tools: bool = False) -> Iterator[Locked]:
    """Yield the packages of npm's lock that become part of the app; `with_tools` those that build it too."""
    packages: Mapping[str, Mapping[str, Any]] = json.loads(path.read_text("utf-8"))["packages"]
    for place, package in packages.items():
        if place and (with_tools or not package.get("dev")):
            name = place.rpartition("node_modules/")[2]
            digests = tuple(str(package.get("integrity", "")).split())
            yield Locked(name, str(package["version"]), digests, package.get("license"))
