"""Following a stream: in order, without gap or repetition, whatever breaks."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from lastword.bus import Bus, Follower, Heard, StatusLog, ensure_streams, epoch_of, follower, open_bus
from lastword.bus.follower import Origin
from lastword.contracts import subjects
from lastword.contracts.records import Entry
from tests.integration.servers import Collected, NatsServer, Proxy, make_record


class Listener:
    """A follower, and what it has heard."""

    def __init__(
        self, bus: Bus, *, stream: str = subjects.LOG_STREAM, subject: str = "", **given: Any
    ) -> None:
        self.heard = Collected[Heard]()
        self.follower = Follower(
            bus, stream=stream, subject=subject or subjects.log(), deliver=self.heard.add, **given
        )

    @property
    def positions(self) -> list[int]:
        """The positions heard, in the order in which they were."""
        return [heard.position for heard in self.heard]


async def write(bus: Bus, count: int, start: int = 0) -> list[Entry]:
    """Append one record to each of `count` workflows."""
    log = StatusLog(bus)
    return [await log.append(make_record(f"w-{start + n}"), expected=0) for n in range(count)]


async def synced(follower: Follower) -> None:
    """Return when everything stored has been delivered."""
    async with asyncio.timeout(20):
        await follower.synced.wait()


@asynccontextmanager
async def behind_proxy(server: NatsServer) -> AsyncGenerator[tuple[Proxy, Bus], None]:
    """Connect through a proxy."""
    async with (
        Proxy(server.port).open() as proxy,
        open_bus(server.settings(url=proxy.url, request_timeout_s=0.3), name="proxied") as bus,
    ):
        yield proxy, bus


async def test_everything_stored_and_then_everything_new_is_heard_in_order(bus: Bus) -> None:
    """With the position, the time and the payload that the log has."""
    stored = await write(bus, 3)
    listener = Listener(bus)
    async with listener.follower.open():
        await synced(listener.follower)
        assert [1, 2, 3] == listener.positions
        await write(bus, 3, start=3)
        await listener.heard.reach(6)
    assert [1, 2, 3, 4, 5, 6] == listener.positions
    assert listener.follower.position == 6
    standing = await StatusLog(bus).read("w-0")
    assert standing is not None
    first = listener.heard[0]
    # The follower's time has microseconds, and so has the log's.
    assert (subjects.log("w-0"), standing.stored_at) == (first.subject, first.stored_at)
    assert stored[0].record.event.encode() in first.data
    assert listener.follower.breaks == 0


async def test_one_subject_is_heard_alone(bus: Bus) -> None:
    """For whoever watches one workflow."""
    await write(bus, 3)
    listener = Listener(bus, subject=subjects.log("w-1"))
    async with listener.follower.open():
        await synced(listener.follower)
    assert [2] == listener.positions


async def test_a_position_to_resume_from_is_not_heard_again(bus: Bus) -> None:
    """What comes after it is."""
    await write(bus, 4)
    listener = Listener(bus, after=2)
    assert listener.follower.position == 2
    async with listener.follower.open():
        await synced(listener.follower)
    assert [3, 4] == listener.positions


async def test_resuming_at_the_end_is_synced_at_once(bus: Bus) -> None:
    """And hears what comes."""
    await write(bus, 2)
    listener = Listener(bus, after=2)
    async with listener.follower.open():
        await synced(listener.follower)
        assert [] == listener.positions
        await write(bus, 1, start=2)
        await listener.heard.reach(1)
    assert [3] == listener.positions


async def test_the_latest_of_each_subject_and_then_everything_new(bus: Bus) -> None:
    """How a mirror begins."""
    entries = await write(bus, 2)
    log = StatusLog(bus)
    second = await log.append(make_record("w-0", 2), expected=entries[0].position)
    listener = Listener(bus, origin="latest")
    async with listener.follower.open():
        await synced(listener.follower)
        assert [2, 3] == listener.positions
        await log.append(make_record("w-0", 3), expected=second.position)
        await listener.heard.reach(3)
    assert [2, 3, 4] == listener.positions


async def test_only_what_is_new(bus: Bus) -> None:
    """From the moment at which it is synced."""
    await write(bus, 2)
    listener = Listener(bus, origin="new")
    async with listener.follower.open():
        await synced(listener.follower)
        await write(bus, 1, start=2)
        await listener.heard.reach(1)
    assert [3] == listener.positions


@pytest.mark.parametrize("origin", ["everything", "latest", "new"])
async def test_what_was_stored_while_cut_off_is_heard_after(
    nats_server: NatsServer, bus: Bus, origin: Origin
) -> None:
    """Whatever the beginning was, and even if nothing had been heard by then."""
    async with behind_proxy(nats_server) as (proxy, proxied):
        listener = Listener(proxied, origin=origin)
        async with listener.follower.open() as follower:
            await synced(follower)
            await proxy.cut()
            await write(bus, 3)
            await proxy.listen()
            await listener.heard.reach(3)
            await write(bus, 1, start=3)
            await listener.heard.reach(4)
    assert [1, 2, 3, 4] == listener.positions


async def test_breaks_and_syncs_are_told(nats_server: NatsServer, bus: Bus) -> None:
    """`synced` is cleared while the feed is broken, and whoever asked hears of both."""
    told = Collected[str]()
    async with behind_proxy(nats_server) as (proxy, proxied):
        listener = Listener(proxied, lost=lambda: told.add("lost"), caught_up=lambda: told.add("caught up"))
        async with listener.follower.open() as follower:
            await told.reach(1)
            assert follower.synced.is_set()
            await proxy.cut()
            await told.reach(2)
            assert not follower.synced.is_set()
            assert follower.breaks == 1
            await proxy.listen()
            await told.reach(3)
            assert follower.synced.is_set()
    assert ["caught up", "lost", "caught up"] == told


async def test_kill_9_of_the_server_makes_neither_gap_nor_repetition(nats_server: NatsServer) -> None:
    """With records being written all the time."""
    async with nats_server.open(request_timeout_s=0.3) as bus:
        await ensure_streams(bus, partitions=2)
        listener = Listener(bus)
        async with listener.follower.open():
            writing = asyncio.create_task(write(bus, 400))
            for count in (50, 150):
                await listener.heard.reach(count)
                await nats_server.crash()
            stored = await writing
            await listener.heard.reach(400)
    assert sorted(entry.position for entry in stored) == listener.positions
    assert listener.follower.breaks >= 2


async def test_a_message_lost_on_its_way_is_asked_for_again(nats_server: NatsServer, bus: Bus) -> None:
    """The next one reveals it."""
    async with behind_proxy(nats_server) as (proxy, proxied):
        listener = Listener(proxied)
        async with listener.follower.open() as follower:
            await synced(follower)
            lose_once(proxy, b'"id":"w-1"')
            await write(bus, 4)
            await listener.heard.reach(4)
    assert [1, 2, 3, 4] == listener.positions
    assert listener.follower.breaks == 1


async def test_a_lost_last_message_is_revealed_by_the_heartbeat(nats_server: NatsServer, bus: Bus) -> None:
    """A terminal record has no successor that would."""
    async with behind_proxy(nats_server) as (proxy, proxied):
        listener = Listener(proxied)
        async with listener.follower.open() as follower:
            await synced(follower)
            lose_once(proxy, b'"id":"w-1"')
            await write(bus, 2)
            await listener.heard.reach(2)
    assert [1, 2] == listener.positions
    assert listener.follower.breaks == 1


def lose_once(proxy: Proxy, what: bytes) -> None:
    """Let the first message that holds `what` get lost."""
    lost: list[bytes] = []

    def lose(head: bytes, body: bytes) -> bool:
        if what in body and not lost:
            lost.append(body)
            return True
        return False

    proxy.lose = lose


async def test_a_consumer_that_was_deleted_is_replaced(bus: Bus) -> None:
    """By an administrator, or by a server that forgot it: silence says so."""
    listener = Listener(bus)
    async with listener.follower.open() as follower:
        await synced(follower)
        await write(bus, 1)
        await listener.heard.reach(1)
        names = await bus.ask_api(f"CONSUMER.NAMES.{subjects.LOG_STREAM}")
        (name,) = names["consumers"]
        await bus.ask_api(f"CONSUMER.DELETE.{subjects.LOG_STREAM}.{name}")
        await write(bus, 2, start=1)
        await listener.heard.reach(3)
    assert [1, 2, 3] == listener.positions


async def test_a_frozen_link_is_noticed_and_made_up_for(nats_server: NatsServer, bus: Bus) -> None:
    """No connection ends, nothing comes: a pulled cable. What had piled up is not heard twice."""
    async with behind_proxy(nats_server) as (proxy, proxied):
        lost = asyncio.Event()
        listener = Listener(proxied, lost=lost.set)
        async with listener.follower.open() as follower:
            await synced(follower)
            proxy.freeze()
            await write(bus, 3)
            async with asyncio.timeout(10):
                await lost.wait()
            assert not follower.synced.is_set()
            proxy.thaw()
            await listener.heard.reach(3)
            await write(bus, 1, start=3)
            await listener.heard.reach(4)
    assert [1, 2, 3, 4] == listener.positions


@pytest.mark.parametrize("which", ["deliver", "lost", "caught_up"])
async def test_a_callback_that_raises_does_not_end_the_feed(
    nats_server: NatsServer, bus: Bus, which: str
) -> None:
    """It is the callback's fault, it is logged, and everyone else still hears."""
    heard = Collected[int]()

    def fail(*_: object) -> None:
        raise LookupError

    def deliver(message: Heard) -> None:
        heard.add(message.position)
        if which == "deliver":
            fail()

    callbacks: dict[str, Any] = {} if which == "deliver" else {which: fail}
    async with behind_proxy(nats_server) as (proxy, proxied):
        follower = Follower(
            proxied, stream=subjects.LOG_STREAM, subject=subjects.log(), deliver=deliver, **callbacks
        )
        with capture_logs() as logs:
            async with follower.open():
                await synced(follower)
                await write(bus, 2)
                await heard.reach(2)
                await proxy.cut()
                await write(bus, 1, start=2)
                await proxy.listen()
                await heard.reach(3)
    assert [1, 2, 3] == heard
    failures = {entry["event"] for entry in logs if entry["log_level"] == "error"}
    assert {"follow.callback_failed" if which == "deliver" else "follow.listener_failed"} == failures


async def test_a_pulse_that_expires_is_heard_as_a_marker(bus: Bus) -> None:
    """Within a moment of its time; a beat that was replaced expires unheard."""
    listener = Listener(bus, stream=subjects.PULSE_STREAM, subject=subjects.pulse(), origin="latest")
    async with listener.follower.open() as follower:
        await synced(follower)
        await bus.store(subjects.pulse("host-1"), b"{}", ttl_s=1)
        await bus.store(subjects.pulse("host-1"), b"{}", ttl_s=1)
        await listener.heard.reach(3)
    assert [False, False, True] == [heard.is_marker for heard in listener.heard]
    assert subjects.pulse("host-1") == listener.heard[2].subject
    assert listener.heard[2].data == b""


async def test_a_stream_that_does_not_exist_yet_is_waited_for(nats_server: NatsServer) -> None:
    """An edge may start before any supervisor."""
    async with nats_server.open(request_timeout_s=0.3) as bus:
        listener = Listener(bus)
        async with listener.follower.open() as follower:
            await ensure_streams(bus, partitions=2)
            await write(bus, 1)
            await listener.heard.reach(1)
            await synced(follower)
    assert [1] == listener.positions


async def test_leaving_stops_hearing_and_forgets_the_listeners(bus: Bus) -> None:
    """Nothing is left on the connection."""
    listener = Listener(bus)
    async with listener.follower.open() as follower:
        await synced(follower)
    await write(bus, 1)
    await bus.barrier()
    assert [] == listener.positions
    assert [] == bus.on_reconnect
    assert [] == bus.on_disconnect


@pytest.mark.parametrize(("looks", "has_gone_back"), [(3, False), (1_000, True)])
async def test_a_new_leader_that_is_behind_for_a_moment_has_not_gone_back(
    bus: Bus, monkeypatch: pytest.MonkeyPatch, looks: int, *, has_gone_back: bool
) -> None:
    """It may not have applied all that it has; one that stays behind is another stream."""
    await write(bus, 3)
    renewed: list[str] = []
    listener = Listener(bus, renewed=renewed.append)
    ask = bus.ask_api
    left = looks

    async def ask_api(subject: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        nonlocal left
        answer = await ask(subject, request)
        if subject == f"STREAM.INFO.{subjects.LOG_STREAM}" and left:
            left -= 1
            answer["config"]["num_replicas"] = 3
            answer["state"]["last_seq"] = 2
        return answer

    monkeypatch.setattr(follower, "LOOK_S", 0.01)
    async with listener.follower.open():
        await synced(listener.follower)
        monkeypatch.setattr(bus, "ask_api", ask_api)
        for reconnected in bus.on_reconnect:
            reconnected()
        await listener.heard.reach(3)
        await synced(listener.follower)
        await write(bus, 1, start=3)
        await listener.heard.reach(7 if has_gone_back else 4)
    assert has_gone_back is bool(renewed)


@pytest.mark.parametrize("origin", ["everything", "latest", "new"])
async def test_a_stream_made_anew_is_followed_from_its_beginning(bus: Bus, origin: Origin) -> None:
    """Its sequence begins again; whoever waited for the next of the old one would be deaf."""
    await write(bus, 4)
    renewed: list[str] = []
    listener = Listener(bus, origin=origin, renewed=renewed.append)
    async with listener.follower.open():
        await synced(listener.follower)
        listener.heard.clear()
        await bus.ask_api(f"STREAM.DELETE.{subjects.LOG_STREAM}")
        await ensure_streams(bus, partitions=2)
        await write(bus, 2)
        for reconnected in bus.on_reconnect:  # else it would take the silence of two and a half seconds
            reconnected()
        await listener.heard.reach(2)
        await write(bus, 1, start=2)
        await listener.heard.reach(3)
    assert [1, 2, 3] == listener.positions
    assert (await StatusLog(bus).head()).epoch == epoch_of(renewed[0])
    assert 1 == len(renewed)
