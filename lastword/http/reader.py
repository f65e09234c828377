"""Reading one workflow: from memory while the feed is current, else from the log's leader."""

import asyncio

from lastword.contracts.ids import is_token
from lastword.contracts.records import Entry
from lastword.http.cells import BEFORE_END, Cell
from lastword.http.hub import Hub
from lastword.http.ports import Lists, LogReader
from lastword.http.problems import Refusal, refuse
from lastword.storage import DatabaseUnavailable

__all__ = ["Reader", "Since", "at_least", "parse_since", "unknown_workflow"]

REACH_S = 2.0  # how long the feed may take to bring what the log's leader has shown


class Since:
    """A place in the log that a client names: `<epoch>:<position>`, or a position alone.

    With `~` behind it, the terminal status at that position was seen, and its end was not.
    """

    __slots__ = ("epoch", "position", "told")

    def __init__(self, epoch: str | None, position: int, *, before_end: bool = False) -> None:
        self.epoch = epoch
        self.position = position
        """Nothing older may be shown."""
        self.told = position - before_end
        """Everything up to here was told in full; -1 where not even what stood before the log was."""

    def fits(self, epoch: str) -> bool:
        """Tell whether it speaks of this log, as far as it says."""
        return self.epoch is None or self.epoch == epoch


def parse_since(text: str | None) -> Since | None:
    """Read a place in the log; None where there is none, or garbage.

    >>> parse_since("abc:12").position, parse_since("12").epoch, parse_since("x:y")
    (12, None, None)
    >>> parse_since("abc:12~").told
    11
    """
    if not text or len(text) > 64:
        return None
    epoch, colon, rest = text.rpartition(":")
    digits = rest.removesuffix(BEFORE_END)
    if not (digits.isascii() and digits.isdigit()):
        return None
    return Since(epoch if colon else None, int(digits), before_end=digits != rest)


def at_least(hub: Hub, named: str | None) -> int:
    """Return the position that an answer must not be older than, by a place that the client names."""
    since = parse_since(named)
    return since.position if since is not None and since.fits(hub.epoch) else 0


def unknown_workflow(workflow_id: str) -> Refusal:
    """Return the refusal for an id that names no workflow."""
    shown = workflow_id if len(workflow_id) <= 80 else workflow_id[:77] + "..."
    if is_token(workflow_id):
        return refuse("unknown_workflow", f"No workflow is called {shown}.")
    return refuse("unknown_workflow", f"{shown!r} is no id: ids have 1 to 64 letters, digits, '-' and '_'.")


class Reader:
    """Finds workflows.

    What it returns is never older than what was acknowledged before, or named by the client.
    """

    def __init__(self, hub: Hub, log: LogReader, lists: Lists) -> None:
        self._hub = hub
        self._log = log
        self._lists = lists

    async def find(self, workflow_id: str, at_least: int = 0) -> Cell | None:
        """Return the workflow, or None where there is none.

        `at_least` is a position that the client has seen, perhaps on another edge: where this edge has not
        come so far, the log's leader is asked.  Raises `Unavailable` where it does not answer.
        """
        hub = self._hub
        if not is_token(workflow_id):
            return None
        cell = hub.find(workflow_id)
        if cell is not None:
            if cell.entry.record.status.is_terminal:
                return cell  # nothing can follow it
            if hub.is_current and (at_least <= hub.position or at_least <= cell.standing.position):
                return cell
        return await self._read(workflow_id)

    async def require(self, workflow_id: str, at_least: int = 0) -> Cell:
        """Like `find`; raises the refusal `unknown_workflow`."""
        cell = await self.find(workflow_id, at_least)
        if cell is None:
            raise unknown_workflow(workflow_id)
        return cell

    async def find_many(self, workflow_ids: list[str], at_least: int = 0) -> dict[str, Cell]:
        """Return those of the workflows that exist, by id."""
        hub = self._hub
        found: dict[str, Cell] = {}
        missing: list[str] = []
        for workflow_id in workflow_ids:
            cell = hub.find(workflow_id)
            if cell is not None and (
                cell.entry.record.status.is_terminal or (hub.is_current and at_least <= hub.position)
            ):
                found[workflow_id] = cell
            else:
                missing.append(workflow_id)
        # Not one batched get: on a cluster a follower may answer that, and memory must not begin with an
        # old record.
        for cell in await asyncio.gather(*map(self._read, missing)):
            if cell is not None:
                found[cell.id] = cell
        return found

    async def _read(self, workflow_id: str) -> Cell | None:
        """Return a workflow as the log's leader has it, or, from before there was a log, the database."""
        entry = await self._log.read(workflow_id)
        if entry is None:
            try:
                stored = await self._lists.get(workflow_id)
            except DatabaseUnavailable as error:  # every wire can tell a refusal
                raise refuse("unavailable", str(error), retry_after_s=2) from error
            if stored is None or stored.entry.position:  # of another log
                return None
            entry = stored.entry
        return self._hub.adopt(entry)

    async def settle(self, cell: Cell) -> None:
        """Wait until the feed has brought what this cell shows already, so that a stream can begin there."""
        ahead = cell.ahead
        if ahead is not None and not await self._hub.reach(ahead.position, REACH_S):
            self._hub.lift(cell)

    async def history(self, workflow_id: str) -> list[Entry]:
        """Return all records of a workflow; raises the refusal `unknown_workflow`."""
        entries = await self._log.records(workflow_id) if is_token(workflow_id) else []
        return entries or [(await self.require(workflow_id)).entry]

    async def is_real(self, since: Since) -> bool:
        """Tell whether the log has come to the place that a client names."""
        if not since.fits(self._hub.epoch):
            return False
        if since.position <= self._hub.position:
            return True
        return since.position <= (await self._log.head()).position
