"""The programs that stand in for images: our own code, the packaged nats-server, Debian's for the rest."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.integration.postgres import _account, _find_programs
from tests.topology.compose import ROOT
from tests.topology.layout import Room
from tests.topology.slim import slim_python

__all__ = ["STAND_INS", "NotHere", "debian", "image_of", "image_variables", "prepare", "program"]

DATABASE: Final = "/var/lib/postgresql/data"
PACKAGES: Final = {"nginx": "nginx", "wget": "wget", "curl": "curl", "prometheus": "prometheus"}
"""The Debian package of each program."""


class NotHere(Exception):
    """A program is not installed, and cannot be."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not installed; as root: apt-get install {PACKAGES[name]}")


@cache
def debian(name: str) -> str:
    """Return the path of a program of Debian's; root gets it where it is missing."""
    places = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    if (found := shutil.which(name, path=places)) is not None:
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NotHere(name)
    # At runlevel 1 Debian's packages start no servers of their own.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", PACKAGES[name]]):
        subprocess.run(["apt-get", "--quiet", *arguments], env=environment, check=True, stdout=sys.stderr)
    if (found := shutil.which(name, path=places)) is None:
        raise NotHere(name)
    return found


def image_of(room: Room) -> str:
    """Return the image of a service without its tag."""
    return room.service.image.rpartition(":")[0]


def _lastword(room: Room, arguments: list[str]) -> list[str]:
    whole = image_of(room) == "lastword-executor"
    return [sys.executable if whole else slim_python(), "-m", "lastword", *arguments]


def _nats(_room: Room, arguments: list[str]) -> list[str]:
    return [str(Path(sysconfig.get_path("scripts")) / arguments[0]), *arguments[1:]]


def _nginx(_room: Room, arguments: list[str]) -> list[str]:
    own = ["-g", "user root;"] if os.geteuid() == 0 else []  # else Debian's user, who may not come here
    return [debian("nginx"), *arguments[1:], *own]


def _postgres(room: Room, _arguments: list[str]) -> list[str]:
    options = (
        f"listen_addresses={room.address}",
        "unix_socket_directories=",
        "fsync=off",  # what it holds ends with the topology
    )
    server = [str(_find_programs() / "postgres"), "-D", str(room.path(DATABASE))]
    return [*server, *(part for option in options for part in ("-c", option))]


def _prometheus(_room: Room, arguments: list[str]) -> list[str]:
    return [debian("prometheus"), *arguments]


STAND_INS: Final[dict[str, Callable[[Room, list[str]], list[str]]]] = {
    "lastword": _lastword,
    "lastword-executor": _lastword,
    "nats": _nats,
    "nginx": _nginx,
    "postgres": _postgres,
    "prom/prometheus": _prometheus,
}
"""What runs in place of each image; the others (Grafana) are left out."""


def program(room: Room, command: list[str]) -> list[str]:
    """Return what runs in place of a command inside the container, such as its health check."""
    match command[0]:
        case "lastword":
            return _lastword(room, command[1:])
        case "python":
            return [slim_python(), *command[1:]]
        case "pg_isready" as name:
            return [str(_find_programs() / name), *command[1:]]
        case "wget" | "curl" as name:
            return [debian(name), *command[1:]]
        case "python":
            return [sys.executable, *command[1:]]
        case other:
            return [other, *command[1:]]


def image_variables(room: Room) -> dict[str, str]:
    """Return the variables that the image itself sets, as far as they are lastword's."""
    if not image_of(room).startswith("lastword"):
        return {}
    words = (ROOT / "Dockerfile").read_text("utf-8").split()
    pairs = (word.partition("=") for word in words if word.startswith("LASTWORD_"))
    return {name: room.translate(value) for name, _, value in pairs}


def prepare(room: Room) -> dict[str, Any]:
    """Do once what the image's entry point does; return as whom the program runs, for `subprocess`."""
    if image_of(room) != "postgres":
        return {}
    data = room.path(DATABASE)
    account = _account(data)
    if not (data / "PG_VERSION").exists():
        variables = room.environment()
        password = Path(variables["POSTGRES_PASSWORD_FILE"]).read_text("utf-8")
        secret = data.parent / "password"
        secret.write_text(password, "utf-8")
        for path in (data.parent, secret):
            _account(path)
        programs = _find_programs()
        make = [programs / "initdb", "-D", data, "-U", variables["POSTGRES_USER"], f"--pwfile={secret}"]
        make += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"]
        _run(make, data, account)
        alone = [programs / "postgres", "--single", "-D", data, "postgres"]
        _run(alone, data, account, f"CREATE DATABASE {variables['POSTGRES_DB']}\n")
        rules = "host all all 127.0.0.0/8 scram-sha-256\n"  # initdb's own know one address of loopback
        (data / "pg_hba.conf").write_text(rules, "utf-8")
    return account


def _run(command: list[Any], folder: Path, account: dict[str, Any], asked: str = "") -> None:
    done = subprocess.run(
        command, cwd=folder, input=asked, capture_output=True, text=True, check=False, **account
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr[-2000:]}")
