"""Whoever has an executor's credentials: what he can publish, as fast as the server takes it."""

import itertools
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import nats
from nats.aio.client import Client

from lastword.bus.accounts import read_credentials
from lastword.contracts import subjects
from lastword.contracts.events import Error, Failed, Lost, Progress, Succeeded
from lastword.contracts.messages import Held, Logged, LogLine, ProgressMade, Pulse, Report
from lastword.contracts.permissions import User, inbox
from lastword.contracts.statuses import ErrorCode
from tests.integration.system.harness import System

__all__ = ["FLOODS", "Message", "enemy", "flood", "reports"]

Message = tuple[str, bytes, dict[str, str] | None]
IN_FLIGHT: Final = 256 * 1024  # bytes that the client may hold back


@asynccontextmanager
async def enemy(system: System) -> AsyncGenerator[Client, None]:
    """Connect as an executor."""
    name, password = read_credentials(system.data / "nats").of(User.EXECUTOR)
    client = await nats.connect(
        system.nats_url,
        user=name,
        password=password,
        inbox_prefix=inbox(User.EXECUTOR).encode(),
        pending_size=IN_FLIGHT,
    )
    try:
        yield client
    finally:
        await client.close()


async def flood(client: Client, messages: Iterator[Message], seconds: float) -> int:
    """Publish for so long, as fast as the server takes it; return how many messages were sent."""
    until = time.monotonic() + seconds
    sent = 0
    for subject, payload, headers in messages:
        await client.publish(subject, payload, headers=headers)
        sent += 1
        if sent % 200 == 0:
            await client.flush(timeout=30)
            if time.monotonic() > until:
                break
    await client.flush(timeout=30)
    return sent


def reports(ended: str, lease: int) -> Iterator[Message]:
    """Yield reports that change nothing: duplicates, of ended and unknown workflows, under wrong leases."""
    at = datetime.now(UTC)
    lost = Error(code=ErrorCode.EXECUTOR_LOST, message="it is gone")
    for number in itertools.count():
        event: Any = (
            Succeeded(lease=lease, finished_at=at),
            Failed(lease=lease + 1, finished_at=at, error=lost),
            Lost(lease=lease, error=lost),
        )[number % 3]
        workflow = ended if number % 2 else f"unknown-{number % 1_000}"
        report = Report(id=workflow, event=event, event_id=f"forged-{number}", actor="enemy", at=at)
        yield subjects.report(workflow), msgspec.json.encode(report), None


def _garbage() -> Iterator[Message]:
    """Yield what reads as no message of its subject's kind."""
    bad = (
        b"",
        b"{",
        b"null",
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"id":7}',
        b'{"id":"a","event":{"event":"x"}}',
        b"0" * 900_000,
    )
    names: tuple[Callable[[str], str], ...] = (
        subjects.report,
        subjects.pulse,
        subjects.progress,
        subjects.logline,
        subjects.definition,
        subjects.metrics,
    )
    for number in itertools.count():
        payload = bad[number % len(bad)]
        if len(payload) > 100_000 and number % 100 > 8:
            continue
        yield names[number % len(names)](f"w-{number % 50}"), payload, None


def _claims() -> Iterator[Message]:
    """Yield claims of workflows that there are not, to be answered nowhere."""
    for number in itertools.count():
        payload = b'{"id":"unknown-%d","executor":"enemy","event_id":"x"}' % number
        yield subjects.command("claim"), payload, None


def _pulses() -> Iterator[Message]:
    """Yield beats of executors that there are not, with leases that there are not, and without an end."""
    at = datetime.now(UTC)
    for number in itertools.count():
        held = tuple(Held(id=f"forged-{number}-{one}", lease=1) for one in range(200))
        pulse = Pulse(executor=f"forged-{number}", at=at, leases=held, definitions=("add",) * 20)
        yield subjects.pulse(pulse.executor), msgspec.json.encode(pulse), None


def _progress() -> Iterator[Message]:
    """Yield progress of workflows that there are not."""
    at = datetime.now(UTC)
    for number in itertools.count():
        progress = Progress(done=1, total=2, label="x" * 5_000)
        made = ProgressMade(id=f"forged-{number}", at=at, lease=1, revision=1, progress=progress)
        yield subjects.progress(made.id), msgspec.json.encode(made), None


def _lines() -> Iterator[Message]:
    """Yield output of workflows that there are not."""
    at = datetime.now(UTC)
    line = LogLine(at=at, stream="stdout", text="x" * 8_000)
    for number in itertools.count():
        logged = Logged(id=f"forged-{number % 5_000}", lines=(line,) * 4)
        yield subjects.logline(logged.id), msgspec.json.encode(logged), None


FLOODS: Final[dict[str, Callable[[], Iterator[Message]]]] = {
    "garbage": _garbage,
    "claims": _claims,
    "pulses": _pulses,
    "progress": _progress,
    "lines": _lines,
}
