"""The life of an actor, on a mailbox in memory."""

import asyncio
from collections.abc import Hashable
from typing import ClassVar

import pytest
from structlog.contextvars import get_contextvars

from lastword.actors.actor import TRIES, Actor
from lastword.actors.exceptions import Postponed, Refused
from lastword.bus import Letter
from lastword.bus.memory import MemoryMailbox


class Clerk(Actor[str]):
    """Takes letters such as `a1`: the first character is the key, the second what to do.

    A digit takes as many seconds; `r` refuses; `p` postpones by 5 s until the third try; `c` crashes once.
    """

    name: ClassVar[str] = "clerk"

    def __init__(self, at_once: int = 4) -> None:
        self.at_once = at_once
        self.log: list[str] = []
        self.in_hand = 0
        self.most_in_hand = 0
        self.tries: dict[str, int] = {}

    def key(self, message: str) -> Hashable:
        """Return the first character."""
        return message[0]

    async def handle(self, letter: Letter[str]) -> None:
        """Do as the letter says."""
        text = letter.message
        self.tries[text] = self.tries.get(text, 0) + 1
        self.in_hand += 1
        self.most_in_hand = max(self.most_in_hand, self.in_hand)
        try:
            await self._do(text)
        finally:
            self.in_hand -= 1
        self.log.append(f"{asyncio.get_running_loop().time():.0f} {text}")

    async def _do(self, text: str) -> None:
        if text[1] == "r":
            raise Refused("no")
        if text[1] == "p" and self.tries[text] < 3:
            raise Postponed("later", 5.0)
        if text[1] == "c" and self.tries[text] < 2:
            raise ZeroDivisionError
        await asyncio.sleep(int(text[1]) if text[1].isdigit() else 0)


async def _run(clerk: Clerk, *letters: str, until_s: float = 60.0) -> MemoryMailbox[str]:
    mailbox: MemoryMailbox[str] = MemoryMailbox()
    for letter in letters:
        mailbox.put(letter)
    asyncio.get_running_loop().call_later(until_s, mailbox.close)
    await clerk.run(mailbox)
    return mailbox


async def test_letters_of_one_key_keep_their_order() -> None:
    """A quick letter waits for the slow one before it."""
    clerk = Clerk()
    await _run(clerk, "a3", "a1", "a2")
    assert ["3 a3", "4 a1", "6 a2"] == clerk.log


async def test_letters_of_different_keys_are_handled_at_the_same_time() -> None:
    """They do not wait for each other."""
    clerk = Clerk()
    await _run(clerk, "a3", "b1", "c2")
    assert ["1 b1", "2 c2", "3 a3"] == clerk.log


async def test_no_more_letters_are_in_hand_than_allowed() -> None:
    """The third letter is taken when the first is done."""
    clerk = Clerk(at_once=2)
    await _run(clerk, "a3", "b4", "c1")
    assert 2 == clerk.most_in_hand
    assert ["3 a3", "4 b4", "4 c1"] == sorted(clerk.log)


async def test_one_at_a_time_is_strictly_serial() -> None:
    """With one place, keys do not matter."""
    clerk = Clerk(at_once=1)
    await _run(clerk, "a2", "b1", "c1")
    assert ["2 a2", "3 b1", "4 c1"] == clerk.log


async def test_a_letter_that_is_done_is_acknowledged() -> None:
    """Nothing is left open, and nothing was dropped."""
    mailbox = await _run(Clerk(), "a1", "b1")
    assert 0 == mailbox.unsettled
    assert [] == mailbox.dropped


async def test_a_refused_letter_is_dropped_with_its_reason() -> None:
    """It does not come again, and holds up nothing."""
    clerk = Clerk()
    mailbox = await _run(clerk, "ar", "a1")
    assert [("ar", "no")] == mailbox.dropped
    assert ["1 a1"] == clerk.log
    assert 1 == clerk.tries["ar"]


async def test_a_postponed_letter_comes_again_after_its_delay() -> None:
    """Twice postponed by five seconds each, the third try is at second 10."""
    clerk = Clerk()
    mailbox = await _run(clerk, "ap")
    assert ["10 ap"] == clerk.log
    assert 0 == mailbox.unsettled


async def test_a_crash_gives_the_letter_back_and_is_raised() -> None:
    """Whoever keeps the actor sees the error; whoever runs it again finds the letter."""
    clerk = Clerk()
    mailbox: MemoryMailbox[str] = MemoryMailbox()
    mailbox.put("ac")
    with pytest.raises(ExceptionGroup) as crash:
        await clerk.run(mailbox)
    assert crash.group_contains(ZeroDivisionError)
    assert 1 == mailbox.unsettled
    asyncio.get_running_loop().call_later(60.0, mailbox.close)
    await clerk.run(mailbox)
    assert ["1 ac"] == clerk.log
    assert 0 == mailbox.unsettled


async def test_a_crash_leaves_other_letters_unsettled() -> None:
    """What was in hand beside the crash is neither done nor dropped: it comes again."""
    clerk = Clerk()
    mailbox: MemoryMailbox[str] = MemoryMailbox()
    mailbox.put("b9")
    mailbox.put("ac")
    with pytest.raises(ExceptionGroup):
        await clerk.run(mailbox)
    assert 2 == mailbox.unsettled
    assert [] == mailbox.dropped


async def test_a_letter_that_crashes_every_time_is_dropped_in_the_end() -> None:
    """It would come for ever, and bring down each process that reads it; the ones behind it are handled."""

    class Fragile(Clerk):
        async def _do(self, text: str) -> None:
            if text == "ax":
                raise RecursionError
            await super()._do(text)

    clerk = Fragile()
    mailbox: MemoryMailbox[str] = MemoryMailbox()
    mailbox.put("ax")
    mailbox.put("b0")
    for _ in range(TRIES - 1):
        with pytest.raises(ExceptionGroup):
            await clerk.run(mailbox)
    asyncio.get_running_loop().call_later(60.0, mailbox.close)
    await clerk.run(mailbox)
    assert [("ax", "it crashed its reader 5 times: RecursionError()")] == mailbox.dropped
    assert 0 == mailbox.unsettled
    assert "b0" in clerk.tries


async def test_no_more_bytes_are_in_hand_than_allowed() -> None:
    """The long letter waits until the others are done, and one that is longer than all is taken alone."""
    clerk = Clerk()
    clerk.bytes_at_once = 12  # a letter has four, of its representation
    await _run(clerk, "a2", "b1", "c3xxxxxxxx", "d1xxxxxxxxxxxxxxxx")
    assert ["1 b1", "2 a2", "5 c3xxxxxxxx", "6 d1xxxxxxxxxxxxxxxx"] == clerk.log
    assert 2 == clerk.most_in_hand


async def test_being_cancelled_settles_nothing() -> None:
    """A letter in hand at the end of the actor comes again elsewhere."""
    clerk = Clerk()
    mailbox: MemoryMailbox[str] = MemoryMailbox()
    mailbox.put("a9")
    running = asyncio.create_task(clerk.run(mailbox))
    await asyncio.sleep(1.0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert 1 == mailbox.unsettled


async def test_lines_of_the_log_say_which_actor_and_letter() -> None:
    """Bound once per letter, and unbound after it."""
    seen: list[dict[str, object]] = []

    class Scribe(Clerk):
        async def handle(self, letter: Letter[str]) -> None:
            seen.append(dict(get_contextvars()))

    await _run(Scribe(), "a1")
    assert [{"actor": "clerk", "subject": "memory"}] == seen
    assert {} == get_contextvars()


async def test_nothing_is_remembered_of_letters_that_are_done() -> None:
    """A thousand keys later, the places are all free again."""
    clerk = Clerk(at_once=2)
    await _run(clerk, *(f"{chr(0x100 + number)}0" for number in range(1000)))
    assert 1000 == len(clerk.log)
