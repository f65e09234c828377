"""Lines and messages on their way from a process to its executor."""

import asyncio
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from lastword.child.output import BATCH_LINES, LINE_BYTES, MAX_LINES, MAX_TEXT, LineSplitter, Outbox
from lastword.child.protocol import Lines, Message, Progressed, Started, Waiting
from lastword.contracts.events import Progress

NOW = datetime(2025, 1, 1, tzinfo=UTC)


async def drain(outbox: Outbox) -> list[Message]:
    """Close the outbox and return all that it held."""
    outbox.close()
    return [message async for message in outbox.messages()]


async def lines_of(outbox: Outbox) -> list[str]:
    """Return the texts of all lines."""
    return [
        line.text for message in await drain(outbox) if isinstance(message, Lines) for line in message.lines
    ]


async def test_only_the_latest_progress_waits() -> None:
    """A slow reader is told where the work is, not where it was."""
    outbox = Outbox()
    outbox.put(Started(kind="crew"))
    for done in range(5):
        outbox.put(Progressed(progress=Progress(done=done)))
    outbox.put(Waiting(waiting_for="an answer"))
    outbox.put(Waiting(waiting_for=None))
    expected = [Started(kind="crew"), Waiting(waiting_for=None), Progressed(progress=Progress(done=4))]
    assert expected == await drain(outbox)


async def test_a_reader_is_woken_by_what_comes() -> None:
    """Messages come in the order of their arrival, as they arrive."""
    outbox = Outbox()
    messages = outbox.messages()
    reading = asyncio.ensure_future(anext(messages))
    await asyncio.sleep(0)
    assert not reading.done()
    outbox.put_line("stdout", "first", NOW)
    first = await reading
    assert isinstance(first, Lines)
    assert ["first"] == [line.text for line in first.lines]
    outbox.close()
    assert [] == [message async for message in messages]


async def test_lines_beyond_the_bound_push_out_the_oldest() -> None:
    """They are counted in the message that follows the gap."""
    outbox = Outbox()
    for number in range(MAX_LINES + 7):
        outbox.put_line("stdout", str(number), NOW)
    messages = await drain(outbox)
    assert all(isinstance(message, Lines) and len(message.lines) <= BATCH_LINES for message in messages)
    first = messages[0]
    assert isinstance(first, Lines)
    assert (7, "7") == (first.dropped, first.lines[0].text)
    assert [7] + [0] * (len(messages) - 1) == [one.dropped for one in messages if isinstance(one, Lines)]


async def test_long_lines_are_bounded_by_their_text() -> None:
    """A few thousand of the longest do not fill the memory either."""
    outbox = Outbox()
    for _ in range(1000):
        outbox.put_line("stdout", "x" * LINE_BYTES, NOW)
    assert MAX_TEXT >= sum(map(len, await lines_of(outbox)))


async def test_the_last_lines_are_those_that_were_printed() -> None:
    """What lastword itself said is not among them, and dropping changes nothing about them."""
    outbox = Outbox()
    for number in range(30):
        outbox.put_line("stdout", f"out {number}", NOW)
        outbox.put_line("lastword", f"said {number}", NOW)
    outbox.drop_lines(5)
    assert tuple(f"out {number}" for number in range(10, 30)) == outbox.last_lines


@given(st.lists(st.binary(max_size=40).map(lambda raw: raw.replace(b"\r", b"")), max_size=12), st.data())
def test_how_bytes_are_cut_changes_nothing(chunks: list[bytes], data: st.DataObject) -> None:
    """Lines are the same, however the pipe hands out their bytes."""

    async def split(parts: list[bytes]) -> list[str]:
        outbox = Outbox()
        splitter = LineSplitter("stdout", outbox)
        for part in parts:
            splitter.feed(part)
        splitter.finish()
        return await lines_of(outbox)

    whole = b"".join(chunks)
    at = data.draw(st.integers(0, len(whole)))
    expected = [line.decode("utf-8", "replace") for line in whole.split(b"\n")]
    if expected[-1] == "":
        expected.pop()
    assert expected == asyncio.run(split(chunks)) == asyncio.run(split([whole[:at], whole[at:]]))


async def test_a_line_without_end_is_cut_between_characters() -> None:
    """No piece is longer than the bound, and no character is torn."""
    outbox = Outbox()
    splitter = LineSplitter("stdout", outbox)
    text = "ä€😀" * 20_000
    splitter.feed(text.encode())
    splitter.finish()
    lines = await lines_of(outbox)
    assert text == "".join(lines)
    assert all(len(line.encode()) <= LINE_BYTES for line in lines)


async def test_a_flood_is_counted_without_being_looked_at() -> None:
    """Lines given out and lines dropped add up."""
    outbox = Outbox()
    splitter = LineSplitter("stdout", outbox)
    splitter.feed(b"before\n")
    splitter.feed(b"".join(b"%d\n" % number for number in range(100_000)))
    messages = [message for message in await drain(outbox) if isinstance(message, Lines)]
    assert 100_001 == sum(len(message.lines) + message.dropped for message in messages)
    assert "99999" == messages[-1].lines[-1].text


async def test_an_overwritten_line_keeps_its_last_state() -> None:
    """As a terminal would show it; the ends of Windows are ends too."""
    outbox = Outbox()
    splitter = LineSplitter("stdout", outbox)
    splitter.feed(b"1%\r99%\r100%\nplain\r\n\n")
    assert ["100%", "plain", ""] == await lines_of(outbox)
