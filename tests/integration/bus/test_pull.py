"""The durable consumer: at least once, whatever servers and other clients do."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from lastword.bus import Bus, PullConsumer, StreamMismatch, ensure_streams, open_bus
from lastword.bus.pull import Delivered
from lastword.contracts import subjects
from tests.integration.servers import Collected, NatsServer, Proxy


def consumer_on(bus: Bus, **given: Any) -> PullConsumer:
    """Return a consumer of all jobs."""
    return PullConsumer(bus, stream=subjects.JOB_STREAM, durable="jobs", subject=subjects.job(), **given)


async def put(bus: Bus, *names: str) -> None:
    """Put jobs in."""
    for name in names:
        assert await bus.store(subjects.job("brief"), name.encode())


@asynccontextmanager
async def taking(consumer: PullConsumer, *, ack: bool = True) -> AsyncGenerator[Collected[Delivered], None]:
    """Take, and acknowledge, whatever comes."""
    taken = Collected[Delivered]()

    async def take() -> None:
        async with aclosing(aiter(consumer)) as deliveries:
            async for delivered in deliveries:
                if ack:
                    await delivered.ack()
                taken.add(delivered)

    task = asyncio.create_task(take(), name="taking")
    try:
        yield taken
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def words(taken: Collected[Delivered]) -> list[str]:
    """Return what was taken, in order."""
    return [delivered.data.decode() for delivered in taken]


async def left(bus: Bus) -> int:
    """Return how many jobs are stored: all that are not settled."""
    info = await bus.ask_api(f"STREAM.INFO.{subjects.JOB_STREAM}")
    return int(info["state"]["messages"])


async def settled(bus: Bus) -> None:
    """Return when every job is: acknowledgements are not answered."""
    async with asyncio.timeout(10):
        while await left(bus):  # each look is a round trip, behind the acknowledgements
            await bus.barrier()


async def test_messages_come_in_order_and_are_gone_when_acknowledged(bus: Bus) -> None:
    """Those that lay there, and those that come; more than a batch."""
    await put(bus, *(f"{number}" for number in range(100)))
    async with taking(consumer_on(bus, batch=8)) as taken:
        await taken.reach(100)
        await put(bus, "late")
        await taken.reach(101)
        await settled(bus)
    assert [*(f"{number}" for number in range(100)), "late"] == words(taken)
    assert list(range(1, 102)) == [delivered.position for delivered in taken]
    assert {1} == {delivered.tries for delivered in taken}


async def test_what_is_not_acknowledged_comes_again(bus: Bus) -> None:
    """To whoever asks next."""
    await put(bus, "one")
    async with taking(consumer_on(bus, ack_wait_s=0.5), ack=False) as taken:
        await taken.reach(2)
        assert [("one", 1), ("one", 2)] == [
            (word, item.tries) for word, item in zip(words(taken), taken, strict=True)
        ]
        await taken[1].ack()
        await settled(bus)


async def test_work_that_goes_on_is_not_given_to_others(bus: Bus) -> None:
    """As long as one says so."""
    await put(bus, "one")
    async with taking(consumer_on(bus, ack_wait_s=0.6), ack=False) as taken:
        await taken.reach(1)
        for _ in range(4):
            await taken[0].keep_waiting()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):  # half of what is allowed, four times over
                    await taken.reach(2)
        await taken[0].ack()
        await settled(bus)
    assert len(taken) == 1


async def test_a_retry_comes_after_its_delay_and_no_earlier(bus: Bus) -> None:
    """Without delay, at once."""
    loop = asyncio.get_running_loop()
    await put(bus, "one")
    async with taking(consumer_on(bus), ack=False) as taken:
        await taken.reach(1)
        await taken[0].retry()
        await taken.reach(2)
        began = loop.time()
        await taken[1].retry(0.4)
        await taken.reach(3)
        assert loop.time() - began >= 0.4
        assert [1, 2, 3] == [delivered.tries for delivered in taken]
        await taken[2].ack()
        await settled(bus)


async def test_what_is_dropped_never_comes_again(bus: Bus) -> None:
    """Its stream forgets it."""
    await put(bus, "poison", "good")
    async with taking(consumer_on(bus, ack_wait_s=0.3), ack=False) as taken:
        await taken.reach(2)
        await taken[0].drop()
        await taken[1].ack()
        await settled(bus)
    assert ["poison", "good"] == words(taken)


async def test_no_more_are_taken_than_asked_for(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others get the rest, even after one request has expired while another was open."""
    monkeypatch.setattr("lastword.bus.pull.EXPIRES_S", 2.0)
    monkeypatch.setattr("lastword.bus.pull.SILENCE_S", 60.0)  # a busy machine may hold up a heartbeat
    consumer = consumer_on(bus, batch=2)
    expired = Collected[str]()
    heed = consumer._heed

    async def heed_and_tell(status: str, headers: Mapping[str, str]) -> None:
        await heed(status, headers)
        if status == "408":
            expired.add(status)

    monkeypatch.setattr(consumer, "_heed", heed_and_tell)
    async with aclosing(aiter(consumer)) as deliveries:
        await put(bus, "one")
        await (await anext(deliveries)).ack()  # the first request has one left, and a second is now made
        second = asyncio.ensure_future(anext(deliveries))
        await expired.reach(2)
        await put(bus, *(f"{number}" for number in range(10)))
        await second
        info = await bus.ask_api(f"CONSUMER.INFO.{subjects.JOB_STREAM}.jobs")
        assert info["num_ack_pending"] <= 2


async def test_a_restart_of_the_server_loses_nothing(nats_server: NatsServer) -> None:
    """Kill -9 while messages are being taken; some come twice, none is missing."""
    async with nats_server.open(request_timeout_s=0.3) as bus:
        await ensure_streams(bus, partitions=2)
        await put(bus, *(f"{number}" for number in range(300)))
        async with taking(consumer_on(bus, batch=8, ack_wait_s=1.0)) as taken:
            await taken.reach(50)
            await nats_server.crash()
            await taken.until(lambda items: len(set(words(items))) == 300)
            await settled(bus)


async def test_the_consumer_goes_on_soon_after_a_restart(nats_server: NatsServer) -> None:
    """A letter still in hand from before must not make it wait for silence."""
    loop = asyncio.get_running_loop()
    async with nats_server.open(request_timeout_s=0.3) as bus:
        await ensure_streams(bus, partitions=2)
        back = asyncio.Event()
        bus.on_reconnect.append(back.set)
        await put(bus, "one", "two")
        async with aclosing(aiter(consumer_on(bus, ack_wait_s=60.0))) as deliveries:
            await (await anext(deliveries)).ack()
            await nats_server.crash()
            await back.wait()
            began = loop.time()
            await (await anext(deliveries)).ack()  # it was on hand
            await put(bus, "three")
            async with asyncio.timeout(10):
                while (delivered := await anext(deliveries)).data != b"three":
                    await delivered.ack()
            assert loop.time() - began < 2.0


async def test_a_consumer_that_is_deleted_while_it_waits_is_made_again(bus: Bus) -> None:
    """By an administrator."""
    async with taking(consumer_on(bus)) as taken:
        await put(bus, "one")
        await taken.reach(1)
        await bus.ask_api(f"CONSUMER.DELETE.{subjects.JOB_STREAM}.jobs")
        await put(bus, "two")
        await taken.until(lambda items: "two" in words(items))
    assert {"one", "two"} == set(words(taken))  # "one" may come again: its acknowledgement was on its way


async def test_a_consumer_that_is_deleted_behind_its_back_is_made_again(
    nats_server: NatsServer, bus: Bus
) -> None:
    """While the client is cut off, nobody can tell it; its next request finds nobody."""
    async with (
        Proxy(nats_server.port).open() as proxy,
        open_bus(nats_server.settings(url=proxy.url, request_timeout_s=0.3), name="proxied") as proxied,
        taking(consumer_on(proxied)) as taken,
    ):
        await put(bus, "one")
        await taken.reach(1)
        await proxy.cut()
        await bus.ask_api(f"CONSUMER.DELETE.{subjects.JOB_STREAM}.jobs")
        await put(bus, "two")
        await proxy.listen()
        await taken.until(lambda items: "two" in words(items))
    assert {"one", "two"} == set(words(taken))  # "one" may come again: its acknowledgement was cut off, too


async def test_a_stream_that_does_not_exist_yet_is_waited_for(nats_server: NatsServer) -> None:
    """An executor may start before any supervisor."""
    async with nats_server.open(request_timeout_s=0.3) as bus, taking(consumer_on(bus)) as taken:
        await ensure_streams(bus, partitions=2)
        await put(bus, "one")
        await taken.reach(1)


async def test_a_consumer_that_cannot_become_what_is_needed_is_named(bus: Bus) -> None:
    """Someone else's consumer of that name, say."""
    given: dict[str, Any] = {"stream": subjects.LOG_STREAM, "durable": "mine", "subject": subjects.log()}
    await PullConsumer(bus, **given, from_now=True).ensure()
    with pytest.raises(StreamMismatch, match=r"consumer mine.*deliver policy"):
        await PullConsumer(bus, **given).ensure()


async def test_one_pinned_client_works_at_a_time(nats_server: NatsServer, bus: Bus) -> None:
    """The other waits."""
    async with nats_server.open() as other, taking(consumer_on(bus, exclusive=True)) as mine:
        await put(bus, "first")
        await mine.reach(1)
        async with taking(consumer_on(other, exclusive=True)) as theirs:
            await put(bus, *(f"{number}" for number in range(50)))
            await mine.reach(51)
            await settled(bus)
            assert [] == theirs


@pytest.mark.parametrize("how", ["cut", "frozen"])
async def test_another_takes_over_when_the_pinned_client_is_gone(
    nats_server: NatsServer, bus: Bus, how: str
) -> None:
    """Within seconds, and no message is lost: a killed process, a pulled cable."""
    loop = asyncio.get_running_loop()
    numbers = {f"{number}" for number in range(20)}
    async with (
        Proxy(nats_server.port).open() as proxy,
        open_bus(nats_server.settings(url=proxy.url, request_timeout_s=0.3), name="pinned") as pinned,
        taking(consumer_on(pinned, exclusive=True, ack_wait_s=1.0)) as mine,
    ):
        await put(bus, "first")
        await mine.reach(1)
        async with taking(consumer_on(bus, exclusive=True, ack_wait_s=1.0)) as theirs:
            await put(bus, "second")
            await mine.reach(2)
            if how == "cut":
                await proxy.cut()
            else:
                proxy.freeze()
            began = loop.time()
            await put(bus, *numbers)
            await theirs.until(lambda items: set(words(items)) >= numbers)
            assert loop.time() - began < 6.0
            await settled(bus)


async def test_no_more_bytes_wait_than_were_asked_for(bus: Bus) -> None:
    """However many messages a batch may have: a flood of long ones must not fill memory. Yet all come."""
    await put(bus, *(f"{number}{'x' * 400_000}" for number in range(12)))
    consumer = consumer_on(bus, batch=64, batch_bytes=1_000_000)
    async with aclosing(aiter(consumer)) as deliveries, asyncio.timeout(20):
        taken = [await anext(deliveries)]
        await bus.barrier()
        info = await bus.ask_api(f"CONSUMER.INFO.{subjects.JOB_STREAM}.jobs")
        assert int(info["num_ack_pending"]) <= 6  # two requests, of two each, and what was taken meanwhile
        while len(taken) < 12:
            taken.append(await anext(deliveries))
    assert sorted(str(number) for number in range(12)) == sorted(
        delivered.data.decode().strip("x") for delivered in taken
    )
