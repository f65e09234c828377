"""The secrets of a deployment in containers: what `compose.yaml` mounts, one file each.

A secret in a file reaches its container as that file, with the host's owner and mode, and each container
has another user.  So the files are readable, and the folder is not: on the host it is closed to all but its
owner, while a container gets only the files that it is meant to have.
"""

import json
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from lastword.bus import write_nkeys
from lastword.bus.accounts import write_private

__all__ = ["NODES", "write_secrets"]

NODES: Final = ("nats-1", "nats-2", "nats-3")
ROUTE_PORT: Final = 6222
DATABASE: Final = "lastword"
"""The name of the database and of its user."""


def write_secrets(
    folder: Path, *, nodes: Sequence[str] = NODES, database: str = "postgres:5432"
) -> list[Path]:
    """Write what is missing in the folder, and return it; what is there stays.

    `nodes` are the names of the NATS servers, `database` the address of PostgreSQL.  Raises `OSError`, and
    `BadLogin` for a file that should hold an nkey and does not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    written = write_nkeys(folder)
    written += _make(folder / "postgres-password", lambda: secrets.token_urlsafe(24))
    password = (folder / "postgres-password").read_text("utf-8").strip()
    written += _make(
        folder / "database-url", lambda: f"postgresql://{DATABASE}:{password}@{database}/{DATABASE}"
    )
    written += _make(folder / "routes.conf", lambda: _routes(nodes, secrets.token_urlsafe(24)))
    written += _make(folder / "grafana-password", lambda: secrets.token_urlsafe(24))
    for role in ("operator", "viewer"):
        written += _make(folder / f"{role}-token", lambda: secrets.token_urlsafe(32))
    for path in written:
        path.chmod(0o644)  # behind the folder's door; see above
    return written


def _make(path: Path, text: Callable[[], str]) -> list[Path]:
    if path.exists():
        return []
    write_private(path, text() + "\n")
    return [path]


def _routes(nodes: Sequence[str], password: str) -> str:
    """Return whom a server of the cluster connects to, and by which password it lets others in.

    Whoever may make a route is believed everything, and executors, which run other people's code, share a
    network with the servers.
    """
    login = f"user: route, password: {json.dumps(password)}, timeout: 3"
    routes = json.dumps([f"nats://route:{password}@{node}:{ROUTE_PORT}" for node in nodes])
    return f"authorization {{ {login} }}\nroutes: {routes}"
