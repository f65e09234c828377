"""One suite for both mailboxes: what an actor may rely on."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from lastword.bus import Bus, Inspector, JetStreamMailbox, Letter, Mailbox, PullConsumer
from lastword.bus.memory import MemoryMailbox
from lastword.contracts import subjects
from lastword.contracts.messages import Job
from lastword.telemetry.metrics import Metrics

ACK_WAIT_S = 0.5


class Office(ABC):
    """A mailbox, and the slot through which letters come."""

    box: Mailbox[Job]

    @abstractmethod
    async def put(self, *names: str) -> None:
        """Put a job in for each name."""

    @abstractmethod
    async def unsettled(self) -> int:
        """Return how many letters are neither acknowledged nor dropped."""


class Memory(Office):
    """In memory."""

    def __init__(self) -> None:
        self.box = self._box = MemoryMailbox[Job]()

    async def put(self, *names: str) -> None:
        """See `Office`."""
        for name in names:
            self._box.put(Job(id=name, definition="brief", position=1), subject=subjects.job("brief"))

    async def unsettled(self) -> int:
        """See `Office`."""
        return self._box.unsettled


class JetStream(Office):
    """On the server."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        consumer = PullConsumer(
            bus,
            stream=subjects.JOB_STREAM,
            durable="jobs",
            subject=subjects.job("brief"),
            ack_wait_s=ACK_WAIT_S,
        )
        self.box = JetStreamMailbox(consumer, Inspector("job", Job, Metrics(CollectorRegistry())))

    async def put(self, *names: str) -> None:
        """See `Office`."""
        for name in names:
            job = Job(id=name, definition="brief", position=1)
            await self._bus.store(subjects.job("brief"), msgspec.json.encode(job))

    async def put_raw(self, payload: bytes) -> None:
        """Put in what nobody should."""
        await self._bus.store(subjects.job("brief"), payload)

    async def unsettled(self) -> int:
        """See `Office`."""
        await self._bus.barrier()  # acknowledgements are not answered; what is asked after them is
        info = await self._bus.ask_api(f"STREAM.INFO.{subjects.JOB_STREAM}")
        return int(info["state"]["messages"])


async def all_settled(office: Office) -> None:
    """Return when every letter is settled."""
    async with asyncio.timeout(10):
        while await office.unsettled():  # noqa: ASYNC110  each look is a round trip
            await asyncio.sleep(0)


@pytest.fixture(params=["memory", "jetstream"])
def office(request: pytest.FixtureRequest) -> Office:
    """Each kind in turn; a server only for the one that needs it."""
    if request.param == "memory":
        return Memory()
    bus: Bus = request.getfixturevalue("bus")
    return JetStream(bus)


async def take(letters: "AsyncGenerator[Letter[Job], None]") -> Letter[Job]:
    """Return the next letter."""
    async with asyncio.timeout(10):
        return await anext(letters)


def reading(office: Office) -> Any:
    """Read the mailbox until the block is left."""
    return aclosing(aiter(office.box))


class TestMailbox:
    """What both promise."""

    async def test_letters_come_in_order(self, office: Office) -> None:
        """With growing positions, and the subject they were put under."""
        await office.put("a", "b", "c")
        async with reading(office) as letters:
            taken = [await take(letters) for _ in range(3)]
            assert ["a", "b", "c"] == [letter.message.id for letter in taken]
            assert taken[0].position < taken[1].position < taken[2].position
            assert {subjects.job("brief")} == {letter.subject for letter in taken}
            for letter in taken:
                await letter.ack()
            await all_settled(office)

    async def test_a_letter_put_in_while_one_waits_comes_at_once(self, office: Office) -> None:
        """Nobody looks again and again."""
        async with reading(office) as letters:
            waiting = asyncio.create_task(take(letters))
            done, _ = await asyncio.wait({waiting}, timeout=0.2)
            assert set() == done
            await office.put("a")
            letter = await waiting
            assert letter.message.id == "a"
            await letter.ack()
            await all_settled(office)

    async def test_a_letter_stays_unsettled_until_it_is_acknowledged(self, office: Office) -> None:
        """Taking it is not enough."""
        await office.put("a")
        async with reading(office) as letters:
            letter = await take(letters)
            assert await office.unsettled() == 1
            await letter.ack()
            await all_settled(office)

    async def test_a_retried_letter_comes_again_at_its_old_position(self, office: Office) -> None:
        """At once, where no delay is given."""
        await office.put("a")
        async with reading(office) as letters:
            first = await take(letters)
            await first.retry()
            again = await take(letters)
            assert (first.message, first.position) == (again.message, again.position)
            await again.ack()
            await all_settled(office)

    async def test_a_delayed_letter_lets_others_pass(self, office: Office) -> None:
        """And comes no earlier than asked."""
        loop = asyncio.get_running_loop()
        await office.put("a", "b")
        async with reading(office) as letters:
            began = loop.time()
            await (await take(letters)).retry(0.3)
            other, again = await take(letters), await take(letters)
            assert ["b", "a"] == [other.message.id, again.message.id]
            assert loop.time() - began >= 0.29
            await other.ack()
            await again.ack()
            await all_settled(office)

    async def test_a_dropped_letter_is_settled_and_never_comes_again(self, office: Office) -> None:
        """The next one does."""
        await office.put("a")
        async with reading(office) as letters:
            await (await take(letters)).drop("nobody can use it")
            await all_settled(office)
            await office.put("b")
            letter = await take(letters)
            assert letter.message.id == "b"
            await letter.ack()

    async def test_what_a_reader_leaves_unsettled_comes_to_the_next(self, office: Office) -> None:
        """An actor that crashed loses no letter, though it may see one twice."""
        await office.put("a", "b")
        async with reading(office) as letters:
            assert (await take(letters)).message.id == "a"
            await (await take(letters)).ack()
        async with reading(office) as letters:
            again = await take(letters)
            assert again.message.id == "a"
            await again.ack()
            await all_settled(office)

    async def test_a_letter_retried_by_a_reader_that_then_crashed_comes_once(self, office: Office) -> None:
        """What an actor does on any fault: ask for it again, and fall."""
        await office.put("a")
        async with reading(office) as letters:
            await (await take(letters)).retry()
        async with reading(office) as letters:
            again = await take(letters)
            await again.ack()
            await all_settled(office)
            await office.put("b")
            assert (await take(letters)).message.id == "b"


@pytest.mark.parametrize(
    "payload",
    [b"", b"nonsense", b'{"id":"a"}', b'{"id":"\xff","definition":"brief","position":1}', b"[" * 200_000],
    ids=["empty", "no JSON", "a field missing", "no UTF-8", "too deep"],
)
async def test_what_cannot_be_read_is_dropped_and_the_next_letter_comes(bus: Bus, payload: bytes) -> None:
    """Otherwise it would end each reader in turn, for ever."""
    office = JetStream(bus)
    await office.put_raw(payload)
    await office.put("a")
    async with reading(office) as letters:
        letter = await take(letters)
        assert letter.message.id == "a"
        await letter.ack()
        await all_settled(office)


async def test_a_letter_in_hand_is_kept_while_its_reader_lives(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For longer than the server would wait for a word."""
    monkeypatch.setattr("lastword.bus.mailbox.HOLD_S", 0.4 * ACK_WAIT_S)
    office = JetStream(bus)
    await office.put("a")
    async with reading(office) as letters:
        letter = await take(letters)
        second = asyncio.create_task(anext(letters))
        done, _ = await asyncio.wait({second}, timeout=3 * ACK_WAIT_S)
        assert set() == done
        await letter.ack()
        await office.put("b")
        assert (await second).message.id == "b"


async def test_letters_that_had_to_wait_are_given_once(bus: Bus) -> None:
    """The server delivers them again; an overloaded reader would be given more than it can ever handle."""
    office = JetStream(bus)
    names = [f"w-{number}" for number in range(20)]
    await office.put(*names)
    taken: list[str] = []
    async with reading(office) as letters:
        first = await take(letters)
        async with asyncio.timeout(10):
            while True:  # until all have been delivered twice, and none of them was looked at
                info = await bus.ask_api(f"CONSUMER.INFO.{subjects.JOB_STREAM}.jobs")
                if int(info["delivered"]["consumer_seq"]) >= 2 * len(names):
                    break
                await asyncio.sleep(0.02)
        letter = first
        while True:
            taken.append(letter.message.id)
            await letter.ack()
            if len(taken) == len(names):
                break
            letter = await take(letters)
        await all_settled(office)
        await office.put("last")
        taken.append((await take(letters)).message.id)
    assert [*names, "last"] == taken


async def test_a_closed_mailbox_in_memory_ends_the_reading() -> None:
    """After what lies there."""
    office = Memory()
    await office.put("a")
    office._box.close()
    assert ["a"] == [letter.message.id async for letter in office.box]
    assert [] == office._box.dropped
