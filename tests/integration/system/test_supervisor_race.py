"""Two supervisors and reports that contradict each other: the status is a ratchet all the same.

The control runs the same race without compare-and-set, and must regress: so the test can fail.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from lastword.actors.registrar import Registrar
from lastword.bus import Bus, CommandClient, StatusLog, Unavailable
from lastword.contracts import subjects
from lastword.contracts.events import Cancelled, Claimed, Error, Failed, Lost, Submitted, Succeeded
from lastword.contracts.messages import Cancel, Claim, Definition, Reply, Report, ReportedEvent, Start
from lastword.contracts.moves import IllegalMove
from lastword.contracts.records import Entry, Record
from lastword.contracts.statuses import RANK, ErrorCode
from lastword.storage import database_url, digest, digest_of, open_database, upgrade
from lastword.storage.settings import StorageSettings
from lastword.telemetry.metrics import Metrics
from tests.integration.backends import Backend
from tests.integration.servers import NatsServer

WORKFLOWS: Final = 500
NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Unchecked(StatusLog):
    """The control: appends without naming what it believes to be the last record."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self._client = bus.client

    async def append(self, record: Record, *, expected: int) -> Entry:
        """Append, whoever was first."""
        del expected
        await asyncio.sleep(0)  # whoever decides next has read before this is written
        answer = await self._client.request(subjects.log(record.id), msgspec.json.encode(record), timeout=5)
        return Entry(position=msgspec.json.decode(answer.data)["seq"], stored_at=record.at, record=record)


def _contradictions(lease: int, rng: random.Random) -> list[ReportedEvent]:
    """Return verdicts that cannot all be true, in any order."""
    error = Error(code=ErrorCode.EXCEPTION, message="it broke")
    lost = Error(code=ErrorCode.EXECUTOR_LOST, message="it is gone")
    events: list[ReportedEvent] = [
        Succeeded(lease=lease, finished_at=NOW, result="done"),
        Failed(lease=lease, finished_at=NOW, error=error),
        Cancelled(lease=lease, finished_at=NOW),
        Lost(lease=lease, error=lost),
        Succeeded(lease=lease - 1, finished_at=NOW, result="a lie"),
    ]
    rng.shuffle(events)
    return events


def _regressions(entries: Sequence[Entry]) -> list[str]:
    """Return the workflows whose rank ever failed to rise."""
    ranks: dict[str, list[int]] = defaultdict(list)
    for entry in entries:
        ranks[entry.record.id].append(RANK[entry.record.status])
    return [name for name, seen in ranks.items() if any(b <= a for a, b in pairwise(seen))]


async def _race(log_of: type[StatusLog], server: NatsServer) -> list[Entry]:
    """Let two registrars on connections of their own judge the same contradictions; return the log."""
    rng = random.Random(7)  # noqa: S311  repeatable, not secret
    async with server.open(request_timeout_s=10.0) as first, server.open(request_timeout_s=10.0) as second:
        logs = [log_of(first), log_of(second)]
        registrars = [
            Registrar(log, Metrics(CollectorRegistry()), now=lambda: datetime.now(UTC)) for log in logs
        ]
        places = asyncio.Semaphore(32)

        async def judge(name: str) -> None:
            async with places:
                one = registrars[0]
                await one.accept(name, Submitted(definition="raced"), event_id=f"{name}.s", actor="test")
                held = await one.accept(name, Claimed(executor="e"), event_id=f"{name}.c", actor="test")
                events = list(enumerate(_contradictions(held.position, rng)))

                async def say(number: int, event: ReportedEvent) -> None:
                    try:
                        await registrars[number % 2].accept(
                            name, event, event_id=f"{name}.{number}", actor="test"
                        )
                    except IllegalMove:
                        return

                await asyncio.gather(*(say(number, event) for number, event in events))

        await asyncio.gather(*(judge(f"w-{number}") for number in range(WORKFLOWS)))
        return [entry async for entries in StatusLog(first).replay() for entry in entries]


async def test_two_registrars_never_regress(nats_server: NatsServer, bus: Bus) -> None:
    """500 workflows, five contradicting verdicts each, two writers: every log rises, and ends once."""
    entries = await _race(StatusLog, nats_server)

    assert WORKFLOWS == sum(entry.record.status.is_terminal for entry in entries)
    assert [] == _regressions(entries)


async def test_without_compare_and_set_they_do_regress(nats_server: NatsServer, bus: Bus) -> None:
    """The control: the same race with plain publishes takes terminal statuses back."""
    assert [] != _regressions(await _race(Unchecked, nats_server))


async def _reports(bus: Bus, rng: random.Random) -> None:
    """Start 500 workflows, claim them, and fire contradictions and cancels at them."""
    commands = CommandClient(bus)
    places = asyncio.Semaphore(48)
    stream = bus.js

    async def play(number: int) -> None:
        async with places:
            start = Start(definition="raced", idempotency_key=f"race-{number}")
            started = await _patiently(lambda: commands.start(start))
            assert started.accepted is not None, started.problem
            name = started.accepted.record.id
            claim = Claim(id=name, executor="e", event_id=f"{name}.c")
            claimed = await _patiently(lambda: commands.claim(claim))
            assert claimed.accepted is not None, claimed.problem
            sends = [
                stream.publish(
                    subjects.report(name),
                    msgspec.json.encode(
                        Report(id=name, event=event, event_id=f"{name}.{index}", actor="test", at=NOW)
                    ),
                )
                for index, event in enumerate(_contradictions(claimed.accepted.position, rng))
            ]
            if number % 3 == 0:
                await asyncio.gather(_patiently(lambda: commands.cancel(Cancel(id=name))), *sends)
            else:
                await asyncio.gather(*sends)

    await asyncio.gather(*(play(number) for number in range(WORKFLOWS)))


async def _patiently(ask: Callable[[], Awaitable[Reply]]) -> Reply:
    """Ask again where the supervisor that was asked has died: each of these commands may be repeated."""
    while True:
        try:
            return await ask()
        except Unavailable:
            continue


async def _drained(bus: Bus) -> bool:
    info = await bus.ask_api(f"STREAM.INFO.{subjects.REPORT_STREAM}")
    return int(info["state"]["messages"]) == 0


@pytest.mark.timeout(240)
async def test_two_supervisors_and_a_killed_one_leave_database_and_log_alike(
    nats_server: NatsServer, bus: Bus, backend: Backend, tmp_path: Path
) -> None:
    """Real processes, one of them killed in the middle: no regression, nothing lost, database = replay."""
    storage = StorageSettings(url=backend.database(tmp_path))
    await upgrade(database_url(storage, tmp_path))
    user, password = nats_server.credentials.actor
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LASTWORD")},
        "LASTWORD_DATA_DIR": str(tmp_path),
        "LASTWORD_BUS__URL": nats_server.url,
        "LASTWORD_BUS__USER": user,
        "LASTWORD_BUS__PASSWORD": password,
        "LASTWORD_BUS__REPLICAS": str(nats_server.replicas),
        "LASTWORD_STORAGE__URL": database_url(storage, tmp_path),
        "LASTWORD_SUPERVISOR__PARTITIONS": "2",
        "LASTWORD_LOG__LEVEL": "warning",
    }
    definition = Definition(name="raced", kind="function", input_schema={"type": "object"})
    await bus.js.publish(subjects.definition("raced"), msgspec.json.encode(definition))
    command = [sys.executable, "-m", "lastword", "run", "supervisor"]
    supervisors = [subprocess.Popen(command, cwd=tmp_path, env=environ) for _ in range(2)]  # noqa: ASYNC220
    try:
        await _until_served(bus)
        playing = asyncio.create_task(_reports(bus, random.Random(11)))  # noqa: S311
        await asyncio.sleep(0.5)  # in the middle; where exactly is up to the machine
        supervisors[0].send_signal(signal.SIGKILL)
        await playing
        async with asyncio.timeout(60):
            while not await _drained(bus):  # noqa: ASYNC110  the server has no event for it
                await asyncio.sleep(0.05)
        log = StatusLog(bus)
        entries = [entry async for batch in log.replay() for entry in batch]
        async with open_database(storage, tmp_path) as database:
            async with asyncio.timeout(20):
                while await digest(database) != digest_of(entries):  # noqa: ASYNC110  another process writes
                    await asyncio.sleep(0.05)
    finally:
        for supervisor in supervisors:
            supervisor.kill()
            supervisor.wait()

    assert [] == _regressions(entries)
    assert WORKFLOWS == sum(entry.record.status.is_terminal for entry in entries)


async def _until_served(bus: Bus) -> None:
    """Wait until both supervisors answer, as `nats micro ping` would see them."""
    async with asyncio.timeout(90):
        while True:
            inbox = bus.client.new_inbox()
            subscription = await bus.client.subscribe(inbox)
            await bus.client.publish("$SRV.PING.lastword-supervisor", reply=inbox)
            await asyncio.sleep(0.3)
            answers = subscription.pending_msgs
            await subscription.unsubscribe()
            if answers >= 2:
                return
