"""The link between an executor and NATS breaks in the ways that it is told to."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.chaos.link import GOOD, Link, manners_for

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def _echo() -> AsyncGenerator[tuple[Link, asyncio.Queue[bytes], Ends], None]:
    """Give a link to a server that repeats what it hears, what it heard, and an open connection."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                heard.put_nowait(line)
                writer.write(line)
        await _hang_up(writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.create_task(serve(reader, writer)))

    serving: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        async with Link(server.sockets[0].getsockname()[1]).open() as link:
            reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
            yield link, heard, (reader, writer)
            await _hang_up(writer)
    finally:
        server.close()
        await asyncio.gather(*serving)


async def _is_over(reader: asyncio.StreamReader) -> bool:
    """Whether the other side has ended the connection, in whatever way."""
    try:
        async with asyncio.timeout(10):
            return await reader.read() == b""
    except ConnectionError:
        return True


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def _reads(link_end: Ends, line: bytes) -> bool:
    """Whether the line arrives; waits for it only where it does."""
    async with asyncio.timeout(10):
        return await link_end[0].readline() == line


async def test_a_good_link_passes_both_ways() -> None:
    """Nothing is lost or added."""
    async with _echo() as (_, _, end):
        end[1].write(b"one\r\n")

        assert await _reads(end, b"one\r\n")


async def test_a_deaf_link_still_speaks() -> None:
    """The server hears what is said; its answer waits until the link heals."""
    async with _echo() as (link, heard, end):
        await link.behave(manners_for("deafen"))
        end[1].write(b"one\r\n")
        async with asyncio.timeout(10):
            assert b"one\r\n" == await heard.get()
        reading = asyncio.create_task(_reads(end, b"one\r\n"))
        await asyncio.sleep(0)
        assert not reading.done()

        await link.behave(GOOD)

        assert await reading


async def test_a_frozen_link_passes_on_when_it_thaws() -> None:
    """A pulled cable: what was said meanwhile arrives, and in order."""
    async with _echo() as (link, heard, end):
        await link.behave(manners_for("freeze"))
        end[1].write(b"one\r\n")
        await link.behave(GOOD)
        end[1].write(b"two\r\n")

        async with asyncio.timeout(10):
            assert [b"one\r\n", b"two\r\n"] == [await heard.get(), await heard.get()]


async def test_a_cut_link_ends_what_is_open_and_refuses_more() -> None:
    """Until it heals, every connection is ended."""
    async with _echo() as (link, _, end):
        end[1].write(b"one\r\n")
        assert await _reads(end, b"one\r\n")

        await link.behave(manners_for("cut"))

        assert await _is_over(end[0])
        again, writer = await asyncio.open_connection("127.0.0.1", link.port)
        assert await _is_over(again)
        await _hang_up(writer)


@pytest.mark.parametrize("act", ["delay", "throttle"])
async def test_a_bad_link_passes_everything_late(act: str) -> None:
    """Slow is not lossy."""
    async with _echo() as (link, _, end):
        await link.behave(manners_for(act))
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        line = b"x" * 2_000 + b"\r\n"
        end[1].write(line)

        assert await _reads(end, line)
        assert loop.time() - began_s > 0.1


def _a_moment(*_: object) -> float:
    """Draw no long time."""
    return 0.1


async def _hears(act: str, said: bytes, lines: int) -> list[bytes]:
    """Return what the server hears over a link with such manners."""
    async with _echo() as (link, heard, end):
        await link.behave(manners_for(act))
        end[1].write(said)
        async with asyncio.timeout(10):
            return [await heard.get() for _ in range(lines)]


async def test_a_link_that_holds_reports_lets_all_else_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A beat overtakes the report before it, which comes later."""
    monkeypatch.setattr("tests.chaos.link.random.Random.uniform", _a_moment)
    heard = await _hears("hold", b"PUB lastword.report.w-1 0\r\n\r\nPUB lastword.pulse.x 0\r\n\r\n", 4)

    assert [b"PUB lastword.pulse.x 0\r\n", b"PUB lastword.report.w-1 0\r\n"] == heard[::2]


async def test_a_link_that_repeats_reports_says_them_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy asks for no answer, as nobody waits for one."""
    monkeypatch.setattr("tests.chaos.link.random.Random.uniform", _a_moment)
    heard = await _hears("repeat", b"PUB lastword.report.w-1 inbox.1 0\r\n\r\n", 4)

    assert [b"PUB lastword.report.w-1 inbox.1 0\r\n", b"PUB lastword.report.w-1 0\r\n"] == heard[::2]
