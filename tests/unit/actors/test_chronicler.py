"""Progress and output: throttled, in order, and honest about what is missing."""

import asyncio
from typing import Any

import pytest

from lastword.actors.chronicler import MAX_BYTES, Chronicler
from lastword.contracts import subjects
from lastword.contracts.events import Progress
from lastword.contracts.messages import Held, LogLine
from tests.samples import second
from tests.unit.actors.fakes import FakePost


class Desk:
    """A chronicler that may publish once a second."""

    def __init__(self) -> None:
        self.post = FakePost("host-1")
        self.chronicler = Chronicler(self.post, Held(id="w-1", lease=12), interval_s=1.0)

    @property
    def progress(self) -> list[Any]:
        """What was said of progress."""
        return self.post.payloads(subjects.progress("w-1"))

    @property
    def output(self) -> list[tuple[int, list[str]]]:
        """What was said of output: how many lines are missing, then lines."""
        return [
            (logged["dropped"], [line["text"] for line in logged["lines"]])
            for logged in self.post.payloads(subjects.logline("w-1"))
        ]


@pytest.fixture
async def desk() -> Desk:
    return Desk()


def _lines(*texts: str) -> tuple[LogLine, ...]:
    return tuple(LogLine(at=second(0), stream="stdout", text=text) for text in texts)


async def test_the_first_progress_is_told_at_once(desk: Desk) -> None:
    """With its lease, and a revision that grows."""
    desk.chronicler.progressed(Progress(done=1, total=3), None)
    await asyncio.sleep(0.01)
    [made] = desk.progress
    assert ("w-1", 12, 1, 1) == (made["id"], made["lease"], made["revision"], made["progress"]["done"])


async def test_progress_is_throttled_and_the_last_one_wins(desk: Desk) -> None:
    """A hundred steps in a second are two messages: the first, and the last."""
    for done in range(100):
        desk.chronicler.progressed(Progress(done=done, total=100), None)
        await asyncio.sleep(0.009)
    await asyncio.sleep(5.0)
    assert [(1, 0), (2, 99)] == [(made["revision"], made["progress"]["done"]) for made in desk.progress]


async def test_waiting_and_progress_are_told_together(desk: Desk) -> None:
    """What is said of one does not forget the other."""
    desk.chronicler.progressed(Progress(done=2), None)
    desk.chronicler.waits_for("Is this right?")
    await desk.chronicler.flush()
    desk.chronicler.waits_for(None)
    await desk.chronicler.flush()
    assert [(2, "Is this right?"), (2, None)] == [
        (made["progress"]["done"], made["waiting_for"]) for made in desk.progress
    ]


async def test_output_is_gathered(desk: Desk) -> None:
    """Lines that come while one message has just been sent share the next."""
    for number in range(5):
        desk.chronicler.wrote(_lines(f"line {number}"), 0)
        await asyncio.sleep(0.1)
    await asyncio.sleep(5.0)
    assert [(0, ["line 0"]), (0, [f"line {number}" for number in range(1, 5)])] == desk.output


async def test_a_gap_stays_where_it_was(desk: Desk) -> None:
    """The count of missing lines stands before the first line after them."""
    desk.chronicler.wrote(_lines("a", "b"), 0)
    desk.chronicler.wrote(_lines("f"), 3)
    desk.chronicler.wrote((), 7)
    await desk.chronicler.flush()
    assert [(0, ["a", "b"]), (3, ["f"]), (7, [])] == desk.output


async def test_what_is_too_much_is_dropped_and_counted_after_what_is_kept(desk: Desk) -> None:
    """The first lines are kept; no message is larger than the limit, whatever characters it is made of."""
    texts = ["\x01" * 8000 for _ in range(40)]  # six bytes each, as JSON
    desk.chronicler.wrote(_lines(*texts), 0)
    await desk.chronicler.flush()
    desk.chronicler.wrote(_lines("after"), 0)
    await desk.chronicler.flush()
    kept = len(desk.output[0][1])
    assert [(0, texts[:kept]), (40 - kept, []), (0, ["after"])] == desk.output
    assert kept == MAX_BYTES // 48_060
    assert all(len(told.payload) < MAX_BYTES + 1000 for told in desk.post.told)


async def test_room_is_made_by_publishing(desk: Desk) -> None:
    """The limit is on what waits, not on what was ever written."""
    for _ in range(10):
        desk.chronicler.wrote(_lines("x" * 200_000), 0)
        await desk.chronicler.flush()
    assert [0] * 10 == [dropped for dropped, _ in desk.output]


async def test_flush_publishes_all_that_is_left_without_waiting(desk: Desk) -> None:
    """In the middle of an interval too, and nothing twice."""
    desk.chronicler.progressed(Progress(done=1), None)
    desk.chronicler.wrote(_lines("a"), 0)
    await asyncio.sleep(0.5)
    desk.chronicler.progressed(Progress(done=2), None)
    desk.chronicler.wrote(_lines("b"), 0)
    await desk.chronicler.flush()
    assert 0.5 == pytest.approx(asyncio.get_running_loop().time())
    assert [1, 2] == [made["progress"]["done"] for made in desk.progress]
    assert [(0, ["a"]), (0, ["b"])] == desk.output


async def test_flush_with_nothing_to_say_says_nothing(desk: Desk) -> None:
    """An empty message helps nobody."""
    await desk.chronicler.flush()
    assert [] == desk.post.told


async def test_after_a_flush_it_goes_on_at_its_pace(desk: Desk) -> None:
    """Hurrying is for that once."""
    await desk.chronicler.flush()
    for done in range(3):
        desk.chronicler.progressed(Progress(done=done), None)
        await asyncio.sleep(0.1)
    assert [0] == [made["progress"]["done"] for made in desk.progress]
    await desk.chronicler.flush()


async def test_what_cannot_be_told_is_lost_without_a_fault(desk: Desk) -> None:
    """It is a help to people and no more: the final report says what matters."""
    desk.post.is_connected = False
    desk.chronicler.progressed(Progress(done=1), None)
    desk.chronicler.wrote(_lines("a"), 0)
    await desk.chronicler.flush()
    desk.post.is_connected = True
    desk.post.max_payload = 300
    desk.chronicler.wrote(_lines("x" * 1000), 0)
    await desk.chronicler.flush()
    desk.chronicler.progressed(Progress(done=2), None)
    await desk.chronicler.flush()
    assert [2] == [made["progress"]["done"] for made in desk.progress]
    assert [] == desk.output
