"""Settings of the database: `LASTWORD_STORAGE__*`, `[storage]` in `lastword.toml`."""

from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["StorageSettings"]


class StorageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the projection lives."""

    url: str | None = None
    """`sqlite:///path` or `postgresql://user:password@host/name`. Unset: `lastword.db` in the data folder."""
    pool_size: Annotated[int, Meta(ge=1)] = 5
    """Connections to PostgreSQL per process."""
