"""The live stream of one workflow, until its end."""

from lastword.contracts.records import Entry
from lastword.http.channels import Channel
from lastword.http.hub import Hub
from lastword.http.packets import Burst
from lastword.http.reader import Reader, Since
from lastword.http.streams import PRELUDE, BaseStream

__all__ = ["OneWorkflow"]


class OneWorkflow(BaseStream):
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
        if entry.position > since.told:
            self._missed = [
                missed for missed in await self._reader.history(self._id) if missed.position > since.told
            ]
        return not (entry.record.status.is_terminal and since.told >= entry.position)

    async def open(self, channel: Channel) -> None:
        """Send what was missed, or the state; a workflow that has ended ends the stream at once."""
        self._channel = channel
        cell = await self._reader.require(self._id)
        while cell.ahead is not None:
            await self._reader.settle(cell)
            cell = await self._reader.require(self._id)
        hub = self._hub
        hub.flush()
        packets = [self.hello(recovered=self._recovered)]
        told = -1  # what is from before the log stands at 0
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
