"""What one turn of the loop has to say, gathered, and sent as one write per client."""

from collections.abc import Sequence
from typing import NamedTuple

from lastword.contracts.records import Entry
from lastword.http.audience import Audience, Watchers
from lastword.http.cells import Cell
from lastword.http.channels import Channel
from lastword.http.filters import Filter
from lastword.http.packets import Burst, Packet

__all__ = ["Outbox"]


class _Said(NamedTuple):
    """Something for filters, in the log's order."""

    entry: Entry
    cell: Cell
    packets: Sequence[Packet]
    is_record: bool
    """Whether this is the record's own news, or something beside it: who leaves by a record is told it."""

    def concerns(self, wanted: Filter) -> bool:
        return wanted.tells(self.entry) if self.is_record else wanted.holds(self.entry)


class Outbox:
    """Gathers packets by workflow and, for filters, in the log's order."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._news: dict[str, tuple[Cell, list[Packet]]] = {}
        self._order: list[_Said] = []

    def add(self, cell: Cell, packets: Sequence[Packet]) -> None:
        """Tell those that watch a workflow."""
        self._news.setdefault(cell.id, (cell, []))[1].extend(packets)

    def add_overlay(self, cell: Cell, packet: Packet, *, to_groups: bool) -> None:
        """Tell everyone of something beside the log; within one turn the last of a kind is enough.

        Filters are shown the log in its order, so only what the feed has reached may go `to_groups`.
        """
        if cell.id in self._audience:
            packets = self._news.setdefault(cell.id, (cell, []))[1]
            if packets and packets[-1].tag == packet.tag:
                packets[-1] = packet
            else:
                packets.append(packet)
        if to_groups and self._audience.groups:
            self._order.append(_Said(cell.entry, cell, (packet,), is_record=False))

    def add_to_groups(self, entry: Entry, cell: Cell, packets: Sequence[Packet]) -> None:
        """Tell those whose filter `entry` concerns."""
        self._order.append(_Said(entry, cell, packets, is_record=True))

    def clear(self) -> None:
        """Say nothing of what was gathered."""
        self._news.clear()
        self._order.clear()

    def flush(self) -> None:
        """Send what was gathered."""
        news, self._news = self._news, {}
        order, self._order = self._order, []
        several: dict[Channel, tuple[list[Packet], list[Cell]]] = {}
        for cell, packets in news.values():
            watchers = self._audience.of(cell.id)
            if watchers is not None:
                self._send_one(cell, packets, watchers, several)
        for channel, (packets, cells) in several.items():
            channel.push(Burst(packets), cells)
            self._audience.ended(channel, [cell.id for cell in cells if cell.has_ended])
        if order:
            self._send_groups(order)

    def _send_one(
        self,
        cell: Cell,
        packets: list[Packet],
        watchers: Watchers,
        several: dict[Channel, tuple[list[Packet], list[Cell]]],
    ) -> None:
        """Send one workflow's news to those that show it alone, and gather it for those that show several."""
        if watchers.one:
            burst, cells = Burst(packets), (cell,)
            for channel in tuple(watchers.one):
                channel.push(burst, cells)
                if cell.has_ended:
                    channel.finish(1000, "the workflow has ended")
        for channel in watchers.many:
            mine = several.setdefault(channel, ([], []))
            mine[0].extend(packets)
            mine[1].append(cell)
        if cell.has_ended:
            watchers.many.clear()  # nothing follows
            for tail in watchers.tails:
                tail.wake.set()
            self._audience.tidy(cell.id)

    def _send_groups(self, order: Sequence[_Said]) -> None:
        for wanted, group in tuple(self._audience.groups.items()):
            packets: list[Packet] = []
            cells: list[Cell] = []
            for said in order:
                if said.concerns(wanted):
                    packets += said.packets
                    cells.append(said.cell)
            if packets:
                burst = Burst(packets)
                for channel in tuple(group):
                    channel.push(burst, cells)
