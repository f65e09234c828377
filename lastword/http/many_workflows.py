"""The live stream of many workflows on one connection: a set of ids, or a filter."""

from typing import Final

from lastword.contracts.ids import is_token
from lastword.contracts.records import Entry
from lastword.http import notices
from lastword.http.cells import Cell
from lastword.http.channels import Channel
from lastword.http.filters import Filter
from lastword.http.hub import Hub
from lastword.http.packets import Burst, Packet
from lastword.http.ports import LogReader
from lastword.http.problems import refuse
from lastword.http.reader import REACH_S, Reader, Since, unknown_workflow
from lastword.http.streams import PRELUDE, BaseStream, Select, Subscribe, Unsubscribe

__all__ = ["ManyWorkflows"]

REPLAY_LIMIT: Final = 1_024  # records; a client that missed more loads its list anew
LIVE_LIMIT: Final = 512  # snapshots with which a stream by filter opens: of those that moved last


class ManyWorkflows(BaseStream):
    """Many workflows on one connection: a set of ids, or a filter."""

    def __init__(
        self,
        hub: Hub,
        reader: Reader,
        log: LogReader,
        *,
        ids: tuple[str, ...] | None,
        wanted: Filter,
        since: Since | None,
        max_ids: int,
        closes: bool,
    ) -> None:
        """`ids` of None means by filter; `closes`: whether the stream ends once all of its workflows have."""
        super().__init__(hub, reader, since)
        self._log = log
        self._by_id = ids is not None
        self._wanted_ids = list(dict.fromkeys(ids or ()))
        self._filter = wanted
        self._max_ids = max_ids
        self._closes = closes
        self._ids: set[str] = set()
        self._recovered = False

    async def prepare(self) -> bool:
        """Raise `invalid_parameter` for too many ids, or ids that are none.

        Return whether anything can follow.
        """
        since = self._since
        if since is not None:
            self._recovered = await self._reader.is_real(since)
        if not self._by_id:
            return True
        if len(self._wanted_ids) > self._max_ids:
            raise refuse("invalid_parameter", f"ids: {len(self._wanted_ids)} given; at most {self._max_ids}.")
        bad = [workflow_id[:80] for workflow_id in self._wanted_ids if not is_token(workflow_id)]
        if bad:
            raise refuse(
                "invalid_parameter", f"ids: not the name of a workflow: {', '.join(map(repr, bad[:5]))}"
            )
        found = await self._reader.find_many(self._wanted_ids, self._at_least())
        if self._closes:
            unknown = [workflow_id for workflow_id in self._wanted_ids if workflow_id not in found]
            if unknown:
                raise unknown_workflow(unknown[0])
            left = [cell for cell in found.values() if not self._has_seen_end(cell)]
            return bool(left) or not self._wanted_ids
        return True

    async def open(self, channel: Channel) -> None:
        """Send how the workflows stand, or what was missed, and watch."""
        self._channel = channel
        if self._by_id:
            channel.push(Burst((self.hello(recovered=self._recovered),), prelude=PRELUDE))
            self._hub.join(channel)
            await self._add(channel, self._wanted_ids)
            self._finish_if_over(channel)
        else:
            await self._open_filter(channel)

    async def follow(self, channel: Channel, message: Subscribe | Unsubscribe | Select) -> None:
        """Change what is shown."""
        if isinstance(message, Select) == self._by_id:
            mode = "ids" if self._by_id else "a filter"
            await self.reject("wrong_mode", f"This stream goes by {mode}; open another one.")
        elif isinstance(message, Select):
            self._hub.unwatch_filter(self._filter, channel)
            self._filter = Filter(
                statuses=frozenset(message.status),
                definition=message.definition,
                q=message.q,
                executor=message.executor,
                retry_of=message.retry_of,
            )
            self._since = None
            await self._open_filter(channel, greet=False)
        elif isinstance(message, Unsubscribe):
            for workflow_id in message.ids:
                self._ids.discard(workflow_id)
                self._hub.unwatch(workflow_id, channel)
        else:
            await self._subscribe(channel, message)

    def close(self) -> None:
        """Stop watching."""
        channel = self._channel
        if channel is not None:
            for workflow_id in self._ids:
                self._hub.unwatch(workflow_id, channel)
            if not self._by_id:
                self._hub.unwatch_filter(self._filter, channel)
            self._hub.leave(channel)

    async def _subscribe(self, channel: Channel, message: Subscribe) -> None:
        new = [workflow_id for workflow_id in dict.fromkeys(message.ids) if workflow_id not in self._ids]
        bad = [workflow_id[:80] for workflow_id in new if not is_token(workflow_id)]
        if bad:
            await self.reject("unknown_workflow", "not the name of a workflow", bad[:16])
            new = [workflow_id for workflow_id in new if is_token(workflow_id)]
        if len(self._ids) + len(new) > self._max_ids:
            await self.reject(
                "too_many_ids", f"at most {self._max_ids} on one stream; {len(self._ids)} are shown", new[:16]
            )
            return
        await self._add(channel, new)

    async def _add(self, channel: Channel, ids: list[str]) -> None:
        """Send how the workflows stand, and watch those that go on."""
        hub = self._hub
        found = await self._reader.find_many(ids, self._at_least())
        for workflow_id in found:
            cell = found[workflow_id]
            while cell.ahead is not None:
                await self._reader.settle(cell)
                cell = await self._reader.require(workflow_id)
        packets: list[Packet] = []
        cells: list[Cell] = []
        ping = hub.ping()
        for workflow_id, known in found.items():
            cell = hub.find(workflow_id) or hub.adopt(known.entry)
            self._ids.add(workflow_id)
            if self._has_seen_end(cell):
                continue
            packets.append(Packet("snapshot", hub.snapshot(cell).json))  # no id: the order is not the log's
            cells.append(cell)
            if cell.entry.record.status.is_terminal:
                packets.append(Packet("end", hub.end(cell.entry).json))
            else:
                hub.watch_many(cell, channel)
        packets.append(ping)  # from here the log's order holds: resume after this
        channel.push(Burst(packets), cells)
        unknown = [workflow_id for workflow_id in ids if workflow_id not in found]
        if unknown:
            await self.reject("unknown_workflow", "no such workflow", unknown)

    async def _open_filter(self, channel: Channel, *, greet: bool = True) -> None:
        hub = self._hub
        while True:
            await self._settle()
            missed = await self._replay()
            if self._shown_upto() <= hub.position:
                break
        packets: list[Packet] = []
        ping = hub.ping()
        if greet:
            packets.append(self.hello(recovered=self._recovered and missed is not None))
        if missed is None:
            packets.append(notices.resync("too_long_ago"))
        cells: dict[str, Cell] = {}
        before: dict[str, Entry] = {}
        latest = {entry.record.id: entry for entry in missed or ()}
        for entry in missed or ():
            workflow_id = entry.record.id
            if self._filter.tells(entry):
                cell = hub.find(workflow_id) or hub.adopt(latest[workflow_id])
                cells[workflow_id] = cell
                packets += hub.status_packets(entry, cell, before.get(workflow_id))
            before[workflow_id] = entry
        for cell in [cell for cell in hub.live() if self._filter.holds(cell.entry)][-LIVE_LIMIT:]:
            packets.append(Packet("snapshot", hub.snapshot(cell).json))
            cells[cell.id] = cell
        packets.append(ping)
        hub.watch_filter(self._filter, channel)
        channel.push(Burst(packets, prelude=PRELUDE), tuple(cells.values()))

    async def _replay(self) -> list[Entry] | None:
        """Return the records after the client's place, or None where there are too many to tell.

        Nothing is awaited after the last look at the hub, so the list joins what the hub will say.
        """
        hub, since = self._hub, self._since
        if since is None or not self._recovered:
            return []
        at, found = max(since.told, 0), list[Entry]()
        while (tail := hub.recent(at)) is None:
            more = await self._log.since(at, 256)
            found += more
            if len(found) > REPLAY_LIMIT or not more:
                return None
            at = more[-1].position
        return found + tail if len(found) + len(tail) <= REPLAY_LIMIT else None

    async def _settle(self) -> None:
        """Wait until the feed has brought all that was shown before, here or to this client elsewhere.

        A stream in the log's order would else show older states again.  Raises the refusal `unavailable`.
        """
        while (position := self._shown_upto()) > self._hub.position:
            if not await self._hub.reach(position, REACH_S):
                detail = f"This edge has not come to position {position} yet."
                raise refuse("unavailable", detail, retry_after_s=1)

    def _shown_upto(self) -> int:
        live = (cell.standing for cell in self._hub.live())
        positions = [entry.position for entry in live if self._filter.holds(entry)]
        return max([self._at_least(), *positions])

    def _at_least(self) -> int:
        since = self._since
        return since.position if self._recovered and since is not None else 0

    def _has_seen_end(self, cell: Cell) -> bool:
        entry, since = cell.standing, self._since
        if since is None or not self._recovered:
            return False
        return entry.record.status.is_terminal and entry.position <= since.told

    def _finish_if_over(self, channel: Channel) -> None:
        """End a stream whose workflows cannot change and cannot be changed."""
        if self._closes and self._wanted_ids:
            self._hub.finish_when_over(channel, self._ids)
