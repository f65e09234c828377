"""Which workflows a live stream by filter shows.

A workflow that *leaves* the filter by a move (from `running` to `success`, under `status=running`) is still
told: its record names the status before, so the client can see it go.  That record is the last: what the
workflow does elsewhere is no business of this stream.
"""

from msgspec import Struct

from lastword.contracts.records import Entry
from lastword.contracts.statuses import Status

__all__ = ["Filter"]


class Filter(Struct, frozen=True, kw_only=True):
    """A filter by what a record shows. Empty: everything."""

    statuses: frozenset[Status] = frozenset()
    definition: str | None = None
    q: str | None = None
    """Part of the id, title or definition, in any case."""
    executor: str | None = None
    retry_of: str | None = None

    def holds(self, entry: Entry) -> bool:
        """Tell whether the workflow, as it stands by this record, belongs to the list."""
        return (not self.statuses or entry.record.status in self.statuses) and self._fits(entry)

    def tells(self, entry: Entry) -> bool:
        """Tell whether this record is news: the workflow belongs to the list by it, or did until it."""
        return self.holds(entry) or (entry.record.previous in self.statuses and self._fits(entry))

    def _fits(self, entry: Entry) -> bool:
        record = entry.record
        if self.definition is not None and record.definition != self.definition:
            return False
        if self.executor is not None and record.executor != self.executor:
            return False
        if self.retry_of is not None and record.retry_of != self.retry_of:
            return False
        if self.q is not None:
            text = f"{record.id}\n{record.title or ''}\n{record.definition}".casefold()
            return self.q.casefold() in text
        return True
