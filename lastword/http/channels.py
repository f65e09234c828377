"""One client's side of a live stream: written to without a task, and bounded when it does not read.

Where our own server holds the connection, a write is one plain call.  On another server, or when that call
declines, the hub drives the ASGI `send` by hand (`coroutine.send(None)`): it does not suspend unless the
socket pushes back, so no task is woken per client.  Only where it does suspend, a task takes over, and from
then on the channel remembers *which workflows* have news, not the news: when the client reads again it
gets one snapshot of each as it then stands.  After something was left out a snapshot is right where a
difference is not.
"""

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from typing import Any, Final, Protocol

from lastword.http.cells import Cell
from lastword.http.packets import CLOSE_SSE, Burst, Connection, Message, Wire

__all__ = ["Channel", "Desk"]

PENDING_LIMIT: Final = 1_024  # workflows with untold news; beyond it the client is told to load anew


class Desk(Protocol):
    """Where a channel that reads again asks what it missed."""

    def flush(self) -> None:
        """Tell everyone what is known by now: a channel that does not read notes it as news."""
        ...

    def catch_up(self, cells: Iterable[Cell], *, overflow: bool) -> Burst:
        """Return the latest of each workflow, in order of position."""
        ...

    def stalled(self, channel: "Channel") -> None:
        """Watch a client that does not read."""
        ...

    def recovered(self, channel: "Channel") -> None:
        """Stop watching: it has read, or it is gone."""
        ...


@types.coroutine
def _resume(coroutine: Coroutine[Any, Any, None], waiting_for: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that was driven by hand until it waited for something."""
    while True:
        try:
            value = yield waiting_for
        except BaseException as error:  # noqa: BLE001  it is handed on, `CancelledError` included
            try:
                waiting_for = coroutine.throw(error)
            except StopIteration:
                return
        else:
            try:
                waiting_for = coroutine.send(value)
            except StopIteration:
                return


class Channel:
    """One client."""

    __slots__ = (
        "_clock",
        "_closed",
        "_closing",
        "_connection",
        "_desk",
        "_overflow",
        "_pending",
        "_send",
        "_task",
        "_wire",
        "dead",
        "follows_log",
        "stalled_at",
        "until",
    )

    def __init__(
        self,
        send: Callable[[Any], Awaitable[None]],
        wire: Wire,
        desk: Desk,
        clock: Callable[[], float],
        *,
        connection: Connection | None = None,
        until: float = float("inf"),
    ) -> None:
        """Take our own server's side as `connection`, where it is ours; it is old at `until`, by `clock`."""
        self._send = send
        self._wire = wire
        self._connection = connection
        self._desk = desk
        self._clock = clock
        self._pending: dict[str, Cell] | None = None
        self._overflow = False
        self._closing: Message | None = None
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self.until = until
        self.follows_log = True
        """Whether the client resumes by the log's positions; streams of output count something else."""
        self.stalled_at: float | None = None
        """Since when the client has not been reading; None while it is."""
        self.dead = False
        """Whether the connection is gone, or about to be."""

    @property
    def closing(self) -> bool:
        """Whether nothing more may be sent."""
        return self._closing is not None or self.dead

    @property
    def wire(self) -> Wire:
        """How the client is reached."""
        return self._wire

    def push(self, burst: Burst, cells: Sequence[Cell] = ()) -> None:
        """Send a burst now, or, to a client that does not read, remember which workflows have news."""
        if self._closing is not None or self.dead:
            return
        if self.stalled_at is not None:
            self._remember(cells)
            return
        connection = self._connection
        if connection is None or not connection.offer(burst.framed(self._wire)):
            self._write(burst.messages(self._wire))

    def finish(self, code: int, reason: str = "") -> None:
        """End the stream after what is pending: WebSocket with `code`, SSE by its end."""
        if self._closing is not None or self.dead:
            return
        if self._wire is Wire.SSE:
            self._closing = CLOSE_SSE
        else:
            self._closing = {"type": "websocket.close", "code": code, "reason": reason}
        if self.stalled_at is None:
            self._closed = True
            self._write((self._closing,))

    def evict(self, code: int, reason: str) -> None:
        """End the connection without waiting for the client, where the server can."""
        if self._connection is not None:
            self._connection.evict(code, reason)

    def forget(self) -> None:
        """Let go of everything: the connection has ended."""
        self.dead = True
        self._pending = None
        if self._task is not None:
            self._task.cancel()
        if self.stalled_at is not None:
            self.stalled_at = None
            self._desk.recovered(self)

    async def tell(self, burst: Burst) -> None:
        """Send an answer to the client's own message, however long that takes.

        Whoever does not read waits, and is told first what it missed.
        """
        while self._task is not None:
            await asyncio.wait({self._task})
        if not self.closing:
            try:
                for message in burst.messages(self._wire):
                    await self._send(message)
            except (OSError, RuntimeError):  # the connection was closed meanwhile, for what came after
                self.dead = True

    def _remember(self, cells: Sequence[Cell]) -> None:
        if self._pending is None:
            self._pending = {}
        for cell in cells:
            self._pending[cell.id] = cell
        if len(self._pending) > PENDING_LIMIT:
            self._pending.clear()
            self._overflow = True

    def _write(self, messages: Sequence[Message]) -> None:
        for index, message in enumerate(messages):
            sending: Any = self._send(message)
            try:
                waiting_for = sending.send(None)
            except StopIteration:
                continue
            except (OSError, RuntimeError):  # the client is gone; the server knows and ends the request
                self.dead = True
                return
            self.stalled_at = self._clock()
            self._desk.stalled(self)
            rest = messages[index + 1 :]
            self._task = asyncio.get_running_loop().create_task(
                self._drain(sending, waiting_for, rest), name="edge drain"
            )
            return

    async def _drain(self, sending: Any, waiting_for: Any, rest: Sequence[Message]) -> None:
        """Wait until the client reads, then tell it how everything stands that moved meanwhile."""
        try:
            await _resume(sending, waiting_for)
            for message in rest:
                await self._send(message)
            while self._pending or self._overflow:
                self._desk.flush()  # or what it is about to be told would be told once more
                cells, overflow = tuple((self._pending or {}).values()), self._overflow
                self._pending, self._overflow = None, False
                self.stalled_at = self._clock()
                for message in self._desk.catch_up(cells, overflow=overflow).messages(self._wire):
                    await self._send(message)
            if self._closing is not None and not self._closed:
                self._closed = True
                await self._send(self._closing)
        except (OSError, RuntimeError):
            self.dead = True
        finally:
            self._task = None
            if self.stalled_at is not None:
                self.stalled_at = None
                self._desk.recovered(self)
