"""What lastword runs on: one NATS node and SQLite, or three nodes and PostgreSQL.

`LASTWORD_TEST_BACKEND=cluster` (`make test-cluster`) runs the whole suite on the second.  A test that is
marked `cluster` runs on it in `make test` as well.
"""

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

from tests.integration.postgres import PrivatePostgres
from tests.integration.servers import NatsServer, run_cluster, run_server
from tests.integration.system.harness import System

__all__ = ["CHOSEN", "Backend", "ClusterBackend", "SingleBackend"]

CHOSEN: Final = os.environ.get("LASTWORD_TEST_BACKEND", "single")
"""What the whole suite runs on: `single` or `cluster`."""


class Backend(ABC):
    """Servers and databases of one kind."""

    name: ClassVar[str]

    @abstractmethod
    def serve(self, folder: Path, *, with_streams: bool = False) -> AbstractAsyncContextManager[NatsServer]:
        """Run NATS with its data in `folder`; with streams, if that comes cheaper than making them."""

    @abstractmethod
    def database(self, folder: Path) -> str:
        """Return the URL of an empty database, a file in `folder` or a new one of the server's."""

    @abstractmethod
    def system(self, folder: Path, **given: Any) -> System:
        """Return a whole lastword, not started; `given` is as `System` takes it."""


class SingleBackend(Backend):
    """One node and SQLite."""

    name: ClassVar[str] = "single"

    def __init__(self, template: Path) -> None:
        """Take a data folder that has every stream."""
        self._template = template

    @asynccontextmanager
    async def serve(self, folder: Path, *, with_streams: bool = False) -> AsyncGenerator[NatsServer, None]:
        """Run the embedded server."""
        if with_streams:
            shutil.copytree(self._template, folder)
        async with run_server(folder) as server:
            yield server

    def database(self, folder: Path) -> str:
        """Return the URL of a file."""
        return f"sqlite:///{folder}/lastword.db"

    def system(self, folder: Path, **given: Any) -> System:
        """Return one with everything embedded."""
        return System(folder, **given)


class ClusterBackend(Backend):
    """Three nodes and PostgreSQL."""

    name: ClassVar[str] = "cluster"

    def __init__(self, postgres: PrivatePostgres) -> None:
        self.postgres = postgres

    @asynccontextmanager
    async def serve(self, folder: Path, *, with_streams: bool = False) -> AsyncGenerator[NatsServer, None]:
        """Run three nodes; streams are made by whoever needs them."""
        del with_streams
        async with run_cluster(folder) as server:
            yield server

    def database(self, folder: Path) -> str:
        """Return the URL of a new database."""
        del folder
        return self.postgres.url(self.postgres.create_database())

    def system(self, folder: Path, **given: Any) -> System:
        """Return one with a cluster and a database of its own."""
        return System(folder, self.postgres, **given)
