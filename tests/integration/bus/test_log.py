"""The append: by compare-and-set, at most once, and never lost once acknowledged."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from lastword.bus import (
    AppendUncertain,
    Bus,
    Conflict,
    StatusLog,
    TooLarge,
    Unavailable,
    ensure_streams,
    open_bus,
)
from lastword.bus.streams import MAX_MESSAGE
from lastword.contracts import subjects
from lastword.contracts.records import Entry
from tests.integration.servers import NatsServer, Proxy, make_record

RACER = """
import asyncio, sys
import msgspec
from lastword.bus import BusSettings, Conflict, StatusLog, open_bus
from lastword.contracts import subjects
from tests.integration.servers import make_record

url, user, password, me, count = sys.argv[1:]

async def write(bus, log, workflow, compare):
    while True:
        entry = await log.read(workflow)
        version = entry.record.version + 1 if entry else 1
        if version > 3:
            return
        record = make_record(workflow, version, event=f"{me}-{workflow}-{version}")
        if not compare:
            await bus.js.publish(subjects.log(workflow), msgspec.json.encode(record))
            continue
        try:
            await log.append(record, expected=entry.position if entry else 0)
        except Conflict:
            pass

async def main():
    async with open_bus(BusSettings(url=url, user=user, password=password), name=me) as bus:
        for how in ("comparing", "blindly"):
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            for number in range(int(count)):
                await write(bus, StatusLog(bus), f"{how}-{number}", how == "comparing")
        print("done", flush=True)

asyncio.run(main())
"""


@asynccontextmanager
async def behind_proxy(
    server: NatsServer, request_timeout_s: float
) -> AsyncGenerator[tuple[Proxy, Bus], None]:
    """Connect through a proxy."""
    async with (
        Proxy(server.port).open() as proxy,
        open_bus(server.settings(url=proxy.url, request_timeout_s=request_timeout_s), name="proxied") as bus,
    ):
        yield proxy, bus


def losing(*words: bytes) -> Callable[[bytes, bytes], bool]:
    """Return what loses every message that holds one of the words."""
    return lambda _, body: any(word in body for word in words)


async def everything(bus: Bus) -> list[Entry]:
    """Return the whole log; a server that was just restarted is asked again."""
    while True:
        try:
            return [entry async for entries in StatusLog(bus).replay() for entry in entries]
        except Unavailable:
            await asyncio.sleep(0.05)


def regressions(entries: list[Entry]) -> int:
    """Count the records that do not raise their workflow's version by one."""
    last: dict[str, int] = {}
    wrong = 0
    for entry in entries:
        wrong += entry.record.version != last.get(entry.record.id, 0) + 1
        last[entry.record.id] = entry.record.version
    return wrong


async def test_an_append_is_read_back_with_its_position_and_the_servers_time(bus: Bus) -> None:
    """By everyone, at once."""
    log = StatusLog(bus)
    assert await log.read("w-1") is None
    first = await log.append(make_record(), expected=0)
    second = await log.append(make_record(version=2), expected=first.position)
    assert (1, 2) == (first.position, second.position)
    standing = await log.read("w-1")
    assert standing is not None
    assert (2, second.record) == (standing.position, standing.record)
    assert abs(standing.stored_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_another_record_first_is_a_conflict(bus: Bus) -> None:
    """Whoever decided about an older state decides again."""
    log = StatusLog(bus)
    first = await log.append(make_record(), expected=0)
    with pytest.raises(Conflict) as caught:
        await log.append(make_record(event="another"), expected=0)
    assert ("w-1", 0) == (caught.value.workflow_id, caught.value.expected)
    await log.append(make_record(version=2), expected=first.position)
    with pytest.raises(Conflict):
        await log.append(make_record(version=3, event="late"), expected=first.position)
    assert [1, 2] == [entry.record.version for entry in await log.records("w-1")]


async def test_the_same_event_again_lands_once_and_is_answered_alike(bus: Bus) -> None:
    """A caller who lost the answer just asks again: the server says duplicate, or wrong sequence."""
    log = StatusLog(bus)
    first = await log.append(make_record(), expected=0)
    again = await log.append(make_record(), expected=0)
    assert (first.position, first.record) == (again.position, again.record)
    second = await log.append(make_record(version=2), expected=first.position)
    # With what now is the last sequence, it is the message id alone by which the server knows it.
    repeated = await log.append(make_record(version=2), expected=second.position)
    assert second.position == repeated.position
    assert len(await log.records("w-1")) == 2


async def test_workflows_do_not_disturb_one_another(bus: Bus) -> None:
    """What is compared is the last sequence of the subject, not of the stream."""
    log = StatusLog(bus)
    await log.append(make_record("w-1"), expected=0)
    await log.append(make_record("w-2"), expected=0)
    entry = await log.append(make_record("w-1", 2), expected=1)
    assert entry.position == 3


async def test_many_are_read_in_batches_and_the_unknown_left_out(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one batch holds, too."""
    monkeypatch.setattr("lastword.bus.log.BATCH", 3)
    log = StatusLog(bus)
    for number in range(7):
        first = await log.append(make_record(f"w-{number}"), expected=0)
        await log.append(make_record(f"w-{number}", 2), expected=first.position)
    found = await log.read_many(["nobody", *(f"w-{number}" for number in range(7))])
    assert {f"w-{number}": 2 for number in range(7)} == {
        name: entry.record.version for name, entry in found.items()
    }
    assert {} == await log.read_many([])
    assert {} == await log.read_many(["nobody"])
    assert list(range(1, 15)) == [entry.position for entry in await everything(bus)]
    assert [6, 7] == [entry.position for entry in await log.since(5, limit=2)]
    assert [] == await log.since(14)


async def test_the_head_names_the_log_and_its_end(bus: Bus, nats_server: NatsServer) -> None:
    """The name stays over restarts: positions mean the same."""
    log = StatusLog(bus)
    before = await log.head()
    assert before.position == 0
    await log.append(make_record(), expected=0)
    back = asyncio.Event()
    bus.on_reconnect.append(back.set)
    await nats_server.crash()
    await back.wait()
    after = await log.head()
    assert (before.epoch, 1) == (after.epoch, after.position)
    assert abs(after.now - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_record_beyond_the_limit_is_refused_before_it_is_sent(bus: Bus) -> None:
    """By what the stream takes, even where the server takes more."""
    log = StatusLog(bus)
    with pytest.raises(TooLarge):
        await log.append(make_record(result="x" * MAX_MESSAGE), expected=0)
    bus.client._max_payload = 8 * MAX_MESSAGE
    with pytest.raises(TooLarge):
        await log.append(make_record(result="x" * MAX_MESSAGE), expected=0)
    assert await log.read("w-1") is None


async def test_the_largest_record_that_is_let_through_is_taken(bus: Bus) -> None:
    """The room kept for headers is enough."""
    log = StatusLog(bus)
    empty = len(msgspec.json.encode(make_record(event="e" * 64, result="")))
    record = make_record(event="e" * 64, result="x" * (MAX_MESSAGE - 512 - empty))
    entry = await log.append(record, expected=0)
    assert entry.position == 1


async def test_a_lost_acknowledgement_is_settled_by_reading(nats_server: NatsServer, bus: Bus) -> None:
    """The record is in the log, once, and the caller is told so."""
    async with behind_proxy(nats_server, request_timeout_s=0.2) as (proxy, proxied):
        lost: list[bytes] = []

        def lose_one(head: bytes, body: bytes) -> bool:
            if b'"seq"' in body and not lost:
                lost.append(body)
                return True
            return False

        proxy.lose = lose_one
        entry = await StatusLog(proxied).append(make_record(), expected=0)
    assert len(lost) == 1
    assert entry.position == 1
    assert len(await everything(bus)) == 1


async def test_a_record_whose_acknowledgement_was_lost_and_that_was_overtaken_has_landed(
    nats_server: NatsServer, bus: Bus
) -> None:
    """Else whoever started the workflow would be told that its id is taken, and start another."""
    async with behind_proxy(nats_server, request_timeout_s=0.2) as (proxy, proxied):
        overtaking: list[asyncio.Task[Entry]] = []

        def lose_until_overtaken(head: bytes, body: bytes) -> bool:
            if b'"seq"' in body and not overtaking:
                append = StatusLog(bus).append(make_record(version=2), expected=1)
                overtaking.append(asyncio.create_task(append))
            return bool(overtaking) and not overtaking[0].done()

        proxy.lose = lose_until_overtaken
        entry = await StatusLog(proxied).append(make_record(), expected=0)
    assert (1, make_record()) == (entry.position, entry.record)
    assert [1, 2] == [each.record.version for each in await everything(bus)]


async def test_no_answer_at_all_is_said_to_be_uncertain(nats_server: NatsServer, bus: Bus) -> None:
    """After its time, and not as a plain failure: the record may yet be there."""
    async with nats_server.open(request_timeout_s=0.1, append_timeout_s=0.3) as impatient:
        nats_server.freeze()
        with pytest.raises(AppendUncertain, match="w-1"):
            await StatusLog(impatient).append(make_record(), expected=0)
        nats_server.thaw()
    # It may have landed, and asking again finds out.
    entry = await StatusLog(bus).append(make_record(), expected=0)
    assert entry.position == 1
    assert len(await everything(bus)) == 1


async def test_a_server_that_hangs_for_a_while_delays_appends_and_doubles_none(
    nats_server: NatsServer,
) -> None:
    """Every try that timed out lands when the server goes on; one of them counts."""
    async with nats_server.open(request_timeout_s=0.1) as bus:
        await ensure_streams(bus, partitions=2)
        log = StatusLog(bus)
        nats_server.freeze()
        appends = [asyncio.create_task(log.append(make_record(f"w-{n}"), expected=0)) for n in range(20)]
        done, _ = await asyncio.wait(appends, timeout=0.5)
        assert set() == done
        nats_server.thaw()
        entries = await asyncio.gather(*appends)
        assert sorted(entry.position for entry in entries) == [
            entry.position for entry in await everything(bus)
        ]
        assert regressions(await everything(bus)) == 0


async def test_kill_9_of_the_server_loses_no_acknowledged_append_and_doubles_none(
    nats_server: NatsServer,
) -> None:
    """With appends under way all the time."""
    async with nats_server.open(request_timeout_s=0.3) as bus:
        await ensure_streams(bus, partitions=2)
        log = StatusLog(bus)
        acknowledged: list[Entry] = []
        enough = [asyncio.Event() for _ in range(4)]

        async def write(writer: int) -> None:
            for number in range(10_000):
                after = 0
                for version in (1, 2, 3):
                    entry = await log.append(make_record(f"w-{writer}-{number}", version), expected=after)
                    acknowledged.append(entry)
                    after = entry.position
                    if len(acknowledged) >= 100:
                        enough[len(acknowledged) // 100 - 1].set()
                    if enough[3].is_set():
                        return

        writers = asyncio.gather(*(write(writer) for writer in range(4)))
        for event in enough[:3]:
            await event.wait()
            await nats_server.crash()
        await writers
        stored = {entry.position: entry.record for entry in await everything(bus)}
        assert [] == [entry for entry in acknowledged if stored.get(entry.position) != entry.record]
        assert len(stored) == len({record.event for record in stored.values()})
        assert regressions(await everything(bus)) == 0


async def test_two_processes_that_race_never_regress_and_without_comparing_they_do(
    nats_server: NatsServer, bus: Bus
) -> None:
    """80 workflows, three statuses each, both writing all of them; the second half shows what a fault is."""
    login = nats_server.credentials.actor
    racers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RACER, nats_server.url, *login, name, "80"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in ("one", "other")
    ]
    try:
        for _ in ("comparing", "blindly"):
            for racer in racers:
                assert racer.stdout is not None
                assert b"ready\n" == await racer.stdout.readline()
            for racer in racers:
                assert racer.stdin is not None
                racer.stdin.write(b"go\n")
        assert [b"done\n"] * 2 == [(await racer.communicate())[0] for racer in racers]
    finally:
        for racer in racers:
            if racer.returncode is None:
                racer.kill()
                await racer.wait()
    entries = await everything(bus)
    compared = [entry for entry in entries if entry.record.id.startswith("comparing")]
    blind = [entry for entry in entries if entry.record.id.startswith("blindly")]
    assert len(compared) == 240
    assert {"one", "other"} == {entry.record.event.partition("-")[0] for entry in compared}
    assert regressions(compared) == 0
    assert regressions(blind) > 0


async def test_a_batch_that_lost_its_middle_is_not_taken_for_whole(nats_server: NatsServer, bus: Bus) -> None:
    """A database that is rebuilt from the log must not skip a record in silence."""
    log = StatusLog(bus)
    for number in range(6):
        await log.append(make_record(f"w-{number}"), expected=0)
    async with behind_proxy(nats_server, request_timeout_s=0.3) as (proxy, proxied):
        for gap in ((3,), (1,), (6,), (1, 2, 3, 4, 5, 6)):
            names = tuple(f'"id":"w-{position - 1}"'.encode() for position in gap)
            proxy.lose = losing(*names)
            with pytest.raises(Unavailable):
                await StatusLog(proxied).since(0)
        proxy.lose = losing()
        assert len(await StatusLog(proxied).since(0)) == 6
        assert len(await StatusLog(proxied).since(0, limit=2)) == 2


async def test_nobody_answering_a_read_is_unavailable(nats_server: NatsServer) -> None:
    """A server without our streams answers nothing that could be mistaken for an empty log."""
    async with nats_server.open(request_timeout_s=0.3) as bus:
        log = StatusLog(bus)
        with pytest.raises(Unavailable):
            await log.read("w-1")
        with pytest.raises(Unavailable):
            await log.read_many(["w-1"])
        with pytest.raises(Unavailable):
            await log.since(0)
        with pytest.raises(Unavailable):
            await log.head()


async def test_a_strange_name_reads_no_other_workflow(bus: Bus) -> None:
    """A wildcard would find the last record of any workflow."""
    await StatusLog(bus).append(make_record(), expected=0)
    with pytest.raises(subjects.BadToken):
        await StatusLog(bus).read("*")
