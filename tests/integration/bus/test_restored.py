"""A log that is restored from a backup says that it was made when the lost one was, and is another."""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lastword.bus import Bus, StatusLog, Unavailable, ensure_streams, epoch_of
from tests.integration.bus.test_follower import Listener, behind_proxy, synced, write
from tests.integration.servers import Collected, NatsServer


async def back_up(server: NatsServer, folder: Path, bus: Bus) -> None:
    """Copy the server's data, while it does not run."""
    async with stopped(server, bus):
        shutil.copytree(folder / "data", folder / "backup")


async def put_back(server: NatsServer, folder: Path, bus: Bus) -> None:
    """Let the server go on with the copy."""
    async with stopped(server, bus):
        shutil.rmtree(folder / "data")
        shutil.move(folder / "backup", folder / "data")


@asynccontextmanager
async def stopped(server: NatsServer, bus: Bus) -> AsyncGenerator[None, None]:
    """Kill the server for the block; afterwards `bus` is connected again."""
    back = asyncio.Event()
    bus.on_reconnect.append(back.set)
    server.kill()
    yield
    await server.start()
    async with asyncio.timeout(20):
        await back.wait()
        while not await _answers(bus):  # noqa: ASYNC110  a cluster elects its leaders first
            await asyncio.sleep(0.05)
    bus.on_reconnect.remove(back.set)


async def _answers(bus: Bus) -> bool:
    try:
        await StatusLog(bus).head()
    except Unavailable:
        return False
    return True


@pytest.mark.parametrize("grown", [0, 2, 3], ids=["shorter", "as long", "longer"])
@pytest.mark.parametrize("is_patient", [False, True])
async def test_it_is_recognised_however_far_it_has_grown_again(
    nats_server: NatsServer, bus: Bus, tmp_path: Path, grown: int, *, is_patient: bool
) -> None:
    """By its end, or by the time of the record that was delivered last.

    Whoever is patient waits until the log has another name; the others are told that it has not.
    """
    await write(bus, 2)
    log = StatusLog(bus)
    await back_up(nats_server, tmp_path, bus)
    old = (await log.head()).epoch
    renewed = Collected[str]()
    async with behind_proxy(nats_server) as (proxy, far):
        listener = Listener(far, renewed=renewed.add, is_patient=is_patient)
        heard = listener.heard
        async with listener.follower.open():
            await write(bus, 2, start=2)
            await heard.reach(4)
            await proxy.cut()  # so that it comes back after the log has grown
            await put_back(nats_server, tmp_path, bus)
            await write(bus, grown, start=10)
            assert old == (await log.head()).epoch  # as the server sees it, nothing has happened
            heard.clear()
            if is_patient:
                await log.rename(old)
            await proxy.listen()
            await renewed.reach(1)
            await heard.reach(2 + grown)
            await synced(listener.follower)
    assert [*range(1, 3 + grown)] == listener.positions
    assert [is_patient] == [epoch_of(name) != old for name in renewed]


async def test_a_patient_one_hears_nothing_until_the_log_has_another_name(
    nats_server: NatsServer, bus: Bus, tmp_path: Path
) -> None:
    """Else it would tell the new log's positions under the old one's name."""
    await write(bus, 1)
    log = StatusLog(bus)
    await back_up(nats_server, tmp_path, bus)
    old = (await log.head()).epoch
    renewed = Collected[str]()
    listener = Listener(bus, renewed=renewed.add, is_patient=True)
    heard = listener.heard
    async with listener.follower.open():
        await write(bus, 1, start=1)
        await heard.reach(2)
        await put_back(nats_server, tmp_path, bus)
        heard.clear()
        await write(bus, 3, start=10)  # whoever was not patient would hear these
        assert ([], False) == (heard, listener.follower.synced.is_set())
        await log.rename(old)
        await heard.reach(4)
    assert [(await log.head()).epoch] == [epoch_of(name) for name in renewed]


async def test_whoever_notices_the_same_gives_the_same_name(bus: Bus) -> None:
    """Once for one epoch, however many ask; and it outlives the look that supervisors take at the streams."""
    log = StatusLog(bus)
    first = (await log.head()).epoch
    await log.rename(first)
    second = (await log.head()).epoch
    await log.rename(first)
    await ensure_streams(bus, partitions=2)
    assert (True, second) == (first != second, (await log.head()).epoch)
    await log.rename(second)
    assert (await log.head()).epoch not in {first, second}
