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
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog

from lastword.contracts.messages import Logged, ProgressMade, Pulse
from lastword.contracts.records import Entry
from lastword.contracts.views import ExecutorView
from lastword.http import notices
from lastword.http.audience import Audience
from lastword.http.cells import Cell, Overlay, Shown
from lastword.http.channels import Channel
from lastword.http.filters import Filter
from lastword.http.memory import MEMORY_BYTES, Memory
from lastword.http.outbox import Outbox
from lastword.http.packets import Burst, Packet, encode
from lastword.http.pulses import Pulses
from lastword.http.tails import LogTail
from lastword.http.trail import Trail

__all__ = ["CLOSE_GONE", "CLOSE_OVERLOADED", "COMMENT", "Hub"]

log = structlog.get_logger(__name__)

CLOSE_GONE: Final = 4200
CLOSE_OVERLOADED: Final = 4100
PING_PARTS: Final = 16  # pings are spread, so that ten thousand clients are not written to in one turn
COMMENT: Final = b":\n"  # what proxies and libraries take for a sign of life


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
        self.pulses = Pulses(stale_after_s, self._now)
        self.trail = Trail(self._wall)
        self.epoch = ""
        self.position = 0
        """All records up to here have been accepted."""
        self.draining = False
        self._synced = False
        self._audience = Audience()
        self._memory = Memory(self._audience, memory_bytes)
        self._outbox = Outbox(self._audience)
        self._stalled: set[Channel] = set()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
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
            self._memory.begin(entry.position - 1)
        self.position = entry.position
        self.pulses.follow(entry)
        self._memory.append(entry, len(raw))
        cell, before, is_news = self._take_in(entry, len(raw))
        if cell.ahead is not None and cell.ahead.position <= entry.position:
            cell.ahead = None
        if entry.record.status.is_terminal:
            self._memory.drop_progress(cell.id)
        self._publish(entry, cell, before, watched=is_news and cell.id in self._audience)
        self._schedule()
        self._memory.evict()

    def _take_in(self, entry: Entry, size: int) -> tuple[Cell, Entry | None, bool]:
        """Return the record's cell, the record before it, and whether the cell did not have it yet."""
        cell = self._memory.find(entry.record.id)
        if cell is None:
            return self._memory.insert(entry, size), None, True
        before = cell.entry
        if entry.position <= before.position:  # it was read before the feed brought it
            return cell, None, False
        self._memory.renew(cell, entry, size)
        return cell, before, True

    def progress(self, made: ProgressMade) -> None:
        """Take in how far a workflow got."""
        if not self._memory.keep_progress(made):
            return
        cell = self._memory.find(made.id)
        if (
            cell is not None
            and cell.ahead is None
            and cell.entry.lease == made.lease
            and self._is_heard(cell)
        ):
            self._tell_beside(cell, notices.progress(cell, made, self.overlay(cell)))

    def pulse(self, pulse: Pulse) -> None:
        """Take in a beat of an executor, when it is heard."""
        self._turn(self.pulses.beat(pulse))

    def pulse_expired(self, executor: str) -> None:
        """Take in that the server has dropped an executor's last beat."""
        self._turn(self.pulses.expire(executor))

    def logged(self, position: int, logged: Logged) -> None:
        """Take in some lines of output, with their position in the stream of lines."""
        watchers = self._audience.of(logged.id)
        if watchers is not None:
            for tail in watchers.tails:
                tail.add(position, logged)

    def synced(self, epoch: str, position: int) -> None:
        """Take in that the feed has delivered everything up to `position` of the log `epoch`."""
        if self.epoch and epoch != self.epoch:
            self._begin_anew(epoch, position)
        self.epoch = epoch
        if not self.position:
            self._memory.begin(position)
        self.position = max(self.position, position)
        self._synced = True
        self.pulses.resume()
        self._schedule()

    def lost(self) -> None:
        """Take in that the feed is broken: memory may be old from now on."""
        self._synced = False
        self.pulses.suspend()

    def renew(self, epoch: str) -> None:
        """Take in that what follows comes from another log, from its beginning."""
        self._synced = False
        self._begin_anew(epoch, 0)

    def _begin_anew(self, epoch: str, position: int) -> None:
        """Another log: nothing known means anything. Clients are told, and come back to the new one."""
        log.warning("edge.epoch_changed", previous=self.epoch, epoch=epoch)
        self.epoch = epoch
        self._memory.clear(position)
        self._outbox.clear()
        self.position = position
        self.pulses = Pulses(self._stale_after_s, self._now)
        burst = Burst((notices.resync("epoch"),))
        for channel in tuple(self._audience.channels):
            channel.push(burst)
            channel.finish(CLOSE_GONE, "another log")

    # What readers ask.

    def find(self, workflow_id: str) -> Cell | None:
        """Return what is remembered of a workflow, or None. It is the truth only while `is_current`."""
        return self._memory.find(workflow_id)

    def adopt(self, entry: Entry) -> Cell:
        """Remember a record that was read from the log's leader; return the workflow's cell.

        Live streams are not told: the feed will bring them the record in its turn.
        """
        cell = self._memory.find(entry.record.id)
        if cell is None:
            self.pulses.adopt(entry)
            cell = self._memory.insert(entry, len(encode(entry.record)))
            self._memory.evict()
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
            if cell.id in self._audience:
                self._outbox.add(cell, self.status_packets(cell.entry, cell, before))
                self.flush()

    def overlay(self, cell: Cell) -> Overlay:
        """Return what is known of a workflow beside its newest record."""
        entry = cell.standing
        lease = entry.lease
        if lease is None:
            return Overlay(None, None, None, None)
        made = self._memory.progress_of(cell.id)
        if made is not None and made.lease != lease:
            made = None
        heartbeat, at = self.pulses.standing(entry)
        return Overlay(made, heartbeat, at, cell.turned_at)

    def shown(self, cell: Cell) -> Shown:
        """Return a workflow's newest state with its bytes and headers."""
        return cell.shown(self.epoch, self.overlay(cell))

    def progress_of(self, workflow_id: str) -> ProgressMade | None:
        """Return the last progress heard of a workflow."""
        return self._memory.progress_of(workflow_id)

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
        cells = [cell for cell in map(self._memory.find, self.pulses.live_ids()) if cell is not None]
        return sorted(cells, key=lambda cell: cell.entry.position)

    def recent(self, after: int) -> list[Entry] | None:
        """Return the records after a position, or None where memory does not reach so far back."""
        return self._memory.recent(after)

    # Who is told.

    @property
    def channels(self) -> set[Channel]:
        """The live streams that are open."""
        return self._audience.channels

    def watch_one(self, cell: Cell, channel: Channel) -> None:
        """Show one workflow, and nothing else, to a channel; it is closed after the workflow's end."""
        self._audience.watch(cell.id).one.add(channel)
        self.join(channel)

    def watch_many(self, cell: Cell, channel: Channel) -> None:
        """Show one workflow more to a channel."""
        self._audience.watch(cell.id).many.add(channel)

    def watch_filter(self, wanted: Filter, channel: Channel) -> None:
        """Show every workflow that a filter shows to a channel."""
        self._audience.select(wanted, channel)

    def watch_output(self, workflow_id: str, tail: LogTail) -> None:
        """Repeat a workflow's output to a reader."""
        self._audience.watch(workflow_id).tails.add(tail)

    def join(self, channel: Channel) -> None:
        """Count a channel in, for pings and for the end."""
        self._audience.channels.add(channel)

    def unwatch(self, workflow_id: str, watcher: Channel | LogTail) -> None:
        """Show a workflow no longer."""
        self._audience.unwatch(workflow_id, watcher)

    def unwatch_filter(self, wanted: Filter, channel: Channel) -> None:
        """Stop a filter."""
        self._audience.unselect(wanted, channel)

    def finish_when_over(self, channel: Channel, workflow_ids: Iterable[str]) -> None:
        """End a channel once all of these workflows have ended."""
        cells = ((workflow_id, self._memory.find(workflow_id)) for workflow_id in workflow_ids)
        left = {workflow_id for workflow_id, cell in cells if cell is None or not cell.has_ended}
        self._audience.end_with(channel, left)

    def leave(self, channel: Channel) -> None:
        """Count a channel out."""
        self._audience.leave(channel)

    # What they are told.

    def snapshot(self, cell: Cell) -> Packet:
        """Return the snapshot frame of a workflow as the feed has it."""
        return cell.snapshot(self.epoch, self.overlay(cell))

    def end(self, entry: Entry) -> Packet:
        """Return the frame after which nothing follows."""
        return notices.end(self.epoch, entry)

    def ping(self) -> Packet:
        """Return a sign of life that says how far the log has come.

        A client resumes after the position that it was told last.  So whoever watches is first told what
        this turn has brought up to there: an end behind a ping would be lost with the connection.
        """
        self.flush()
        return notices.ping(self.epoch, self.position)

    def status_packets(self, entry: Entry, cell: Cell, before: Entry | None) -> list[Packet]:
        """Return the frames of one accepted status, with its `end` where it is terminal."""
        return notices.status(self.epoch, entry, cell, self.overlay(cell), before)

    def flush(self) -> None:
        """Send what this turn of the loop has brought: one write per client.

        Whoever begins to watch has this done before it looks, or it would be told again what it saw.
        """
        self._flushing = False
        for position, reached in self._waiting:
            if position <= self.position and not reached.done():
                reached.set_result(None)
        self._outbox.flush()

    # What a channel asks (see `channels.Desk`).

    def catch_up(self, cells: Iterable[Cell], *, overflow: bool) -> Burst:
        """Return the latest of what a slow client missed."""
        packets: list[Packet] = []
        if overflow:
            packets.append(notices.resync("overload"))
        for cell in sorted(cells, key=lambda cell: cell.entry.position):
            packets.append(self.snapshot(cell))
            self.coalesced += 1
            if cell.has_ended:
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
        """Turn heartbeats stale, send pings, close the stalled and the old, note vitals, until cancelled."""
        parts: list[list[Channel]] = []
        interval_s = min(self.ping_s / PING_PARTS, max(self._stale_after_s / 8, 0.02), 1.0)
        next_ping = self._now() + self.ping_s / PING_PARTS
        while True:
            await asyncio.sleep(interval_s)
            self._turn(self.pulses.sweep())
            self._close_stalled()
            slots, load = self.pulses.capacity()
            self.trail.sample(stale=self.pulses.stale, executors=self.pulses.count(), slots=slots, load=load)
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
        last, bare = self._pings(prelude=b"retry: 500\n")
        for channel in tuple(self.channels):
            channel.push(last if channel.follows_log else bare)
            channel.finish(CLOSE_GONE, "server going away")
        self._audience.wake_tails()

    def _ping(self, part: Sequence[Channel], now: float) -> None:
        ping, bare = self._pings(prelude=COMMENT)
        for channel in part:
            if channel not in self.channels:
                continue
            channel.push(ping if channel.follows_log else bare)
            if now > channel.until:
                channel.finish(CLOSE_GONE, "connection is old; come back")

    def _pings(self, prelude: bytes) -> tuple[Burst, Burst]:
        """Return a ping for those who resume by the log's position, and one for those who do not."""
        ping = self.ping()
        return Burst((ping,), prelude), Burst((Packet(ping.tag, ping.json),), prelude)

    def _close_stalled(self) -> None:
        if not self._stalled:
            return
        limit = self._now() - self._stall_s
        for channel in tuple(self._stalled):
            if channel.stalled_at is not None and channel.stalled_at < limit:
                self.evicted += 1
                log.info("edge.client_evicted", stalled_s=self._stall_s)
                self.leave(channel)
                channel.evict(CLOSE_OVERLOADED, "not reading")

    # Inside.

    def _is_heard(self, cell: Cell) -> bool:
        return cell.id in self._audience or bool(self._audience.groups)

    def _turn(self, workflow_ids: Iterable[str]) -> None:
        """Tell of heartbeats that became stale, or fresh again."""
        for workflow_id in workflow_ids:
            cell = self._memory.find(workflow_id)
            if cell is None:
                continue
            cell.turned_at = self._wall()
            if cell.ahead is not None or not self._is_heard(cell):
                continue
            overlay = self.overlay(cell)
            if overlay.heartbeat is not None:
                packet = notices.beat(cell, overlay.heartbeat, overlay.last_heartbeat_at, overlay)
                self._tell_beside(cell, packet)

    def _tell_beside(self, cell: Cell, packet: Packet) -> None:
        """Tell of something beside the log; filters hear of no record that the feed has not brought yet."""
        self._outbox.add_overlay(cell, packet, to_groups=cell.entry.position <= self.position)
        self._schedule()

    def _publish(self, entry: Entry, cell: Cell, before: Entry | None, *, watched: bool) -> None:
        """Tell of a record; to filters it goes in the log's order, whoever has read it before."""
        if watched or self._audience.groups:
            packets = self.status_packets(entry, cell, before)
            if watched:
                self._outbox.add(cell, packets)
            if self._audience.groups:
                self._outbox.add_to_groups(entry, cell, packets)

    def _schedule(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self.flush)
