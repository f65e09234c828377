"""Settings of the database: `LASTWORD_STORAGE__*`, `[storage]` in `lastword.toml`."""

from msgspec import Struct

__all__ = ["StorageSettings"]


class StorageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the projection lives."""

    url: str | None = None
    """`sqlite:///path` or `postgresql://user:password@host/name`. Unset: `lastword.db` in the data folder."""
    pool_size: int = 5
    """Connections to PostgreSQL per process."""
