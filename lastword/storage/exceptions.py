"""What can go wrong with the database, each error naming the culprit and the remedy.

::

    StorageError
    ├── CannotOpen                   waiting does not help: somebody must change something
    │   ├── BadDatabaseUrl
    │   ├── DriverMissing
    │   ├── UnusableFolder
    │   ├── DatabaseRefused
    │   ├── NeedsUpgrade
    │   ├── NewerThanKnown
    │   ├── NotOurs
    │   ├── UnknownRevision
    │   └── MigrationFailed
    ├── DatabaseUnavailable          nothing was written; the same call may succeed later
    │   └── DatabaseBusy
    ├── EpochChanged                 the log is another one: `lastword db rebuild`
    ├── ProjectionGap                entries are missing in between: read again from `position()`
    ├── Regression                   a trigger refused to take a status back
    ├── DamagedRecord                a row that cannot be read: `lastword db rebuild`
    ├── NameTaken                    a token of that name is in use
    ├── UnknownToken                 there is no such token, or it was revoked before
    └── BadQuery                     the caller's fault
        └── BadCursor

Errors of SQLAlchemy, of the drivers and of Alembic are translated in `database` and `schema`; what is not
in this tree is a bug and passes through as it is.
"""

from pathlib import Path

__all__ = [
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
]


class StorageError(Exception):
    """Something is wrong with the database."""


class CannotOpen(StorageError):
    """The database cannot be used as things are; waiting does not help."""


class BadDatabaseUrl(CannotOpen):
    """The URL names no database that lastword can use."""

    def __init__(self, shown: str, problem: str) -> None:
        super().__init__(
            f"LASTWORD_STORAGE__URL {shown!r}: {problem}; "
            "write sqlite:///path/to/file or postgresql://user:password@host/name"
        )
        self.problem = problem


class DriverMissing(CannotOpen):
    """The package that speaks to this kind of database is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this database needs the package {package}: pip install 'lastword[{extra}]'")
        self.package = package


class UnusableFolder(CannotOpen):
    """The database's file can be neither opened nor made where it should be."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"no database can be kept at {path}: {problem}; make the folder writable for this user, "
            "or choose another one by LASTWORD_DATA_DIR or LASTWORD_STORAGE__URL"
        )
        self.path = path


class DatabaseRefused(CannotOpen):
    """The server answered, and let nobody in."""

    def __init__(self, shown: str, reason: str) -> None:
        super().__init__(
            f"{shown} refused: {reason}; check user, password, TLS and the database's name in "
            "LASTWORD_STORAGE__URL (a missing database is made by `createdb`)"
        )
        self.reason = reason


class NeedsUpgrade(CannotOpen):
    """The database is not there yet, or older than this program."""

    def __init__(self, shown: str, found: str | None, head: str) -> None:
        state = f"is at revision {found}" if found else "has no tables of lastword yet"
        super().__init__(f"{shown} {state}, and this program needs {head}: run `lastword db upgrade`")
        self.found = found
        self.head = head


class NewerThanKnown(CannotOpen):
    """The database was upgraded by a newer program."""

    def __init__(self, shown: str, found: str, head: str) -> None:
        super().__init__(
            f"{shown} is at revision {found}, and this program knows them up to {head}: "
            "run the newer lastword, or go back with its `lastword db downgrade`"
        )
        self.found = found
        self.head = head


class NotOurs(CannotOpen):
    """A table stands where lastword's should, and is something else."""

    def __init__(self, shown: str, table: str, missing: list[str]) -> None:
        super().__init__(
            f"{shown} has a table {table!r} without {', '.join(missing)}, so it is not one that lastword "
            "can take over: give lastword a database of its own in LASTWORD_STORAGE__URL"
        )
        self.table = table
        self.missing = missing


class UnknownRevision(CannotOpen):
    """Nobody knows the revision that was asked for, or there is no way to it."""

    def __init__(self, revision: str, known: list[str], problem: str) -> None:
        super().__init__(f"revision {revision!r}: {problem}; there are base, {', '.join(known)} and head")
        self.revision = revision
        self.known = known


class MigrationFailed(CannotOpen):
    """A migration failed, and was undone."""

    def __init__(self, shown: str, reason: str) -> None:
        super().__init__(f"migrating {shown} failed, and nothing was changed: {reason}")
        self.reason = reason


class DatabaseUnavailable(StorageError):
    """The database does not answer, or not now; nothing was written, so the call may be made again."""

    def __init__(self, shown: str, reason: str) -> None:
        super().__init__(f"{shown} is unavailable: {reason}; check that it runs and can be reached")
        self.reason = reason


class DatabaseBusy(DatabaseUnavailable):
    """Others use the database; nothing was written, so the call may be made again."""

    def __init__(self, shown: str, reason: str) -> None:
        super().__init__(shown, f"too many use it at once ({reason})")


class EpochChanged(StorageError):
    """The database was written from another log than the one that is followed now."""

    def __init__(self, stored: str, given: str) -> None:
        super().__init__(
            f"the database was written from log {stored!r}, and the log is now {given!r}: positions of the "
            "one mean nothing in the other; run `lastword db rebuild`"
        )
        self.stored = stored
        self.given = given


class ProjectionGap(StorageError):
    """The entries begin beyond what the database has seen; to write them would leave some out for ever."""

    def __init__(self, position: int, after: int) -> None:
        super().__init__(
            f"the database has seen the log up to {position}, and these entries begin after {after}: "
            "read the log again from the database's position"
        )
        self.position = position
        self.after = after


class Regression(StorageError):
    """A trigger of the database refused to take a status back."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the database refused to go back: {reason}")
        self.reason = reason


class DamagedRecord(StorageError):
    """A row does not hold a record."""

    def __init__(self, workflow_id: str, problem: str) -> None:
        super().__init__(
            f"the row of workflow {workflow_id!r} cannot be read ({problem}): run `lastword db rebuild`"
        )
        self.workflow_id = workflow_id


class BadQuery(StorageError):
    """What was asked for makes no sense."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class BadCursor(BadQuery):
    """The cursor is none of ours, or belongs to another query."""

    def __init__(self, problem: str) -> None:
        super().__init__("cursor", f"{problem}; leave it out to begin with the first page")


class NameTaken(StorageError):
    """A token of that name is in use."""

    def __init__(self, name: str, token_id: str) -> None:
        super().__init__(f"the token {token_id} is named {name!r} already; revoke it, or choose another name")


class UnknownToken(StorageError):
    """There is no such token, or it was revoked before."""

    def __init__(self, named: str) -> None:
        super().__init__(f"no token in use has the id or name {named!r}; see `lastword auth list`")
