"""Where the database is: what `LASTWORD_STORAGE__URL` may say, and what of it may be shown.

A PostgreSQL URL is handed to the driver whole, so all that libpq's URLs can say works: several hosts,
`?host=/run/postgresql` for a Unix socket, `?sslmode=verify-full&sslrootcert=ca.pem` for TLS, and the
`PG*` variables for what is left out.
"""

import re
from pathlib import Path
from typing import Final

from msgspec import Struct

from lastword.storage.exceptions import BadDatabaseUrl
from lastword.storage.settings import StorageSettings

__all__ = ["PostgresServer", "SqliteFile", "Target", "database_url", "parse_url"]

FILE_NAME: Final = "lastword.db"
"""The database's name in the data folder."""

_PASSWORD: Final = re.compile(r"(://[^:/@?]*:).*@|(password=)[^&]*")
"""Greedy up to the last `@`: of a password that somebody forgot to escape, nothing may show either."""


class SqliteFile(Struct, frozen=True, kw_only=True):
    """A database in a file of this machine."""

    path: Path

    @property
    def shown(self) -> str:
        """How messages call it."""
        return f"the database {self.path}"


class PostgresServer(Struct, frozen=True, kw_only=True):
    """A database of a PostgreSQL server."""

    dsn: str
    """The URL for the driver, secrets included: for no eye."""

    @property
    def shown(self) -> str:
        """How messages call it: the URL without the password."""
        return f"the database {_hide(self.dsn)}"


Target = SqliteFile | PostgresServer


def database_url(settings: StorageSettings, data_dir: Path) -> str:
    """Return the URL that is set, or the one of `lastword.db` in the data folder."""
    return settings.url if settings.url is not None else f"sqlite:///{data_dir / FILE_NAME}"


def parse_url(url: str) -> Target:
    """Return what `url` names; raise `BadDatabaseUrl` where that is nothing we can use.

    `sqlite:///a.db` is relative to the working folder, `sqlite:////srv/a.db` is absolute.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise BadDatabaseUrl(_hide(url), "it is no URL")
    match scheme:
        case "sqlite" | "sqlite+aiosqlite":
            path = rest.removeprefix("/")
            if not rest.startswith("/") or path in {"", ":memory:"} or "?" in path:
                raise BadDatabaseUrl(
                    url, "SQLite needs the path of a file, which several processes can share"
                )
            return SqliteFile(path=Path(path).expanduser())
        case "postgresql" | "postgres" | "postgresql+asyncpg":
            return PostgresServer(dsn=f"postgresql://{rest}")
        case _:
            raise BadDatabaseUrl(_hide(url), f"{scheme!r} is no database that lastword knows")


def _hide(url: str) -> str:
    return _PASSWORD.sub(lambda found: f"{found[1]}***@" if found[1] else f"{found[2]}***", url)
