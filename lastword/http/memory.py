"""What the edge remembers of the log: the last record of many workflows, and the newest records in order.

Both are bounded by the bytes of the records that they hold.  What is watched is never forgotten; of the rest
that goes first which was not touched for longest, and is read from the log when someone asks for it again.
"""

from collections import OrderedDict, deque
from collections.abc import Container
from typing import Final

from lastword.contracts.messages import ProgressMade
from lastword.contracts.records import Entry
from lastword.http.cells import Cell

__all__ = ["MEMORY_BYTES", "Memory"]

MEMORY_BYTES: Final = 64 * 1_048_576  # of records; a cell costs about three times its record
RING_BYTES: Final = 8 * 1_048_576  # of recent records, for streams that come back
RING_RECORDS: Final = 4_096
PROGRESS_KEPT: Final = 65_536  # workflows
PROGRESS_CHARS: Final = 16 * 1_048_576  # in what is said of them; whoever forges progress can say much


class Memory:
    """Cells by workflow, progress by workflow, and the ring of recent records."""

    def __init__(self, watched: Container[str], limit_bytes: int = MEMORY_BYTES) -> None:
        """`watched` holds the ids that must not be forgotten; it is asked anew each time."""
        self._watched = watched
        self._limit_bytes = limit_bytes
        self._cells: OrderedDict[str, Cell] = OrderedDict()
        self._held_bytes = 0
        self._progress: OrderedDict[str, ProgressMade] = OrderedDict()
        self._progress_chars = 0
        self._ring: deque[tuple[Entry, int]] = deque()
        self._ring_bytes = 0
        self._ring_floor = 0
        """Everything after this position is in the ring."""

    def begin(self, position: int) -> None:
        """Say that nothing up to `position` will be delivered: the ring begins there."""
        self._ring_floor = position

    def clear(self, position: int) -> None:
        """Forget everything; what comes begins after `position`."""
        self._cells.clear()
        self._held_bytes = 0
        self._progress.clear()
        self._progress_chars = 0
        self._ring.clear()
        self._ring_bytes = 0
        self.begin(position)

    def find(self, workflow_id: str) -> Cell | None:
        """Return what is remembered of a workflow."""
        return self._cells.get(workflow_id)

    def insert(self, entry: Entry, size: int) -> Cell:
        """Remember a workflow that is not known; `size` is its record's, in bytes."""
        cell = Cell(entry, size)
        self._cells[cell.id] = cell
        self._held_bytes += size
        return cell

    def renew(self, cell: Cell, entry: Entry, size: int) -> None:
        """Remember a workflow's next record, as the feed delivered it."""
        self._held_bytes += size - cell.size
        cell.entry, cell.size, cell.turned_at = entry, size, None
        self._cells.move_to_end(cell.id)

    def evict(self) -> None:
        """Forget what was not touched for longest and is not watched, until memory is within its bound."""
        tries = len(self._cells)
        while self._held_bytes > self._limit_bytes and tries:
            tries -= 1
            workflow_id, cell = self._cells.popitem(last=False)
            if workflow_id in self._watched:
                self._cells[workflow_id] = cell
            else:
                self._held_bytes -= cell.size

    # How far workflows got.

    def progress_of(self, workflow_id: str) -> ProgressMade | None:
        """Return the last progress heard of a workflow."""
        return self._progress.get(workflow_id)

    def keep_progress(self, made: ProgressMade) -> bool:
        """Keep a workflow's progress; return whether it is news."""
        known = self._progress.get(made.id)
        if known is not None and (made.lease, made.revision) <= (known.lease, known.revision):
            return False
        cell = self._cells.get(made.id)
        if cell is not None and cell.entry.record.status.is_terminal:
            return False
        self.drop_progress(made.id)
        self._progress[made.id] = made
        self._progress_chars += _chars(made)
        while len(self._progress) > PROGRESS_KEPT or self._progress_chars > PROGRESS_CHARS:
            self.drop_progress(next(iter(self._progress)))
        return True

    def drop_progress(self, workflow_id: str) -> None:
        """Forget how far a workflow got: its record says how it ended."""
        made = self._progress.pop(workflow_id, None)
        if made is not None:
            self._progress_chars -= _chars(made)

    # The newest records, for streams that come back.

    def append(self, entry: Entry, size: int) -> None:
        """Keep a record as the newest."""
        self._ring.append((entry, size))
        self._ring_bytes += size
        while len(self._ring) > 1 and (self._ring_bytes > RING_BYTES or len(self._ring) > RING_RECORDS):
            oldest, oldest_size = self._ring.popleft()
            self._ring_bytes -= oldest_size
            self._ring_floor = oldest.position

    def recent(self, after: int) -> list[Entry] | None:
        """Return the records after a position, or None where memory does not reach so far back."""
        if after < self._ring_floor:
            return None
        return [entry for entry, _ in self._ring if entry.position > after]


def _chars(made: ProgressMade) -> int:
    """Return about how much a message of progress says, in characters."""
    progress = made.progress
    tasks = sum(len(task.label) + 100 for task in progress.tasks)
    return len(progress.label or "") + len(made.waiting_for or "") + tasks
