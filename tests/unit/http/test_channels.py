"""One client's side of a stream: sends driven by hand, and what happens when the socket pushes back."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from lastword.contracts.statuses import Status
from lastword.http.cells import Cell
from lastword.http.channels import Channel
from lastword.http.packets import Burst, Packet, Wire
from tests.samples import entry_at


class Socket:
    """A server's `send` that pushes back while it is told to."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.writable = asyncio.Event()
        self.writable.set()
        self.gone = False
        self.narrow = False
        """Whether each message fills it up again."""

    async def send(self, message: Any) -> None:
        """Take a message, once the client reads."""
        await self.writable.wait()
        if self.gone:
            raise OSError
        self.sent.append(message.get("text") or message["type"])
        if self.narrow:
            self.writable.clear()


class Desk:
    """Tells what was missed by the ids alone."""

    def __init__(self) -> None:
        self.watched: set[Channel] = set()
        self.news: list[Callable[[], None]] = []

    def flush(self) -> None:
        """Tell what has happened and is not told yet."""
        while self.news:
            self.news.pop()()

    def catch_up(self, cells: Iterable[Cell], *, overflow: bool) -> Burst:
        """Return one packet that names the cells."""
        return burst(f"latest of {','.join(cell.id for cell in cells)}{' resync' if overflow else ''}")

    def stalled(self, channel: Channel) -> None:
        """Note it."""
        self.watched.add(channel)

    def recovered(self, channel: Channel) -> None:
        """Note it."""
        self.watched.discard(channel)


def burst(text: str) -> Burst:
    """Return a burst of one packet."""
    return Burst((Packet("x", text.encode()),))


def opened() -> tuple[Socket, Desk, Channel, Cell]:
    """Return a channel and what is around it."""
    socket, desk = Socket(), Desk()
    channel = Channel(socket.send, Wire.WS, desk, asyncio.get_running_loop().time)
    return socket, desk, channel, Cell(entry_at(Status.RUNNING), 0)


async def caught_up(channel: Channel) -> None:
    """Wait until a client that reads again has been told everything."""
    while channel.stalled_at is not None:  # noqa: ASYNC110  the channel has no event for its tests
        await asyncio.sleep(0)


async def test_a_client_that_reads_is_written_to_without_a_task() -> None:
    """The message is out when `push` returns, and no task was made."""
    socket, desk, channel, cell = opened()
    before = asyncio.all_tasks()
    channel.push(burst("one"), (cell,))
    assert ["one"] == socket.sent
    assert (before, set()) == (asyncio.all_tasks(), desk.watched)


async def test_a_client_that_does_not_read_gets_the_latest_later() -> None:
    """Of a thousand messages the blocked one arrives, and one snapshot for all others."""
    socket, desk, channel, cell = opened()
    socket.writable.clear()
    for number in range(1_000):
        channel.push(burst(f"{number}"), (cell,))
    assert {channel} == desk.watched
    socket.writable.set()
    await caught_up(channel)
    assert (["0", "latest of w-1"], set()) == (socket.sent, desk.watched)
    channel.push(burst("next"), (cell,))
    assert "next" == socket.sent[-1]


async def test_what_happens_as_a_client_reads_again_is_told_once() -> None:
    """News that is not told yet when the latest is asked for is in the latest."""
    socket, desk, channel, cell = opened()
    socket.writable.clear()
    channel.push(burst("one"), (cell,))
    channel.push(burst("two"), (cell,))
    desk.news.append(lambda: channel.push(burst("three"), (cell,)))
    socket.writable.set()
    await caught_up(channel)
    assert (["one", "latest of w-1"], []) == (socket.sent, desk.news)


async def test_an_answer_comes_after_what_was_missed() -> None:
    """A ping that overtook news would name a position whose news were not told."""
    socket, _, channel, cell = opened()
    socket.narrow = True
    socket.writable.clear()
    channel.push(burst("one"), (cell,))
    channel.push(burst("two"), (cell,))
    answering = asyncio.create_task(channel.tell(burst("answer")))
    while not answering.done():
        socket.writable.set()
        await asyncio.sleep(0)
    assert ["one", "latest of w-1", "answer"] == socket.sent


async def test_too_many_untold_workflows_become_a_resync() -> None:
    """What is remembered of a client that does not read is bounded."""
    socket, _, channel, _ = opened()
    socket.writable.clear()
    channel.push(burst("first"))
    for number in range(2_000):
        cell = Cell(entry_at(Status.RUNNING), 0)
        cell.id = f"w-{number}"
        channel.push(burst("x"), (cell,))
    socket.writable.set()
    await caught_up(channel)
    assert "resync" in socket.sent[1]


async def test_an_end_waits_for_what_is_pending() -> None:
    """The close comes last, and once."""
    socket, _, channel, cell = opened()
    socket.writable.clear()
    channel.push(burst("one"), (cell,))
    channel.push(burst("two"), (cell,))
    channel.finish(1000)
    channel.finish(1000)
    socket.writable.set()
    await caught_up(channel)
    channel.push(burst("after the end"), (cell,))
    assert ["one", "latest of w-1", "websocket.close"] == socket.sent


async def test_a_client_that_is_gone_is_let_go() -> None:
    """A send that fails ends the channel quietly, at once or later."""
    socket, desk, channel, cell = opened()
    socket.gone = True
    channel.push(burst("one"), (cell,))
    assert channel.dead
    socket, desk, channel, cell = opened()
    socket.writable.clear()
    channel.push(burst("one"), (cell,))
    socket.gone = True
    socket.writable.set()
    await caught_up(channel)
    assert (True, set()) == (channel.dead, desk.watched)
