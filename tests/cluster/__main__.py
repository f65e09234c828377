"""`make cluster`: three NATS nodes and PostgreSQL until Ctrl-C, and a file with the settings of each user."""

import argparse
import asyncio
import shlex
import signal
import threading
from collections.abc import Mapping
from pathlib import Path

from lastword.contracts.permissions import User
from lastword.storage import upgrade
from tests.cluster.nodes import NatsCluster
from tests.integration.postgres import private_postgres

HELP = """
Three NATS nodes and PostgreSQL run until Ctrl-C; then all that they hold is gone.

  NATS        {url}
  PostgreSQL  {database}

Each user's settings are in a file of its own. In other terminals, for instance:

  . {folder}/supervisor.env && lastword run supervisor
  . {folder}/up.env && lastword up
"""


def main() -> None:
    """Run until a signal."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".cluster"), help="where the settings go")
    folder: Path = parser.parse_args().folder.absolute()
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: object) -> None:
        stop.set()

    for sent in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sent, ask_to_stop)
    with private_postgres() as postgres:
        database = postgres.url(postgres.create_database())
        asyncio.run(upgrade(database))
        cluster = NatsCluster(folder)
        cluster.wipe()  # of an earlier run, whose database is gone
        try:
            cluster.start()
            write_settings(folder, cluster, database)
            print(HELP.format(url=cluster.url, database=database, folder=folder), flush=True)
            stop.wait()
        finally:
            cluster.stop()
            for path in folder.glob("*.env"):
                path.unlink()


def write_settings(folder: Path, cluster: NatsCluster, database: str) -> None:
    """Write a file for each user, and `up.env` for `lastword up`, whose processes share one login."""
    user, password = cluster.credentials.system
    ports = [node.port for node in cluster.nodes]
    system_url = ",".join(f"nats://{user}:{password}@127.0.0.1:{port}" for port in ports)
    common = {
        "LASTWORD_BUS__URL": cluster.url,
        "LASTWORD_BUS__REPLICAS": str(len(cluster.nodes)),
        "LASTWORD_STORAGE__URL": database,
    }
    logins = {user.value: cluster.credentials.of(user) for user in User if user is not User.SYSTEM}
    for name, login in {**logins, "up": cluster.credentials.actor}.items():
        values = {**common, "LASTWORD_BUS__USER": login.user, "LASTWORD_BUS__PASSWORD": login.password}
        if name in {"auditor", "up"}:
            values["LASTWORD_BUS__SYSTEM_URL"] = system_url
        _write(folder / f"{name}.env", values)


def _write(path: Path, values: Mapping[str, str]) -> None:
    path.touch(mode=0o600)
    path.write_text(
        "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items()), "utf-8"
    )


if __name__ == "__main__":
    main()
