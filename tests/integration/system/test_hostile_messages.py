"""Messages by whoever has an executor's credentials: refused, counted with a reason, nothing moved."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
import nats
import pytest
from nats.aio.client import Client

from lastword.bus.accounts import read_credentials
from lastword.contracts import subjects
from lastword.contracts.events import Error, Failed, Lost, Succeeded
from lastword.contracts.messages import Definition, Pulse, Report
from lastword.contracts.permissions import User, inbox
from lastword.contracts.statuses import ErrorCode
from tests.integration.system.harness import System
from tests.overload.enemy import enemy

AT: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GONE: Final = Error(code=ErrorCode.EXECUTOR_LOST, message="it is gone")


class Stand(NamedTuple):
    """What runs while the enemy is at work."""

    system: System
    running: str
    """A workflow that runs."""
    lease: int
    ended: str
    """One that has ended."""
    executor: str


@pytest.fixture(scope="module")
def stand(shared: System) -> Iterator[Stand]:
    """Give a workflow that runs and one that has ended."""
    ended = shared.begin("add", a=1)
    shared.await_end(ended)
    running = shared.begin("steps", count=3_000)
    shown = shared.await_status(running, "running")
    yield Stand(shared, running, shown["position"], ended, shown["executor"])
    shared.post(f"/workflows/{running}/cancel")
    assert "cancelled" == shared.await_end(running)["status"]


@pytest.fixture
async def thief(stand: Stand) -> AsyncGenerator[Client, None]:
    """Connect as an executor; afterwards nothing may have moved, and no process may have ended."""
    before = [stand.system.workflow(one)["version"] for one in (stand.running, stand.ended)]
    pids = stand.system.run_file["pids"]
    async with enemy(stand.system) as client:
        yield client
    assert before == [stand.system.workflow(one)["version"] for one in (stand.running, stand.ended)]
    assert pids == stand.system.run_file["pids"]
    for event in ("task.failed", "follow.callback_failed", "command.crashed", "letter.poisonous"):
        assert [] == stand.system.logged(event)
    plain = await asyncio.to_thread(stand.system.begin, "add", a=40)
    assert "success" == (await asyncio.to_thread(stand.system.await_end, plain))["status"]


def counted(system: System, name: str, **labels: str) -> float:
    """Return a counter's sum over all processes."""
    lines = system.get("/metrics").text.splitlines()
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith(f"lastword_{name}{{") and all(part in line for part in wanted)
    )


async def until_counted(stand: Stand, before: float, name: str, **labels: str) -> None:
    """Return once a counter is above what it was; processes tell theirs every five seconds."""

    def look() -> bool:
        return counted(stand.system, name, **labels) > before

    await asyncio.to_thread(stand.system.until, look, f"{name} {labels}", 20)


async def reports_left(system: System) -> bool:
    """Tell whether any report is still to be handled, as an operator may."""
    name, password = read_credentials(system.data / "nats").of(User.OPERATOR)
    prefix = inbox(User.OPERATOR).encode()
    client = await nats.connect(system.nats_url, user=name, password=password, inbox_prefix=prefix)
    try:
        asked = b'{"seq":1,"next_by_subj":"lastword.report.>"}'
        told = await client.request(f"$JS.API.STREAM.MSG.GET.{subjects.REPORT_STREAM}", asked, timeout=10)
    finally:
        await client.close()
    return "message" in msgspec.json.decode(told.data)


def report(workflow_id: str, lease: int, **given: Any) -> bytes:
    """Return a report that a workflow has failed."""
    fields: dict[str, Any] = {
        "id": workflow_id,
        "event": Failed(lease=lease, finished_at=AT, error=GONE),
        "event_id": "forged",
        "actor": "thief",
        "at": AT,
    }
    return msgspec.json.encode(Report(**(fields | given)))


def forged_reports(stand: Stand) -> dict[str, tuple[str, bytes, str, dict[str, str]]]:
    """Return reports by what is wrong with them: subject, payload, and the counter that must tell."""
    good = report(stand.running, stand.lease)
    unread = ("refused_messages_total", {"kind": "report", "reason": "malformed"})
    mine = subjects.report(stand.running)
    deep = good.replace(b'"lease"', b'"x":' + b"[" * 5_000 + b"]" * 5_000 + b',"lease"')
    long = "x" * 300

    def refused(reason: str) -> tuple[str, dict[str, str]]:
        return "refused_reports_total", {"reason": reason}

    return {
        "empty": (mine, b"", *unread),
        "half": (mine, good[:-9], *unread),
        "no UTF-8": (mine, good.replace(b"thief", b"\xff"), *unread),
        "as long as can be": (mine, b"9" * 1_000_000, *unread),
        "deep": (mine, deep, *unread),
        "another type": (mine, good.replace(b'"forged"', b"7"), *unread),
        "another kind of event": (mine, good.replace(b'"failed"', b'"revived"'), *unread),
        "a lease below zero": (mine, good.replace(b'"lease":', b'"lease":-'), *unread),
        "a long event's id": (mine, report(stand.running, stand.lease, event_id=long), *unread),
        "a long actor": (mine, report(stand.running, stand.lease, actor=long), *unread),
        "a long id": (
            subjects.report("y")[:-1] + long,
            good.replace(stand.running.encode(), long.encode()),
            *unread,
        ),
        "an odd id": (f"{mine}$%&", good.replace(stand.running.encode(), b"$%&"), *unread),
        "of another workflow": (
            subjects.report("other"),
            good,
            "refused_messages_total",
            {"kind": "report", "reason": "misaddressed"},
        ),
        "another lease": (mine, report(stand.running, stand.lease + 1), *refused("lease")),
        "an old lease": (mine, report(stand.running, 1, event=Lost(lease=1, error=GONE)), *refused("lease")),
        "an unknown workflow": (subjects.report("nobody"), report("nobody", 7), *refused("unknown")),
        "an ended workflow": (
            subjects.report(stand.ended),
            report(stand.ended, stand.lease, event=Failed(lease=1, finished_at=AT, error=GONE)),
            *refused("terminal"),
        ),
        "a newer version's": (
            subjects.report(stand.ended),
            report(stand.ended, 1, event=Succeeded(lease=9, finished_at=AT)).replace(
                b'{"id"', b'{"v":9,"id"', 1
            ),
            *refused("terminal"),
        ),
    }


async def test_no_forged_report_moves_anything(stand: Stand, thief: Client) -> None:
    """Each is counted with its reason, done with, and not given to any supervisor again."""
    forged = forged_reports(stand)
    wanted = {(name, tuple(sorted(labels.items()))) for _, _, name, labels in forged.values()}
    before = {one: counted(stand.system, one[0], **dict(one[1])) for one in wanted}
    for subject, payload, _, _ in forged.values():
        await thief.publish(subject, payload)
    await thief.flush()
    for one, value in before.items():
        await until_counted(stand, value, one[0], **dict(one[1]))

    def drained() -> bool:
        told = counted(stand.system, "refused_messages_total", kind="report")
        told += counted(stand.system, "refused_reports_total")
        return told >= sum(before.values()) + len(forged)

    await asyncio.to_thread(stand.system.until, drained, "all of them to be counted", 20)
    assert not await reports_left(stand.system)


OTHERS: Final[list[tuple[str, str, bytes, str, str]]] = [
    ("a beat that is none", subjects.pulse("none"), b"{", "pulse", "malformed"),
    (
        "a beat under another's name",
        subjects.pulse("x"),
        msgspec.json.encode(Pulse(executor="y", at=AT)),
        "pulse",
        "misaddressed",
    ),
    ("progress that is none", subjects.progress("none"), b"[]", "progress", "malformed"),
    ("endless progress", subjects.progress("x"), b"0" * 200_000, "progress", "oversize"),
    ("lines that are none", subjects.logline("x"), b"\xff", "logline", "malformed"),
    ("a definition that is none", subjects.definition("none"), b"7", "definition", "malformed"),
    (
        "a definition under another's name",
        subjects.definition("x"),
        msgspec.json.encode(Definition(name="add", kind="function", input_schema={})),
        "definition",
        "misaddressed",
    ),
    ("endless metrics", subjects.metrics("x"), b"0" * 200_000, "metrics", "oversize"),
    ("a claim that is none", subjects.command("claim"), b"[" * 500, "command", "malformed"),
]


async def test_no_forged_message_does(stand: Stand, thief: Client) -> None:
    """Of any other kind, on any subject that an executor may use."""
    labels = {name: {"kind": kind, "reason": reason} for name, _, _, kind, reason in OTHERS}
    before = {name: counted(stand.system, "refused_messages_total", **labels[name]) for name in labels}
    for _, subject, payload, _, _ in OTHERS:
        await thief.publish(subject, payload)
    await thief.flush()
    for name, value in before.items():
        await until_counted(stand, value, "refused_messages_total", **labels[name])


async def test_lines_that_are_none_are_shown_as_lines_that_are_missing(stand: Stand, thief: Client) -> None:
    """Whoever reads the output is not kept from the rest of it."""
    await thief.publish(subjects.logline(stand.ended), b"{")
    await thief.flush()
    shown = stand.system.get(f"/workflows/{stand.ended}/logs")
    assert 200 == shown.status_code
    assert 1 == shown.json()["dropped"]


async def test_a_forged_goodbye_ends_nobody(stand: Stand, thief: Client) -> None:
    """The server lets one executor beat as another; but a beat is evidence, and the executor is asked."""
    forged = msgspec.json.encode(Pulse(executor=stand.executor, at=AT, state="gone"))
    for _ in range(20):
        await thief.publish(subjects.pulse(stand.executor), forged)
    await thief.flush()
    await asyncio.to_thread(
        stand.system.until, lambda: stand.system.logged("executor.suspected"), "the auditor to ask", 10
    )
    shown = stand.system.workflow(stand.running)
    assert ("running", "fresh") == (shown["status"], shown["heartbeat"])


async def test_answers_that_nobody_asked_for_are_heard_by_nobody(stand: Stand, thief: Client) -> None:
    """An executor may answer the auditor, under a name that it was told; other inboxes are closed to it."""
    refused: list[str] = []

    async def hear(error: Exception) -> None:
        refused.append(str(error))

    thief._error_cb = hear
    for answer in ("_INBOX_auditor.guess.1", "_INBOX_supervisor.guess.1", "_INBOX_edge.guess.1"):
        await thief.publish(answer, b'{"error":{"code":404,"err_code":10037}}')
    await thief.flush()
    await thief.flush()
    assert ["_inbox_edge", "_inbox_supervisor"] == sorted(
        re.findall(r"_inbox_[a-z]+", " ".join(refused).lower())
    )
