"""The hub: what the edge knows of the log, and who is told.

It is fed by the bus through plain calls on the loop's own thread, in the log's order, and holds in memory
what is watched and what was read or moved lately.  Everything that happens within one turn of the loop
reaches a client as one write.  An event is encoded once, when the first client that wants it is found.

What it promises (`docs/reference/http.md` tells it to clients): a workflow's frames carry positions that
never fall; what a channel could not take is made up by snapshots; the terminal status and its one `end`
always arrive, in the same write.

The known flaw: bytes are shared and not copied, so a client that reads slowly holds on to as much as the
server's write buffer (64 KiB) plus one burst.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from lastword.contracts.frames import Beat, Changed, End, Ping, Progressed, Resync
from lastword.contracts.messages import Logged, ProgressMade, Pulse
from lastword.contracts.records import Entry
from lastword.contracts.views import ExecutorView
from lastword.http.cells import Cell, Overlay, Shown
from lastword.http.channels import Channel
from lastword.http.filters import Filter
from lastword.http.packets import Burst, Packet, encode
from lastword.http.pulses import Pulses

__all__ = ["CLOSE_GONE", "CLOSE_OVERLOADED", "COMMENT", "Hub", "LogTail"]

log = structlog.get_logger(__name__)

MEMORY_BYTES: Final = 64 * 1_048_576  # of records; a cell costs about three times its record
RING_BYTES: Final = 8 * 1_048_576  # of recent records, for streams that come back
RING_RECORDS: Final = 4_096
PROGRESS_KEPT: Final = 65_536  # workflows
CLOSE_GONE: Final = 4200
CLOSE_OVERLOADED: Final = 4100
PING_PARTS: Final = 16  # pings are spread, so that ten thousand clients are not written to in one turn
LOG_TAIL: Final = 64  # messages of output kept for a reader that is behind; beyond it, it reads the stream
COMMENT: Final = b":\n"  # what proxies and libraries take for a sign of life

COMPARED: Final = (
    "status",
    "version",
    "updated_at",
    "started_at",
    "finished_at",
    "executor",
    "error",
    "warnings",
    "usage",
    "progress",
    "result",
    "result_ref",
)


class LogTail:
    """One reader of a workflow's output: what came since it last looked, bounded."""

    __slots__ = ("messages", "missed", "wake")

    def __init__(self) -> None:
        self.messages: deque[tuple[int, Logged]] = deque()
        self.missed = False
        """Whether something was dropped here and must be read from the stream."""
        self.wake = asyncio.Event()

    def add(self, position: int, logged: Logged) -> None:
        """Keep a message; drop all where the reader is too far behind."""
        if len(self.messages) >= LOG_TAIL:
            self.messages.clear()
            self.missed = True
        self.messages.append((position, logged))
        self.wake.set()


class _Watchers:
    """The channels that show one workflow."""

    __slots__ = ("many", "one", "tails")

    def __init__(self) -> None:
        self.one: set[Channel] = set()
        self.many: set[Channel] = set()
        self.tails: set[LogTail] = set()

    def __bool__(self) -> bool:
        return bool(self.one or self.many or self.tails)


class Hub:
    """What is known, and who is told."""

    def __init__(
        self,
        *,
        stale_after_s: float,
        ping_s: float = 15.0,
        stall_s: float = 10.0,
        now: Callable[[], float] | None = None,
        wall: Callable[[], datetime] | None = None,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        """`now` is a monotonic clock in seconds (the loop's); `wall` is only shown, never compared."""
        self._now = now or asyncio.get_running_loop().time
        self._wall = wall or (lambda: datetime.now(UTC))
        self.ping_s = ping_s
        self._stall_s = stall_s
        self._stale_after_s = stale_after_s
        self._memory_bytes = memory_bytes
        self.pulses = Pulses(stale_after_s, self._now)
        self.epoch = ""
        self.position = 0
        """All records up to here have been accepted."""
        self.draining = False
        self._synced = False
        self._cells: OrderedDict[str, Cell] = OrderedDict()
        self._held_bytes = 0
        self._progress: OrderedDict[str, ProgressMade] = OrderedDict()
        self._ring: deque[tuple[Entry, int]] = deque()
        self._ring_bytes = 0
        self._ring_floor = 0
        """Everything after this position is in the ring."""
        self._watchers: dict[str, _Watchers] = {}
        self._groups: dict[Filter, set[Channel]] = {}
        self.channels: set[Channel] = set()
        self._stalled: set[Channel] = set()
        self._left: dict[Channel, set[str]] = {}
        """Of channels that end with the last of their workflows: those that go on."""
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._news: dict[str, tuple[Cell, list[Packet]]] = {}
        self._order: list[tuple[Entry, Cell, Packet, Packet | None]] = []
        self._flushing = False
        self.coalesced = 0
        """Snapshots sent in place of what a slow client missed."""
        self.evicted = 0
        """Clients closed because they did not read."""

    # What the bus says.

    @property
    def is_current(self) -> bool:
        """Whether memory is at most a feed's delay behind the log."""
        return self._synced

    def accept(self, entry: Entry, raw: bytes) -> None:
        """Take in the next record of the log; one that is not the next of its workflow changes nothing."""
        if entry.position <= self.position:
            return
        if not self.position:
            self._ring_floor = entry.position - 1
        self.position = entry.position
        self.pulses.follow(entry)
        self._remember(entry, len(raw))
        cell = self._cells.get(entry.record.id)
        if cell is None:
            cell = self._insert(Cell(entry, len(raw)))
            before = None
        elif entry.position > cell.entry.position:
            before = cell.entry
            cell.entry = entry
            self._held_bytes += len(raw) - cell.size
            cell.size = len(raw)
            cell.turned_at = None
            self._cells.move_to_end(cell.id)
        else:
            before = None
            self._publish_to_groups(entry, cell, None)
            self._schedule()
            return
        if cell.ahead is not None and cell.ahead.position <= entry.position:
            cell.ahead = None
        if entry.record.status.is_terminal:
            self._progress.pop(cell.id, None)
        self._publish_status(entry, cell, before)
        self._schedule()
        self._evict()

    def progress(self, made: ProgressMade) -> None:
        """Take in how far a workflow got."""
        known = self._progress.get(made.id)
        if known is not None and (made.lease, made.revision) <= (known.lease, known.revision):
            return
        cell = self._cells.get(made.id)
        if cell is not None and cell.entry.record.status.is_terminal:
            return
        self._progress[made.id] = made
        self._progress.move_to_end(made.id)
        if len(self._progress) > PROGRESS_KEPT:
            self._progress.popitem(last=False)
        if (
            cell is not None
            and cell.ahead is None
            and cell.entry.lease == made.lease
            and self._is_heard(cell)
        ):
            overlay = self.overlay(cell)
            frame = Progressed(
                id=cell.id,
                position=cell.entry.position,
                revision=made.revision,
                progress=made.progress,
                usage=made.usage,
                waiting_for=made.waiting_for,
                workflow=cell.view(overlay),
            )
            self._publish_overlay(cell, Packet("progress", encode(frame)))

    def pulse(self, pulse: Pulse) -> None:
        """Take in a beat of an executor, when it is heard."""
        self._turn(self.pulses.beat(pulse))

    def pulse_expired(self, executor: str) -> None:
        """Take in that the server has dropped an executor's last beat."""
        self._turn(self.pulses.expire(executor))

    def logged(self, position: int, logged: Logged) -> None:
        """Take in some lines of output, with their position in the stream of lines."""
        watchers = self._watchers.get(logged.id)
        if watchers is not None:
            for tail in watchers.tails:
                tail.add(position, logged)

    def synced(self, epoch: str, position: int) -> None:
        """Take in that the feed has delivered everything up to `position` of the log `epoch`."""
        if self.epoch and epoch != self.epoch:
            log.warning("edge.epoch_changed", previous=self.epoch, epoch=epoch)
            self._begin_anew(position)
        self.epoch = epoch
        if not self.position:
            self._ring_floor = position
        self.position = max(self.position, position)
        self._synced = True
        self.pulses.resume()
        self._schedule()

    def lost(self) -> None:
        """Take in that the feed is broken: memory may be old from now on."""
        self._synced = False
        self.pulses.suspend()

    def _begin_anew(self, position: int) -> None:
        """Another log: nothing known means anything. Clients are told, and come back to the new one."""
        self._cells.clear()
        self._held_bytes = 0
        self._progress.clear()
        self._ring.clear()
        self._ring_bytes = 0
        self._ring_floor = position
        self.position = position
        self._news.clear()
        self._order.clear()
        self.pulses = Pulses(self._stale_after_s, self._now)
        burst = Burst((Packet("resync", encode(Resync(reason="epoch"))),))
        for channel in tuple(self.channels):
            channel.push(burst)
            channel.finish(CLOSE_GONE, "another log")

    # What readers ask.

    def find(self, workflow_id: str) -> Cell | None:
        """Return what is remembered of a workflow, or None. It is the truth only while `is_current`."""
        return self._cells.get(workflow_id)

    def adopt(self, entry: Entry, size: int = 2_048) -> Cell:
        """Remember a record that was read from the log's leader; return the workflow's cell.

        Live streams are not told: the feed will bring them the record in its turn.
        """
        cell = self._cells.get(entry.record.id)
        if cell is None:
            self.pulses.adopt(entry)
            cell = self._insert(Cell(entry, size))
            self._evict()
        elif entry.position > cell.standing.position:
            self.pulses.adopt(entry)
            if entry.position <= self.position or not self._is_heard(cell):
                cell.entry, cell.ahead = entry, None
            else:
                cell.ahead = entry
        return cell

    def lift(self, cell: Cell) -> None:
        """Show the record that was read ahead of the feed: it is late, and a client waits."""
        if cell.ahead is not None:
            before, cell.entry, cell.ahead = cell.entry, cell.ahead, None
            if cell.id in self._watchers:
                packets = self.status_packets(cell.entry, cell, before)
                self._news.setdefault(cell.id, (cell, []))[1].extend(packets)
                self._flush()

    def overlay(self, cell: Cell) -> Overlay:
        """Return what is known of a workflow beside its newest record."""
        entry = cell.standing
        lease = entry.lease
        if lease is None:
            return Overlay(None, None, None, None)
        made = self._progress.get(cell.id)
        if made is not None and made.lease != lease:
            made = None
        heartbeat, at = self.pulses.standing(entry)
        return Overlay(made, heartbeat, at, cell.turned_at)

    def shown(self, cell: Cell) -> Shown:
        """Return a workflow's newest state with its bytes and headers."""
        return cell.shown(self.epoch, self.overlay(cell))

    def progress_of(self, workflow_id: str) -> ProgressMade | None:
        """Return the last progress heard of a workflow."""
        return self._progress.get(workflow_id)

    def executors(self) -> tuple[ExecutorView, ...]:
        """Return the executors heard of lately."""
        return self.pulses.executors()

    async def reach(self, position: int, timeout_s: float) -> bool:
        """Wait until the feed has come to `position`; False where it does not in time."""
        if self.position >= position:
            return True
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((position, reached))
        try:
            async with asyncio.timeout(timeout_s):
                await reached
        except TimeoutError:
            return False
        finally:
            self._waiting = [pair for pair in self._waiting if pair[1] is not reached]
        return True

    def live(self) -> list[Cell]:
        """Return what is remembered of the workflows that executors hold, by position."""
        cells = [
            self._cells[workflow_id] for workflow_id in self.pulses.live_ids() if workflow_id in self._cells
        ]
        return sorted(cells, key=lambda cell: cell.entry.position)

    def recent(self, after: int) -> list[Entry] | None:
        """Return the records after a position, or None where memory does not reach so far back."""
        if after < self._ring_floor:
            return None
        return [entry for entry, _ in self._ring if entry.position > after]

    # Who is told.

    def watch_one(self, cell: Cell, channel: Channel) -> None:
        """Show one workflow, and nothing else, to a channel; it is closed after the workflow's end."""
        self._watch(cell.id).one.add(channel)
        self.channels.add(channel)

    def watch_many(self, cell: Cell, channel: Channel) -> None:
        """Show one workflow more to a channel."""
        self._watch(cell.id).many.add(channel)

    def watch_filter(self, wanted: Filter, channel: Channel) -> None:
        """Show every workflow that a filter shows to a channel."""
        self._groups.setdefault(wanted, set()).add(channel)
        self.channels.add(channel)

    def watch_output(self, workflow_id: str, tail: LogTail) -> None:
        """Repeat a workflow's output to a reader."""
        self._watch(workflow_id).tails.add(tail)

    def join(self, channel: Channel) -> None:
        """Count a channel in, for pings and for the end."""
        self.channels.add(channel)

    def unwatch(self, workflow_id: str, watcher: Channel | LogTail) -> None:
        """Show a workflow no longer."""
        watchers = self._watchers.get(workflow_id)
        if watchers is None:
            return
        if isinstance(watcher, LogTail):
            watchers.tails.discard(watcher)
        else:
            watchers.one.discard(watcher)
            watchers.many.discard(watcher)
        if not watchers:
            del self._watchers[workflow_id]

    def unwatch_filter(self, wanted: Filter, channel: Channel) -> None:
        """Stop a filter."""
        group = self._groups.get(wanted)
        if group is not None:
            group.discard(channel)
            if not group:
                del self._groups[wanted]

    def finish_when_over(self, channel: Channel, workflow_ids: Iterable[str]) -> None:
        """End a channel once all of these workflows have ended."""
        left = {workflow_id for workflow_id in workflow_ids if not self._has_ended(workflow_id)}
        if left:
            self._left[channel] = left
        else:
            channel.finish(1000, "the workflows have ended")

    def leave(self, channel: Channel) -> None:
        """Count a channel out."""
        self.channels.discard(channel)
        self._left.pop(channel, None)
        channel.forget()

    def snapshot(self, cell: Cell) -> Packet:
        """Return the snapshot frame of a workflow as the feed has it."""
        return cell.snapshot(self.epoch, self.overlay(cell))

    def end(self, entry: Entry) -> Packet:
        """Return the frame after which nothing follows."""
        frame = End(id=entry.record.id, position=entry.position)
        return Packet("end", encode(frame), f"{self.epoch}:{entry.position}")

    def ping(self) -> Packet:
        """Return a sign of life that says how far the log has come."""
        return Packet("ping", encode(Ping(position=self.position)), f"{self.epoch}:{self.position}")

    def status_packets(self, entry: Entry, cell: Cell, before: Entry | None) -> list[Packet]:
        """Return the frames of one accepted status, with its `end` where it is terminal."""
        record = entry.record
        ended = record.status.is_terminal
        if cell.entry.position == entry.position:
            workflow = cell.view(self.overlay(cell))
        else:
            workflow = Cell(entry, 0).view(Overlay(None, None, None, None))
        frame = Changed(previous=record.previous, changed=_changed(before, entry), workflow=workflow)
        packet = Packet("status", encode(frame), None if ended else f"{self.epoch}:{entry.position}")
        return [packet, self.end(entry)] if ended else [packet]

    # What a channel asks (see `channels.Desk`).

    def catch_up(self, cells: Iterable[Cell], *, overflow: bool) -> Burst:
        """Return the latest of what a slow client missed."""
        packets: list[Packet] = []
        if overflow:
            packets.append(Packet("resync", encode(Resync(reason="overload"))))
        for cell in sorted(cells, key=lambda cell: cell.entry.position):
            packets.append(self.snapshot(cell))
            self.coalesced += 1
            if cell.entry.record.status.is_terminal:
                packets.append(self.end(cell.entry))
        return Burst(packets)

    def stalled(self, channel: Channel) -> None:
        """Watch a client that does not read."""
        self._stalled.add(channel)

    def recovered(self, channel: Channel) -> None:
        """Stop watching it."""
        self._stalled.discard(channel)

    # What time brings.

    async def keep_time(self) -> None:
        """Turn heartbeats stale, send pings, close the stalled and the old, until cancelled."""
        parts: list[list[Channel]] = []
        interval_s = min(self.ping_s / PING_PARTS, max(self._stale_after_s / 8, 0.02), 1.0)
        next_ping = self._now() + self.ping_s / PING_PARTS
        while True:
            await asyncio.sleep(interval_s)
            self._turn(self.pulses.sweep())
            self._close_stalled()
            now = self._now()
            if now < next_ping:
                continue
            next_ping = max(next_ping + self.ping_s / PING_PARTS, now)
            if not parts:
                everyone = list(self.channels)
                size = -(-len(everyone) // PING_PARTS)
                parts = [everyone[i * size : (i + 1) * size] for i in range(PING_PARTS)]
            part = parts.pop()
            if part:
                self._ping(part, now)

    def drain(self) -> None:
        """End every stream: a last ping says how far the client got, then it is sent away to come back."""
        self.draining = True
        self._flush()
        last = Burst((self.ping(),), prelude=b"retry: 500\n")
        for channel in tuple(self.channels):
            channel.push(last)
            channel.finish(CLOSE_GONE, "server going away")
        for watchers in self._watchers.values():
            for tail in watchers.tails:
                tail.wake.set()

    def _ping(self, part: Sequence[Channel], now: float) -> None:
        burst = Burst((self.ping(),), prelude=COMMENT)
        for channel in part:
            if channel not in self.channels:
                continue
            channel.push(burst)
            if now > channel.until:
                channel.finish(CLOSE_GONE, "connection is old; come back")

    def _close_stalled(self) -> None:
        if not self._stalled:
            return
        limit = self._now() - self._stall_s
        for channel in tuple(self._stalled):
            if channel.stalled_at is not None and channel.stalled_at < limit:
                self.evicted += 1
                log.info("edge.client_evicted", stalled_s=self._stall_s)
                self.leave(channel)
                if channel.abort is not None:
                    channel.abort(CLOSE_OVERLOADED, "not reading")

    # Inside.

    def _is_heard(self, cell: Cell) -> bool:
        return cell.id in self._watchers or bool(self._groups)

    def _has_ended(self, workflow_id: str) -> bool:
        cell = self._cells.get(workflow_id)
        return cell is not None and cell.entry.record.status.is_terminal

    def _watch(self, workflow_id: str) -> _Watchers:
        watchers = self._watchers.get(workflow_id)
        if watchers is None:
            watchers = self._watchers[workflow_id] = _Watchers()
        return watchers

    def _turn(self, workflow_ids: Iterable[str]) -> None:
        """Tell of heartbeats that became stale, or fresh again."""
        for workflow_id in workflow_ids:
            cell = self._cells.get(workflow_id)
            if cell is None:
                continue
            cell.turned_at = self._wall()
            if cell.ahead is not None or not self._is_heard(cell):
                continue
            overlay = self.overlay(cell)
            if overlay.heartbeat is None:
                continue
            frame = Beat(
                id=workflow_id,
                position=cell.entry.position,
                heartbeat=overlay.heartbeat,
                last_heartbeat_at=overlay.last_heartbeat_at,
                workflow=cell.view(overlay),
            )
            self._publish_overlay(cell, Packet("heartbeat", encode(frame)))

    def _publish_status(self, entry: Entry, cell: Cell, before: Entry | None) -> None:
        packets: list[Packet] | None = None
        if cell.id in self._watchers:
            packets = self.status_packets(entry, cell, before)
            self._news.setdefault(cell.id, (cell, []))[1].extend(packets)
        self._publish_to_groups(entry, cell, packets)

    def _publish_to_groups(self, entry: Entry, cell: Cell, packets: list[Packet] | None) -> None:
        if self._groups:
            packets = packets or self.status_packets(entry, cell, None)
            self._order.append((entry, cell, packets[0], packets[1] if len(packets) > 1 else None))

    def _publish_overlay(self, cell: Cell, packet: Packet) -> None:
        if cell.id in self._watchers:
            packets = self._news.setdefault(cell.id, (cell, []))[1]
            if packets and packets[-1].tag == packet.tag:
                packets[-1] = packet  # within one turn of the loop the last one is enough
            else:
                packets.append(packet)
        if self._groups:
            self._order.append((cell.entry, cell, packet, None))
        self._schedule()

    def _schedule(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Send what this turn of the loop has brought: one write per client."""
        self._flushing = False
        for position, reached in self._waiting:
            if position <= self.position and not reached.done():
                reached.set_result(None)
        news, self._news = self._news, {}
        order, self._order = self._order, []
        several: dict[Channel, tuple[list[Packet], list[Cell]]] = {}
        for cell, packets in news.values():
            watchers = self._watchers.get(cell.id)
            if watchers is not None:
                self._flush_one(cell, packets, watchers, several)
        for channel, (packets, cells) in several.items():
            channel.push(Burst(packets), cells)
            self._finish_if_over(channel, cells)
        if order:
            self._flush_groups(order)

    def _flush_one(
        self,
        cell: Cell,
        packets: list[Packet],
        watchers: _Watchers,
        several: dict[Channel, tuple[list[Packet], list[Cell]]],
    ) -> None:
        """Send one workflow's news to those that show it alone, and gather it for those that show several."""
        ended = cell.entry.record.status.is_terminal
        if watchers.one:
            burst, cells = Burst(packets), (cell,)
            for channel in tuple(watchers.one):
                channel.push(burst, cells)
                if ended:
                    channel.finish(1000, "the workflow has ended")
        for channel in watchers.many:
            mine = several.setdefault(channel, ([], []))
            mine[0].extend(packets)
            mine[1].append(cell)
        if ended:
            watchers.many.clear()  # nothing follows
            for tail in watchers.tails:
                tail.wake.set()
            if not watchers:
                del self._watchers[cell.id]

    def _finish_if_over(self, channel: Channel, cells: Iterable[Cell]) -> None:
        left = self._left.get(channel)
        if left is not None:
            left.difference_update(cell.id for cell in cells if cell.entry.record.status.is_terminal)
            if not left:
                channel.finish(1000, "the workflows have ended")

    def _flush_groups(self, order: Sequence[tuple[Entry, Cell, Packet, Packet | None]]) -> None:
        for wanted, group in tuple(self._groups.items()):
            packets: list[Packet] = []
            cells: list[Cell] = []
            for entry, cell, packet, end in order:
                if wanted.shows(entry):
                    packets.append(packet)
                    cells.append(cell)
                    if end is not None:
                        packets.append(end)
            if packets:
                burst = Burst(packets)
                for channel in tuple(group):
                    channel.push(burst, cells)

    def _remember(self, entry: Entry, size: int) -> None:
        """Keep the newest records, in order, for streams that come back."""
        self._ring.append((entry, size))
        self._ring_bytes += size
        while len(self._ring) > 1 and (self._ring_bytes > RING_BYTES or len(self._ring) > RING_RECORDS):
            oldest, oldest_size = self._ring.popleft()
            self._ring_bytes -= oldest_size
            self._ring_floor = oldest.position

    def _insert(self, cell: Cell) -> Cell:
        self._cells[cell.id] = cell
        self._held_bytes += cell.size
        return cell

    def _evict(self) -> None:
        """Forget what was not touched for longest and is not watched, until memory is within its bound."""
        tries = len(self._cells)
        while self._held_bytes > self._memory_bytes and tries:
            tries -= 1
            workflow_id, cell = self._cells.popitem(last=False)
            if workflow_id in self._watchers:
                self._cells[workflow_id] = cell
            else:
                self._held_bytes -= cell.size


def _changed(before: Entry | None, entry: Entry) -> tuple[str, ...]:
    """Name the fields that differ from the record before; without one, those that a status always moves."""
    if before is None:
        return ("status",) if entry.record.previous is not None else COMPARED
    old, new = before.record, entry.record
    names = {"updated_at": "at"}
    return tuple(
        name
        for name in COMPARED
        if getattr(old, names.get(name, name)) != getattr(new, names.get(name, name))
    )
