"""The live stream of what a workflow's process writes."""

import asyncio
from typing import Final

from lastword.bus.exceptions import BusError
from lastword.contracts.frames import End, Output
from lastword.contracts.messages import Logged
from lastword.http.channels import Channel
from lastword.http.hub import Hub
from lastword.http.packets import Burst, Packet, encode
from lastword.http.ports import Outputs
from lastword.http.reader import Reader
from lastword.http.streams import PRELUDE, BaseStream
from lastword.http.tails import LogTail

__all__ = ["WorkflowOutput"]

OUTPUT_BATCH: Final = 100  # messages of output read at once


class WorkflowOutput(BaseStream):
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
        channel.follows_log = False
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
