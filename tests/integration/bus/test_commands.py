"""Commands: asked, answered, and never left without an answer."""

import asyncio
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from lastword.bus import Bus, BusError, CommandClient, Conflict, TooLarge, Unavailable, serve_commands
from lastword.contracts import subjects
from lastword.contracts.messages import Accepted, Cancel, Claim, Problem, Reconcile, Reply, Start
from lastword.telemetry.metrics import Metrics
from tests.integration.servers import AT, NatsServer, make_record

ACCEPTED = Reply(accepted=Accepted(position=1, stored_at=AT, record=make_record(), created=True))
UNKNOWN = Problem(status=404, code="unknown_workflow", title="No such workflow", detail="w-9 is none")


def serving(bus: Bus, **handlers: Any) -> Any:
    """Serve commands by `handlers`."""
    return serve_commands(
        bus,
        Metrics(CollectorRegistry()),
        name="lastword-supervisor",
        version="0.1.0",
        description="For tests",
        handlers=handlers,
    )


async def accept(command: Any) -> Reply:
    """Accept anything."""
    return ACCEPTED


async def ask(bus: Bus, verb: str, payload: bytes) -> tuple[Reply, dict[str, str]]:
    """Ask as any NATS client would; return the answer and its headers."""
    message = await bus.client.request(subjects.command(verb), payload, timeout=5)
    return msgspec.json.decode(message.data, type=Reply), dict(message.headers or {})


async def test_each_command_reaches_its_handler_and_its_answer_comes_back(bus: Bus) -> None:
    """With all its fields."""
    heard: list[Any] = []

    async def hear(command: Any) -> Reply:
        heard.append(command)
        return ACCEPTED

    start = Start(definition="brief", inputs={"topic": "tides"}, idempotency_key="k")
    claim = Claim(id="w-1", executor="host-1", event_id="e")
    async with serving(bus, start=hear, claim=hear, cancel=hear, reconcile=hear):
        client = CommandClient(bus)
        answers = [
            await client.start(start),
            await client.claim(claim),
            await client.cancel(Cancel(id="w-1", by="ada")),
            await client.reconcile(Reconcile(id="w-1")),
        ]
    assert [start, claim, Cancel(id="w-1", by="ada"), Reconcile(id="w-1")] == heard
    assert [ACCEPTED] * 4 == answers


async def test_a_problem_is_an_error_to_clients_that_only_know_micro_services(bus: Bus) -> None:
    """`nats req` and others look at headers; an accepted command has none."""

    async def refuse(command: Cancel) -> Reply:
        return Reply(problem=UNKNOWN)

    async with serving(bus, cancel=refuse, start=accept):
        reply, headers = await ask(bus, "cancel", b'{"id":"w-9"}')
        assert UNKNOWN == reply.problem
        expected = {"Nats-Service-Error": "No such workflow", "Nats-Service-Error-Code": "404"}
        assert expected == headers
        reply, headers = await ask(bus, "start", b'{"definition":"brief"}')
        assert ACCEPTED == reply
        assert {} == headers


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"{}", b'{"id":7}', b'{"id":"\xff"}', b'{"id":' + b"[" * 200_000],
    ids=["empty", "cut off", "a field missing", "a wrong type", "no UTF-8", "too deep"],
)
async def test_a_malformed_command_is_answered_with_what_is_wrong(bus: Bus, payload: bytes) -> None:
    """And goes no further."""

    async def hear(command: Any) -> Reply:
        raise AssertionError

    async with serving(bus, cancel=hear):
        reply, headers = await ask(bus, "cancel", payload)
    assert reply.problem is not None
    assert (400, "malformed") == (reply.problem.status, reply.problem.code)
    assert reply.problem.detail
    assert headers["Nats-Service-Error-Code"] == "400"


async def test_more_than_are_taken_at_once_are_refused_at_once(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words, and undone: what waited would be done after whoever asked has gone. Other verbs go on."""
    monkeypatch.setattr("lastword.bus.commands.AT_ONCE", 2)
    freed = asyncio.Event()

    async def wait(command: Cancel) -> Reply:
        await freed.wait()
        return ACCEPTED

    async with serving(bus, cancel=wait, start=accept), asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(ask(bus, "cancel", b'{"id":"w-1"}')) for _ in range(2)]
        await asyncio.sleep(0)
        reply, headers = await ask(bus, "cancel", b'{"id":"w-2"}')  # asked last, and so the third
        assert reply.problem is not None
        assert (503, "overloaded", 1) == (
            reply.problem.status,
            reply.problem.code,
            reply.problem.retry_after_s,
        )
        assert "503" == headers["Nats-Service-Error-Code"]
        assert ACCEPTED == (await ask(bus, "start", b'{"definition":"brief"}'))[0]
        freed.set()
        assert [ACCEPTED] * 2 == [(await one)[0] for one in waiting]
        assert ACCEPTED == (await ask(bus, "cancel", b'{"id":"w-2"}'))[0]


async def test_a_handler_that_crashes_is_a_fault_of_ours_that_tells_no_secrets(bus: Bus) -> None:
    """The log says more than the answer; the next command is served."""

    async def crash(command: Cancel) -> Reply:
        if command.id == "w-1":
            raise LookupError("password: hunter2")
        return ACCEPTED

    async with serving(bus, cancel=crash):
        with capture_logs() as logs:
            reply, _ = await ask(bus, "cancel", b'{"id":"w-1"}')
        assert reply.problem is not None
        assert (500, "internal") == (reply.problem.status, reply.problem.code)
        assert "hunter2" not in str(reply)
        assert ["command.crashed"] == [entry["event"] for entry in logs]
        assert ACCEPTED == await CommandClient(bus).cancel(Cancel(id="w-2"))


@pytest.mark.parametrize("error", [Unavailable("the log"), Conflict("w-1", 3)], ids=["no leader", "a race"])
async def test_a_bus_that_fails_the_handler_is_a_reason_to_try_again(bus: Bus, error: BusError) -> None:
    """With the time to wait."""

    async def fail(command: Any) -> Reply:
        raise error

    async with serving(bus, cancel=fail):
        reply = await CommandClient(bus).cancel(Cancel(id="w-1"))
    assert reply.problem is not None
    assert (503, "unavailable", 1) == (reply.problem.status, reply.problem.code, reply.problem.retry_after_s)


async def test_nobody_there_is_told_at_once(bus: Bus) -> None:
    """The server knows that nobody listens."""
    async with asyncio.timeout(2):  # less than the time that a command may take
        with pytest.raises(Unavailable, match=r"lastword\.command\.start"):
            await CommandClient(bus).start(Start(definition="brief"))


async def test_an_answer_that_cannot_be_read_is_unavailable(nats_server: NatsServer, bus: Bus) -> None:
    """A newer supervisor, or no supervisor at all."""

    async def babble(message: Any) -> None:
        await message.respond(b'{"accepted": 7}')

    await bus.client.subscribe(subjects.command("cancel"), cb=babble)
    await bus.barrier()
    with pytest.raises(Unavailable, match="cannot be read"):
        await CommandClient(bus).cancel(Cancel(id="w-1"))


async def test_a_command_beyond_the_servers_limit_is_too_large(bus: Bus) -> None:
    """Not an error of the client library."""
    with pytest.raises(TooLarge):
        await CommandClient(bus).start(Start(definition="brief", inputs={"text": "x" * 2_000_000}))


async def test_one_slow_command_holds_up_no_other(bus: Bus) -> None:
    """It may be waiting for an election."""
    go = asyncio.Event()

    async def slow(command: Cancel) -> Reply:
        if command.id == "slow":
            await go.wait()
        return ACCEPTED

    async with serving(bus, cancel=slow):
        client = CommandClient(bus)
        waiting = asyncio.create_task(client.cancel(Cancel(id="slow")))
        assert ACCEPTED == await client.cancel(Cancel(id="quick"))
        assert not waiting.done()
        go.set()
        assert ACCEPTED == await waiting


async def test_who_stops_serving_answers_what_it_took(nats_server: NatsServer, bus: Bus) -> None:
    """And takes no more: a caller is not left waiting."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(command: Cancel) -> Reply:
        begun.set()
        await go.wait()
        return ACCEPTED

    async with nats_server.open() as server_side:
        client = CommandClient(bus)
        async with serving(server_side, cancel=slow):
            waiting = asyncio.create_task(client.cancel(Cancel(id="w-1")))
            await begun.wait()
            asyncio.get_running_loop().call_later(0.2, go.set)  # while it stops
        assert ACCEPTED == await waiting
        with pytest.raises(Unavailable):
            await client.cancel(Cancel(id="w-2"))


async def test_several_serve_and_each_command_is_handled_once(nats_server: NatsServer, bus: Bus) -> None:
    """Two supervisors share a queue."""
    heard: list[str] = []

    async def hear(command: Cancel) -> Reply:
        heard.append(command.id)
        return ACCEPTED

    async with nats_server.open() as other, serving(bus, cancel=hear), serving(other, cancel=hear):
        client = CommandClient(bus)
        await asyncio.gather(*(client.cancel(Cancel(id=f"w-{number}")) for number in range(20)))
    assert sorted(f"w-{number}" for number in range(20)) == sorted(heard)


async def test_the_service_is_visible_to_every_nats_client(bus: Bus) -> None:
    """`nats micro ls` asks this."""
    async with serving(bus, start=accept, cancel=accept):
        info = msgspec.json.decode(
            (await bus.client.request("$SRV.INFO.lastword-supervisor", timeout=5)).data
        )
    assert ("lastword-supervisor", "0.1.0", "For tests") == (
        info["name"],
        info["version"],
        info["description"],
    )
    expected = {"start": "lastword.command.start", "cancel": "lastword.command.cancel"}
    assert expected == {endpoint["name"]: endpoint["subject"] for endpoint in info["endpoints"]}


async def test_a_restart_of_the_server_needs_no_new_registration(nats_server: NatsServer, bus: Bus) -> None:
    """The connection comes back, and with it the service."""
    back = asyncio.Event()
    bus.on_reconnect.append(back.set)
    async with serving(bus, cancel=accept):
        await nats_server.crash()
        await back.wait()
        assert ACCEPTED == await CommandClient(bus).cancel(Cancel(id="w-1"))
