"""What the live streams say, whatever wire they go over: one workflow, many, or a workflow's output.

Each opens with `hello`.  What a client missed since the place that it names follows where that can be told
(`recovered`), else the present state does.  Reading may wait; from the last read until the channel is watched
nothing does, so no record can fall between.
"""

import asyncio
from collections.abc import Iterable
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from lastword.bus.exceptions import BusError
from lastword.contracts.frames import End, Hello, Output, Rejected, Resync
from lastword.contracts.ids import is_token
from lastword.contracts.messages import Logged
from lastword.contracts.records import Entry
from lastword.contracts.statuses import Status
from lastword.http.cells import Cell
from lastword.http.channels import Channel
from lastword.http.filters import Filter
from lastword.http.hub import COMMENT, Hub, LogTail
from lastword.http.packets import Burst, Packet, encode
from lastword.http.ports import LogReader, Outputs
from lastword.http.problems import refuse
from lastword.http.reader import REACH_S, Reader, Since, unknown_workflow

__all__ = ["ClientMessage", "ManyWorkflows", "OneWorkflow", "Stream", "WorkflowOutput"]

REPLAY_LIMIT: Final = 1_024  # records; a client that missed more loads its list anew
LIVE_LIMIT: Final = 512  # snapshots with which a stream by filter opens
BAD_MESSAGES: Final = 20  # after which a client is closed with 1008
OUTPUT_BATCH: Final = 100  # messages of output read at once
PRELUDE: Final = b"retry: 2000\n" + COMMENT


class Subscribe(Struct, frozen=True, tag_field="type", tag="subscribe", forbid_unknown_fields=True):
    """Show these workflows as well."""

    ids: tuple[str, ...]


class Unsubscribe(Struct, frozen=True, tag_field="type", tag="unsubscribe", forbid_unknown_fields=True):
    """Show these workflows no longer."""

    ids: tuple[str, ...]


class Select(Struct, frozen=True, tag_field="type", tag="filter", forbid_unknown_fields=True):
    """Show what this filter shows, in place of the one before."""

    status: tuple[Status, ...] = ()
    definition: str | None = None
    q: str | None = None
    executor: str | None = None
    retry_of: str | None = None


class Knock(Struct, frozen=True, tag_field="type", tag="ping", forbid_unknown_fields=True):
    """Are you there? Answered with a `ping`."""


ClientMessage = Subscribe | Unsubscribe | Select | Knock
_messages = msgspec.json.Decoder(ClientMessage)


class Stream(Protocol):
    """What a wire carries."""

    async def prepare(self) -> bool:
        """Raise a refusal, or return whether anything will follow (if not, SSE answers 204)."""
        ...

    async def open(self, channel: Channel) -> None:
        """Say hello and how things stand, and watch."""
        ...

    async def hear(self, text: str | bytes) -> None:
        """Follow a message of the client's."""
        ...

    def close(self) -> None:
        """Stop watching."""
        ...


class _Base:
    """What all streams share."""

    def __init__(self, hub: Hub, reader: Reader, since: Since | None) -> None:
        self._hub = hub
        self._reader = reader
        self._since = since
        self._channel: Channel | None = None
        self._bad = 0

    def hello(self, *, recovered: bool) -> Packet:
        hub = self._hub
        frame = Hello(epoch=hub.epoch, position=hub.position, recovered=recovered, ping_s=hub.ping_s)
        return Packet("hello", encode(frame))

    async def hear(self, text: str | bytes) -> None:
        channel = self._channel
        if channel is None or channel.closing:
            return
        try:
            message = _messages.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._bad += 1
            if self._bad >= BAD_MESSAGES:
                channel.finish(1008, "too many messages that cannot be read")
                return
            await self.reject("malformed_message", str(error)[:500])
            return
        if isinstance(message, Knock):
            await channel.tell(Burst((self._hub.ping(),)))
        else:
            await self.follow(channel, message)

    async def follow(  # what most streams answer to a message that would change them
        self,
        channel: Channel,  # noqa: ARG002  for those that do follow
        message: Subscribe | Unsubscribe | Select,
    ) -> None:
        kind = str(message.__struct_config__.tag)
        await self.reject(
            "wrong_mode", f"`{kind}` has no meaning here: this stream shows what its address names."
        )

    async def reject(self, code: str, detail: str, ids: Iterable[str] = ()) -> None:
        if self._channel is not None:
            frame = Rejected(code=code, detail=detail, ids=tuple(ids))
            await self._channel.tell(Burst((Packet("problem", encode(frame)),)))


class OneWorkflow(_Base):
    """One workflow until its end."""

    def __init__(self, hub: Hub, reader: Reader, workflow_id: str, since: Since | None) -> None:
        super().__init__(hub, reader, since)
        self._id = workflow_id
        self._missed: list[Entry] = []
        self._recovered = False

    async def prepare(self) -> bool:
        """Raise `unknown_workflow`; return False where the client has seen the end."""
        since = self._since
        at_least = since.position if since is not None and since.fits(self._hub.epoch) else 0
        cell = await self._reader.require(self._id, at_least)
        if since is None or not await self._reader.is_real(since):
            return True
        self._recovered = True
        entry = cell.standing
        if entry.position > since.position:
            self._missed = [
                missed for missed in await self._reader.history(self._id) if missed.position > since.position
            ]
        return not (entry.record.status.is_terminal and since.position >= entry.position)

    async def open(self, channel: Channel) -> None:
        """Send what was missed, or the state; a workflow that has ended ends the stream at once."""
        self._channel = channel
        cell = await self._reader.require(self._id)
        while cell.ahead is not None:
            await self._reader.settle(cell)
            cell = await self._reader.require(self._id)
        hub = self._hub
        packets = [self.hello(recovered=self._recovered)]
        told = 0
        before: Entry | None = None
        for entry in self._missed:
            if entry.position <= cell.entry.position:
                packets += hub.status_packets(entry, cell, before)
                before, told = entry, entry.position
        ended = cell.entry.record.status.is_terminal
        if told < cell.entry.position:
            packets.append(hub.snapshot(cell))
            if ended:
                packets.append(hub.end(cell.entry))
        if ended:
            hub.join(channel)
        else:
            hub.watch_one(cell, channel)
        channel.push(Burst(packets, prelude=PRELUDE), (cell,))
        if ended:
            channel.finish(1000, "the workflow has ended")

    def close(self) -> None:
        """Stop watching."""
        if self._channel is not None:
            self._hub.unwatch(self._id, self._channel)
            self._hub.leave(self._channel)


class ManyWorkflows(_Base):
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
        self._hub.join(channel)
        if self._by_id:
            channel.push(Burst((self.hello(recovered=self._recovered),), prelude=PRELUDE))
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
        for workflow_id, known in found.items():
            cell = hub.find(workflow_id) or hub.adopt(known.entry)
            self._ids.add(workflow_id)
            if self._has_seen_end(cell):
                continue
            packets.append(Packet("snapshot", hub.snapshot(cell).json))  # no id: the order is not the log's
            cells.append(cell)
            if cell.entry.record.status.is_terminal:
                packets.append(Packet("end", encode(End(id=cell.id, position=cell.entry.position))))
            else:
                hub.watch_many(cell, channel)
        packets.append(hub.ping())  # from here the log's order holds: resume after this
        channel.push(Burst(packets), cells)
        unknown = [workflow_id for workflow_id in ids if workflow_id not in found]
        if unknown:
            await self.reject("unknown_workflow", "no such workflow", unknown)

    async def _open_filter(self, channel: Channel, *, greet: bool = True) -> None:
        hub = self._hub
        missed = await self._replay() if self._recovered else []
        packets: list[Packet] = []
        if greet:
            packets.append(self.hello(recovered=self._recovered and missed is not None))
        if missed is None:
            packets.append(Packet("resync", encode(Resync(reason="too_long_ago"))))
        cells: dict[str, Cell] = {}
        before: dict[str, Entry] = {}
        latest = {entry.record.id: entry for entry in missed or ()}
        for entry in missed or ():
            workflow_id = entry.record.id
            if self._filter.shows(entry):
                cell = hub.find(workflow_id) or hub.adopt(latest[workflow_id])
                cells[workflow_id] = cell
                packets += hub.status_packets(entry, cell, before.get(workflow_id))
            before[workflow_id] = entry
        for cell in [cell for cell in hub.live() if self._filter.shows(cell.entry)][:LIVE_LIMIT]:
            packets.append(Packet("snapshot", hub.snapshot(cell).json))
            cells[cell.id] = cell
        packets.append(hub.ping())
        hub.watch_filter(self._filter, channel)
        channel.push(Burst(packets, prelude=PRELUDE), tuple(cells.values()))

    async def _replay(self) -> list[Entry] | None:
        """Return the records after the client's place, or None where there are too many to tell.

        Nothing is awaited after the last look at the hub, so the list joins what the hub will say.
        """
        hub, since = self._hub, self._since
        if since is None:
            return []
        if since.position > hub.position and not await hub.reach(since.position, REACH_S):
            return None
        at, found = since.position, list[Entry]()
        while (tail := hub.recent(at)) is None:
            more = await self._log.since(at, 256)
            found += more
            if len(found) > REPLAY_LIMIT or not more:
                return None
            at = more[-1].position
        return found + tail if len(found) + len(tail) <= REPLAY_LIMIT else None

    def _at_least(self) -> int:
        since = self._since
        return since.position if self._recovered and since is not None else 0

    def _has_seen_end(self, cell: Cell) -> bool:
        entry = cell.standing
        return self._recovered and entry.record.status.is_terminal and entry.position <= self._at_least()

    def _finish_if_over(self, channel: Channel) -> None:
        """End a stream whose workflows cannot change and cannot be changed."""
        if self._closes and self._wanted_ids:
            self._hub.finish_when_over(channel, self._ids)


class WorkflowOutput(_Base):
    """What a workflow's process writes, as it writes it; ends with the workflow.

    Lines are read from their stream at the client's own pace; the feed only says that there are more, and
    saves the reading while the client keeps up.
    """

    def __init__(
        self, hub: Hub, reader: Reader, outputs: Outputs, workflow_id: str, after: int, *, seen_end: bool
    ) -> None:
        super().__init__(hub, reader, None)
        self._outputs = outputs
        self._id = workflow_id
        self._after = after
        self._resumed = seen_end
        self._tail = LogTail()
        self._pump: asyncio.Task[None] | None = None

    async def prepare(self) -> bool:
        """Raise `unknown_workflow`; return False where the client has everything."""
        cell = await self._reader.require(self._id)
        if not (self._resumed and cell.standing.record.status.is_terminal):
            return True
        return bool(await self._outputs.lines(self._id, self._after, 1))

    async def open(self, channel: Channel) -> None:
        """Begin to read."""
        self._channel = channel
        self._hub.join(channel)
        self._hub.watch_output(self._id, self._tail)
        self._tail.missed = True  # begin with what is stored
        channel.push(Burst((self.hello(recovered=self._after > 0),), prelude=PRELUDE))
        self._pump = asyncio.create_task(self._run(channel), name=f"edge output {self._id}")

    def close(self) -> None:
        """Stop reading."""
        if self._pump is not None:
            self._pump.cancel()
        self._hub.unwatch(self._id, self._tail)
        if self._channel is not None:
            self._hub.leave(self._channel)

    async def _run(self, channel: Channel) -> None:
        try:
            await self._follow_lines(channel)
        except BusError as error:
            channel.finish(1013, str(error)[:120])
        except (OSError, RuntimeError):  # the client is gone
            channel.dead = True

    async def _follow_lines(self, channel: Channel) -> None:
        tail = self._tail
        while not channel.closing and not self._hub.draining:
            tail.wake.clear()
            cell = await self._reader.find(self._id)
            ended = (
                cell is None or cell.standing.record.status.is_terminal
            )  # asked first: lines come before the end
            if tail.missed or ended:
                tail.missed = False
                await self._read_stored(channel)
            while tail.messages:
                position, logged = tail.messages.popleft()
                await self._tell(channel, position, logged)
            if ended:
                position = cell.standing.position if cell is not None else 0
                frame = End(id=self._id, position=position)
                await channel.tell(Burst((Packet("end", encode(frame), f"{self._after}"),)))
                channel.finish(1000, "the workflow has ended")
                return
            await tail.wake.wait()

    async def _read_stored(self, channel: Channel) -> None:
        while found := await self._outputs.lines(self._id, self._after, OUTPUT_BATCH):
            for position, logged in found:
                await self._tell(channel, position, logged)

    async def _tell(self, channel: Channel, position: int, logged: Logged) -> None:
        if position <= self._after:
            return
        frame = Output(id=self._id, cursor=str(position), lines=logged.lines, dropped=logged.dropped)
        await channel.tell(Burst((Packet("output", encode(frame), str(position)),)))
        self._after = position
