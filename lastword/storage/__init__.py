"""The database: a projection of the log for lists, search and history, on SQLite or PostgreSQL.

The log is the truth and this is its copy; it can be written anew at any time (`rebuild`), and it refuses by
itself to take a status back (the triggers of revision 0002).

Names are looked up when they are first used: `lastword.settings` reads this folder's settings for every
command, and most commands need neither SQLAlchemy nor Alembic, which take a second to load.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lastword.storage.database import Database, open_database
    from lastword.storage.exceptions import (
        BadCursor,
        BadDatabaseUrl,
        BadQuery,
        CannotOpen,
        DamagedRecord,
        DatabaseBusy,
        DatabaseRefused,
        DatabaseUnavailable,
        DriverMissing,
        EpochChanged,
        MigrationFailed,
        NameTaken,
        NeedsUpgrade,
        NewerThanKnown,
        NotOurs,
        ProjectionGap,
        Regression,
        StorageError,
        UnknownRevision,
        UnknownToken,
        UnusableFolder,
    )
    from lastword.storage.queries import Sort, StoredPage, StoredSummary, StoredWorkflow, WorkflowQuery
    from lastword.storage.remnants import is_empty, load_heartbeats, load_remnants, read_remnants
    from lastword.storage.replay import digest, digest_of, rebuild
    from lastword.storage.schema import current_revision, downgrade, upgrade
    from lastword.storage.tokens import StoredToken, TokenStore, token_digest
    from lastword.storage.trends import StoredBucket, StoredTrends
    from lastword.storage.urls import database_url
    from lastword.storage.workflows import WorkflowStore

__all__ = [
    "BadCursor",
    "BadDatabaseUrl",
    "BadQuery",
    "CannotOpen",
    "DamagedRecord",
    "Database",
    "DatabaseBusy",
    "DatabaseRefused",
    "DatabaseUnavailable",
    "DriverMissing",
    "EpochChanged",
    "MigrationFailed",
    "NameTaken",
    "NeedsUpgrade",
    "NewerThanKnown",
    "NotOurs",
    "ProjectionGap",
    "Regression",
    "Sort",
    "StorageError",
    "StoredBucket",
    "StoredPage",
    "StoredSummary",
    "StoredToken",
    "StoredTrends",
    "StoredWorkflow",
    "TokenStore",
    "UnknownRevision",
    "UnknownToken",
    "UnusableFolder",
    "WorkflowQuery",
    "WorkflowStore",
    "current_revision",
    "database_url",
    "digest",
    "digest_of",
    "downgrade",
    "is_empty",
    "load_heartbeats",
    "load_remnants",
    "open_database",
    "read_remnants",
    "rebuild",
    "token_digest",
    "upgrade",
]

_NAMES: Final = {
    "database": (
        "Database",
        "open_database",
    ),
    "exceptions": (
        "BadCursor",
        "BadDatabaseUrl",
        "BadQuery",
        "CannotOpen",
        "DamagedRecord",
        "DatabaseBusy",
        "DatabaseRefused",
        "DatabaseUnavailable",
        "DriverMissing",
        "EpochChanged",
        "MigrationFailed",
        "NameTaken",
        "NeedsUpgrade",
        "NewerThanKnown",
        "NotOurs",
        "ProjectionGap",
        "Regression",
        "StorageError",
        "UnknownRevision",
        "UnknownToken",
        "UnusableFolder",
    ),
    "queries": (
        "Sort",
        "StoredPage",
        "StoredSummary",
        "StoredWorkflow",
        "WorkflowQuery",
    ),
    "remnants": (
        "is_empty",
        "load_heartbeats",
        "load_remnants",
        "read_remnants",
    ),
    "replay": (
        "digest",
        "digest_of",
        "rebuild",
    ),
    "schema": (
        "current_revision",
        "downgrade",
        "upgrade",
    ),
    "tokens": (
        "StoredToken",
        "TokenStore",
        "token_digest",
    ),
    "trends": (
        "StoredBucket",
        "StoredTrends",
    ),
    "urls": ("database_url",),
    "workflows": ("WorkflowStore",),
}
_HOME: Final = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load the module that holds `name`."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
