"""The real bus and log do what actors rely on, and what the ones in memory pretend."""

import asyncio

import pytest

from lastword.actors.ports import Ledger, Post, ResultKeeper, Starter
from lastword.bus import Bus, Outputs, StatusLog, TooLarge, Unavailable, Unheard
from lastword.child.pool import ChildPool
from lastword.contracts import subjects
from tests.ledger_suite import LedgerSuite


class TestStatusLog(LedgerSuite):
    """The whole suite, on JetStream."""

    @pytest.fixture
    def ledger(self, bus: Bus) -> Ledger:
        """Return the log of a fresh server."""
        return StatusLog(bus)


@pytest.fixture
def post(bus: Bus) -> Post:
    """Return the bus as actors see it."""
    return bus


async def test_a_message_is_stored_once_under_its_id(post: Post, bus: Bus) -> None:
    """The second is known: it says so, and stores nothing."""
    subject = subjects.job("brief")
    assert await post.store(subject, b"1", message_id="job-1")
    assert not await post.store(subject, b"2", message_id="job-1")
    info = await bus.ask_api(f"STREAM.INFO.{subjects.JOB_STREAM}")
    assert 1 == info["state"]["messages"]


async def test_a_message_with_a_life_is_taken(post: Post, bus: Bus) -> None:
    """In whole seconds, as the stream of pulses wants it."""
    await post.store(subjects.pulse("host-1"), b"{}", ttl_s=15)
    answer = await bus.ask_api(
        f"STREAM.MSG.GET.{subjects.PULSE_STREAM}", {"last_by_subj": subjects.pulse("host-1")}
    )
    assert "message" in answer


async def test_what_no_stream_takes_is_unavailable(post: Post) -> None:
    """Nobody says that it is stored."""
    with pytest.raises(Unavailable):
        await post.store("lastword.nowhere", b"1")


async def test_what_is_over_the_limit_is_too_large(post: Post) -> None:
    """Stored, told or asked."""
    payload = b"x" * (post.max_payload + 1)
    with pytest.raises(TooLarge):
        await post.store(subjects.job("brief"), payload)
    with pytest.raises(TooLarge):
        await post.tell(subjects.progress("w-1"), payload)
    with pytest.raises(TooLarge):
        await post.request(subjects.executor("host-1"), payload)


async def test_what_is_told_is_heard(post: Post, bus: Bus) -> None:
    """By whoever listens."""
    subscription = await bus.client.subscribe(subjects.progress("w-1"))
    await bus.barrier()
    await post.tell(subjects.progress("w-1"), b"1")
    message = await subscription.next_msg(timeout=10.0)
    assert b"1" == message.data


async def test_nobody_listening_is_told_from_nobody_answering(post: Post, bus: Bus) -> None:
    """The first at once, the second after the wait."""
    with pytest.raises(Unheard):
        await asyncio.wait_for(post.request(subjects.executor("host-1"), b"", timeout_s=3600.0), 30.0)
    await bus.client.subscribe(subjects.executor("host-1"))
    await bus.barrier()
    with pytest.raises(Unavailable) as silence:
        await post.request(subjects.executor("host-1"), b"", timeout_s=0.05)
    assert not isinstance(silence.value, Unheard)


async def test_everything_real_is_what_actors_ask_for(bus: Bus) -> None:
    """The type checker proves it; this keeps the line that it proves."""
    ports: tuple[Post, Ledger, ResultKeeper, Starter] = (bus, StatusLog(bus), Outputs(bus), ChildPool({}))
    assert bus.name == ports[0].name
