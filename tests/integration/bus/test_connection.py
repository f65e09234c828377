"""Connecting: who is refused, how soon, and in which words."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from lastword.bus import (
    BadLogin,
    Bus,
    BusError,
    BusSettings,
    LoginRefused,
    ServerTooOld,
    TooLarge,
    Unavailable,
    Unreachable,
    connection,
    open_bus,
)
from tests.integration.servers import NatsServer, Proxy

PASSWORD = "hunter2-never-shown"  # noqa: S105  not one


@asynccontextmanager
async def fake_server(**info: Any) -> AsyncGenerator[str, None]:
    """Speak just enough of the protocol to be taken for a server that says `info` of itself."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = {"server_id": "F", "version": "2.9.10", "max_payload": 1_048_576, "headers": True, **info}
        writer.write(b"INFO " + json.dumps(said).encode() + b"\r\n")
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"nats://ada:{PASSWORD}@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def refusal(settings: BusSettings) -> BusError:
    """Return why the connection was not made; it must not take much longer than 5 s."""
    async with asyncio.timeout(7):
        with pytest.raises(BusError) as caught:
            async with open_bus(settings, name="test"):
                pass
    return caught.value


@pytest.mark.parametrize("info", [{}, {"api_lvl": 1}, {"api_lvl": 0}], ids=["none", "1", "0"])
async def test_a_server_without_what_we_need_is_refused(info: dict[str, Any]) -> None:
    """It would ignore expiry and markers in silence."""
    async with fake_server(**info) as url:
        error = await refusal(BusSettings(url=url))
    assert isinstance(error, ServerTooOld)
    assert error.version == "2.9.10"
    assert "2.9.10" in str(error)
    assert "Upgrade it" in str(error)
    assert PASSWORD not in str(error)


async def test_a_server_with_what_we_need_is_taken() -> None:
    """The same fake server, one number later: the check above refuses for that number alone."""
    async with fake_server(api_lvl=2) as url, open_bus(BusSettings(url=url), name="test") as bus:
        assert bus.is_connected


async def test_nobody_listening_is_told_within_seconds_without_the_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The address is named, its secrets are not: not in the message, its causes, or any log."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    caplog.set_level(logging.DEBUG)
    with capture_logs() as logs:
        error = await refusal(BusSettings(url=f"nats://ada:{PASSWORD}@127.0.0.1:{port}"))
    assert isinstance(error, Unreachable)
    assert f"nats://127.0.0.1:{port}" in str(error)
    assert "LASTWORD_BUS__URL" in str(error)
    assert PASSWORD not in f"{error}{error.__cause__}{logs}{caplog.text}"


async def test_a_port_that_never_speaks_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something listens there, and it is not NATS."""
    monkeypatch.setattr(connection, "FIRST_S", 1.2)  # more than the second that one try may take
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = await refusal(BusSettings(url=f"nats://127.0.0.1:{silent.getsockname()[1]}"))
    assert isinstance(error, Unreachable)


async def test_a_wrong_password_is_told_from_an_absent_server(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy is another one."""
    monkeypatch.setattr(connection, "FIRST_S", 0.5)
    error = await refusal(BusSettings(url=nats_server.url, user="actor", password=PASSWORD))
    assert isinstance(error, LoginRefused)
    assert nats_server.url.replace(",", ", ") in str(error)
    assert PASSWORD not in str(error)


@pytest.mark.parametrize(
    "url", ["nats://127.0.0.1:port", "nats://", "ws://127.0.0.1:1,nats://127.0.0.1:1", "", ","]
)
async def test_an_address_that_is_none_is_named(url: str) -> None:
    """A mistyped setting."""
    assert isinstance(await refusal(BusSettings(url=url)), Unreachable)


async def test_being_cancelled_while_connecting_leaves_nothing_behind() -> None:
    """Ctrl-C while the server is away."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()
        gone.set()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with silent:
        settings = BusSettings(url=f"nats://127.0.0.1:{silent.sockets[0].getsockname()[1]}")
        opening = asyncio.create_task(refusal(settings))
        await asked.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert [] == [task for task in asyncio.all_tasks() if task.get_name().startswith("connect")]
        await gone.wait()


@pytest.mark.parametrize("setting", ["credentials", "nkey_seed", "tls_ca", "tls_cert"])
@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\xfe", b"nonsense"], ids=["none", "empty", "bytes", "text"]
)
async def test_a_file_that_gives_no_login_is_named(
    tmp_path: Path, setting: str, content: bytes | None
) -> None:
    """The setting and the path, before any connection."""
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    settings: dict[str, Any] = {"url": "nats://127.0.0.1:1", setting: str(path)}
    error = await refusal(BusSettings(**settings))
    assert isinstance(error, BadLogin)
    assert f"bus.{setting}" in str(error)
    assert str(path) in str(error)


async def test_a_publish_while_the_link_is_cut_fails_at_once_and_never_lands(nats_server: NatsServer) -> None:
    """A buffered one would land late and unasked, after the world has moved on."""
    proxy = Proxy(nats_server.port)
    async with proxy.open(), nats_server.open() as watcher:
        heard = await watcher.client.subscribe("late")
        await watcher.barrier()
        async with open_bus(nats_server.settings(url=proxy.url), name="cut") as bus:
            down, up = asyncio.Event(), asyncio.Event()
            bus.on_disconnect.append(down.set)
            bus.on_reconnect.append(up.set)
            await proxy.cut()
            await down.wait()
            assert not bus.is_connected
            with pytest.raises(Unavailable):
                await bus.tell("late", b"1")
            with pytest.raises(Unavailable):
                await bus.request("late", b"2")
            await proxy.listen()
            await up.wait()
            await bus.tell("late", b"3")
            assert b"3" == (await heard.next_msg(timeout=5)).data


async def test_a_listener_that_raises_does_not_end_the_connection(nats_server: NatsServer, bus: Bus) -> None:
    """The client would otherwise stop reading, and still say that it is connected."""
    back = asyncio.Event()

    def fail() -> None:
        raise LookupError

    bus.on_disconnect.append(fail)
    bus.on_reconnect += [fail, back.set]
    with capture_logs() as logs:
        await nats_server.crash()
        await back.wait()
    assert ["bus.listener_failed"] * 2 == [entry["event"] for entry in logs if "listener" in entry["event"]]
    assert "error" not in await bus.ask_api("INFO")


async def test_a_request_beyond_the_servers_limit_is_too_large(bus: Bus) -> None:
    """Not an error of the client library, and not a reason to try again."""
    with pytest.raises(TooLarge, match="1048576"):
        await bus.request("lastword.command.start", b"x" * (bus.max_payload + 1))


async def test_nobody_there_is_unavailable(bus: Bus) -> None:
    """At once: the server says that nobody listens."""
    with pytest.raises(Unavailable, match=r"lastword\.command\.start"):
        await bus.request("lastword.command.start", b"{}", timeout_s=60)


async def test_the_end_of_a_connection_is_told_once_it_has_ended(nats_server: NatsServer) -> None:
    """For whoever restarts the process."""
    async with nats_server.open() as bus:
        assert not bus.closed.is_set()
    assert bus.closed.is_set()


async def test_what_is_asked_when_the_connection_ends_fails_at_once(nats_server: NatsServer) -> None:
    """No answer can come any more, however long one would have been waited for."""
    proxy = Proxy(nats_server.port)
    async with proxy.open(), nats_server.open(url=proxy.url, request_timeout_s=50.0) as bus:
        proxy.freeze()
        asking = asyncio.create_task(bus.ask_api("INFO"))
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await proxy.cut()
            with pytest.raises(Unavailable):
                await asking
        proxy.thaw()
