"""What the edge needs of the rest, as protocols.

The bus and the storage satisfy them, and so do the tests' fakes.
"""

from datetime import datetime
from typing import Protocol

from lastword.contracts.events import ResultReference
from lastword.contracts.messages import Cancel, Logged, Reconcile, Reply, Start
from lastword.contracts.records import Entry
from lastword.storage import StoredPage, StoredSummary, StoredTrends, StoredWorkflow, WorkflowQuery

__all__ = ["Commands", "Head", "Lists", "LogReader", "Outputs"]


class Head(Protocol):
    """Where the log ends."""

    @property
    def epoch(self) -> str:
        """Names the log; after a change no position means anything."""
        ...

    @property
    def position(self) -> int:
        """The last position."""
        ...


class LogReader(Protocol):
    """The log, read. Everything raises `lastword.bus.Unavailable` where nobody answers."""

    async def read(self, workflow_id: str) -> Entry | None:
        """Return the last record from the log's leader: what was acknowledged before is seen."""
        ...

    async def head(self) -> Head:
        """Return the log's name and end."""
        ...

    async def records(self, workflow_id: str) -> list[Entry]:
        """Return all records of one workflow, oldest first."""
        ...

    async def since(self, position: int, limit: int) -> list[Entry]:
        """Return the records after a position, of all workflows, in order."""
        ...


class Commands(Protocol):
    """Commands for supervisors; each raises `lastword.bus.Unavailable` where nobody answers."""

    async def start(self, command: Start) -> Reply:
        """Ask for a workflow to be run."""
        ...

    async def cancel(self, command: Cancel) -> Reply:
        """Ask for a workflow to end."""
        ...

    async def reconcile(self, command: Reconcile) -> Reply:
        """Ask whether a workflow's process lives."""
        ...


class Outputs(Protocol):
    """What workflows wrote, and results too large for a record."""

    async def lines(self, workflow_id: str, after: int, limit: int) -> list[tuple[int, Logged]]:
        """Return up to `limit` messages of output after a position of their stream, with their positions."""
        ...

    async def result(self, reference: ResultReference) -> bytes:
        """Return a large result's JSON; raise `LookupError` where it is gone."""
        ...


class Lists(Protocol):
    """The database, read.

    `lastword.storage.WorkflowStore`. Raises `DatabaseUnavailable` where it does not answer.
    """

    async def position(self) -> tuple[str | None, int]:
        """Return the log that the database follows, and how far it has come."""
        ...

    async def page(self, query: WorkflowQuery) -> StoredPage:
        """Return one page of a list; raise `BadQuery` where the query makes no sense."""
        ...

    async def get(self, workflow_id: str) -> StoredWorkflow | None:
        """Return a workflow as the database has it."""
        ...

    async def summary(self) -> StoredSummary:
        """Return how many workflows stand at each status."""
        ...

    async def trends(self, since: datetime, until: datetime, step_s: int) -> StoredTrends:
        """Return what happened in each `step_s` seconds of a span; both ends are whole steps of the epoch."""
        ...
