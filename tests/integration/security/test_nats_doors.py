"""Every NATS user at every door: what the table grants is let through, and all else is refused.

The table itself (`contracts.permissions`) is judged by hand-written claims, here and in its unit tests; that
it suffices, the system's tests show, which fail where any process is refused anything.
"""

import asyncio
import stat
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import nats
import pytest
from nats.aio.client import Client
from prometheus_client import CollectorRegistry

from lastword.bus import Bus, BusSettings, StatusLog, ensure_streams, open_bus, write_nkeys
from lastword.bus.commands import serve_commands
from lastword.bus.exceptions import LoginRefused, Unavailable
from lastword.bus.server import _find_binary
from lastword.contracts import subjects
from lastword.contracts.messages import Cancel, Problem, Reply
from lastword.contracts.permissions import STREAMS, TALK, User, allows, grant, inbox
from lastword.telemetry.metrics import Metrics
from tests.integration.servers import NatsServer, make_record

DANGEROUS: Final = (
    *(f"$JS.API.STREAM.{verb}.{name}" for verb in ("DELETE", "PURGE", "MSG.DELETE") for name in STREAMS),
    *(f"$JS.API.CONSUMER.CREATE.{name}.x.{subjects.log()}" for name in STREAMS),
    *(f"$JS.API.CONSUMER.DURABLE.CREATE.{name}.x" for name in STREAMS),
    *(f"$JS.API.CONSUMER.DELETE.{name}.x" for name in STREAMS),
    "$JS.API.STREAM.CREATE.OTHER",
    "$JS.API.ACCOUNT.PURGE.LASTWORD",
    "$JS.API.SERVER.REMOVE",
    "$SYS.REQ.SERVER.PING",
    "$SYS.ACCOUNT.LASTWORD.DISCONNECT",
    "_INBOX.someone.else",
    "lastword.unheard-of.x",
    "elsewhere",
)
"""What most or all may not do, besides what the table names."""


def doors() -> list[str]:
    """Return a subject for each pattern that anyone is granted, and the dangerous ones."""
    patterns = {*TALK, *(pattern for user in User for part in grant(user) for pattern in part)}
    named = {pattern.replace("*", "x").replace(">", "x") for pattern in patterns}
    return sorted({*named, *DANGEROUS})


@asynccontextmanager
async def knocking(server: NatsServer, user: User) -> AsyncGenerator[tuple[Client, set[str]], None]:
    """Connect as a user; the set is filled with the subjects that the server refuses."""
    refused: set[str] = set()
    by_small_letters = {subject.lower(): subject for subject in doors()}  # the client makes all of it small

    async def hear(error: Exception) -> None:
        assert "ermissions" in str(error), error
        refused.add(by_small_letters[str(error).split('"')[1].lower()])

    name, password = server.credentials.of(user)
    client = await nats.connect(server.url.split(","), user=name, password=password, error_cb=hear)
    try:
        yield client, refused
    finally:
        await client.close()


async def settle(client: Client) -> None:
    """Return when the server has answered all that was sent; one flush may overtake what is queued."""
    await client.flush()
    await client.flush()


@pytest.mark.parametrize("user", User)
async def test_every_user_at_every_door(nats_server: NatsServer, bus: Bus, user: User) -> None:
    """The server refuses exactly what the table does not grant, to speakers and to listeners."""
    everything = doors()
    async with knocking(nats_server, user) as (client, refused):
        for subject in everything:
            await client.publish(subject, b"", reply="nowhere")
        await settle(client)
        assert {s for s in everything if not allows(grant(user).publish, s)} == refused
    async with knocking(nats_server, user) as (client, refused):
        for subject in everything:
            await client.subscribe(subject)
        await settle(client)
        assert {s for s in everything if not allows(grant(user).subscribe, s)} == refused


async def test_nobody_but_a_supervisor_appends(nats_server: NatsServer, bus: Bus) -> None:
    """Whatever the others try, the log stays as it was."""
    record = msgspec.json.encode(make_record())
    for user in User:
        if user in {User.SUPERVISOR, User.SYSTEM}:
            continue
        async with knocking(nats_server, user) as (client, refused):
            await client.publish(subjects.log("x"), record)
            await client.publish(subjects.status("x"), record)
            await settle(client)
            assert {subjects.log("x"), subjects.status("x")} == refused
    assert 0 == (await StatusLog(bus).head()).position
    async with nats_server.open("supervisor") as supervisor:
        await StatusLog(supervisor).append(make_record(), expected=0)
    assert await StatusLog(bus).read("w-1") is not None


async def test_an_answer_never_lands_outside_an_inbox(nats_server: NatsServer, bus: Bus) -> None:
    """A command that names the log as the place for its answer is not answered there."""

    async def refuse(command: Cancel) -> Reply:
        handled.set()
        return Reply(problem=Problem(status=404, code="unknown_workflow", title=command.id))

    handled = asyncio.Event()
    async with (
        nats_server.open("supervisor") as supervisor,
        nats_server.open("operator") as operator,
        serve_commands(
            supervisor,
            Metrics(CollectorRegistry()),
            name="lastword-supervisor",
            version="1.0.0",
            description="",
            handlers={"cancel": refuse},
        ),
    ):
        command = msgspec.json.encode(Cancel(id="w-1"))
        await operator.client.publish(subjects.command("cancel"), command, reply=subjects.log("w-1"))
        async with asyncio.timeout(10):
            await handled.wait()
        assert b"lastword-supervisor" in await operator.request("$SRV.PING", b"")  # as `nats micro ls` asks
        answer = await operator.request(subjects.command("cancel"), command)
        assert b"unknown_workflow" in answer
        await supervisor.barrier()
        assert 0 == (await StatusLog(bus).head()).position


@asynccontextmanager
async def own_server(folder: Path, configuration: str) -> AsyncGenerator[str, None]:
    """Run a nats-server as its owner would, with a configuration that includes the generated one."""
    (folder / "server.conf").write_text(configuration, "utf-8")
    process = subprocess.Popen(  # noqa: ASYNC220  a fork
        [_find_binary(None), "-c", str(folder / "server.conf")], stderr=subprocess.DEVNULL
    )
    ports = folder / f"nats-server_{process.pid}.ports"
    told: dict[str, Any] = {}
    try:
        async with asyncio.timeout(15):
            while not told:
                try:
                    told = msgspec.json.decode(ports.read_bytes())
                except (OSError, msgspec.DecodeError):  # not yet, or half written
                    await asyncio.sleep(0.01)
        yield str(told["nats"][0])
    finally:
        process.terminate()
        process.wait()


async def test_generated_keys_open_a_server_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeds are the owner's alone, the configuration holds no secret, and a second run changes nothing."""
    monkeypatch.setattr("lastword.bus.connection.FIRST_S", 0.5)  # of trying to log in, twice in vain
    folder = tmp_path / "nats"
    written = write_nkeys(folder)
    assert {"lastword-users.conf", *(f"{user}.nk" for user in User)} == {path.name for path in written}
    for user in User:
        path = folder / f"{user}.nk"
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)
        assert path.read_text("utf-8").strip() not in (folder / "lastword-users.conf").read_text("utf-8")
    assert [] == write_nkeys(folder)
    configuration = f"""
        listen: "127.0.0.1:-1"
        ports_file_dir: "{tmp_path}"
        jetstream {{ store_dir: "{tmp_path}/store" }}
        include "nats/lastword-users.conf"
    """
    async with own_server(tmp_path, configuration) as url:

        def settings(user: User) -> BusSettings:
            return BusSettings(url=url, nkey_seed=str(folder / f"{user}.nk"))

        async with open_bus(
            settings(User.SUPERVISOR), name="s", inbox_prefix=inbox(User.SUPERVISOR)
        ) as supervisor:
            await ensure_streams(supervisor, partitions=2)
            await StatusLog(supervisor).append(make_record(), expected=0)
        async with open_bus(settings(User.EXECUTOR), name="x", inbox_prefix=inbox(User.EXECUTOR)) as executor:
            assert {"w-1"} == set(await StatusLog(executor).read_many(["w-1"]))
            with pytest.raises(Unavailable):
                await executor.request("$JS.API.INFO", b"", timeout_s=0.1)
        with pytest.raises(LoginRefused):
            async with open_bus(BusSettings(url=url), name="nobody"):
                pass
        (folder / "edge.nk").unlink()
        assert {"edge.nk", "lastword-users.conf"} == {path.name for path in write_nkeys(folder)}
        with pytest.raises(LoginRefused):  # the server does not know the new key before it is reloaded
            async with open_bus(settings(User.EDGE), name="e"):
                pass
