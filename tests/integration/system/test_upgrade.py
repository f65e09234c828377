"""A rolling upgrade: versions that say more than others know, and less, work side by side.

Everything that any process of a whole lastword publishes passes a proxy that adds fields, at every depth: to
each receiver every sender is a newer version than itself.  The other way round, an executor speaks by hand
what the first release said at the least.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from lastword.contracts import subjects
from tests.integration.backends import Backend
from tests.integration.live.stage import Stage, open_stage, until
from tests.integration.servers import Proxy, run_server
from tests.integration.system.harness import System

NEW = {"added_later": {"deep": [1, {"er": None}]}}
USERS_OWN = frozenset({"inputs", "result", "input_schema"})
"""Where a field that is added is the user's, and rightly kept."""


class NewerSenders(Proxy):
    """Adds fields to whatever clients publish about workflows: events, commands, answers."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.changed: set[str] = set()
        """The kinds of messages that were changed, by the first two tokens of their subjects."""

    async def _upwards(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            words = line.split()
            if words[0] not in {b"PUB", b"HPUB"}:
                writer.write(line)
                continue
            body = (await reader.readexactly(int(words[-1]) + 2))[:-2]
            head_size = int(words[-2]) if words[0] == b"HPUB" else 0
            headers, payload = body[:head_size], self._newer(words[1].decode(), body[head_size:])
            words[-1] = b"%d" % (head_size + len(payload))
            writer.write(b" ".join(words) + b"\r\n" + headers + payload + b"\r\n")
            await writer.drain()
        raise EOFError

    def _newer(self, subject: str, payload: bytes) -> bytes:
        if not subject.startswith(("lastword.", "_INBOX")) or not payload.startswith(b"{"):
            return payload
        self.changed.add(".".join(subject.split(".")[:2]) if subject.startswith("lastword.") else "answer")
        return msgspec.json.encode(_grown(msgspec.json.decode(payload)))


def _grown(value: Any) -> Any:
    if isinstance(value, list):
        return [_grown(each) for each in iter(value)]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  JSON
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    return {name: each if name in USERS_OWN else _grown(each) for name, each in fields.items()} | NEW


@asynccontextmanager
async def newer_system(folder: Path) -> AsyncGenerator[tuple[System, NewerSenders], None]:
    """Run a whole lastword in which every sender is newer than every receiver."""
    async with run_server(folder / "nats") as server:
        proxy = NewerSenders(server.port)
        async with proxy.open():
            user, password = server.credentials.actor
            system_user, system_password = server.credentials.system
            system = System(
                folder / "system",
                LASTWORD_BUS__URL=proxy.url,
                LASTWORD_BUS__USER=user,
                LASTWORD_BUS__PASSWORD=password,
                LASTWORD_BUS__SYSTEM_URL=f"nats://{system_user}:{system_password}@127.0.0.1:{server.port}",
            )
            try:
                await asyncio.to_thread(system.start)
                await asyncio.to_thread(system.await_definitions, "add", "steps", "raises")
                yield system, proxy
            finally:
                await asyncio.to_thread(system.destroy)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_every_message_may_gain_fields_while_all_roles_work(tmp_path: Path) -> None:
    """Success, failure, cancel, a lost executor: all end as they do among equals, and nobody complains."""
    async with newer_system(tmp_path) as (system, proxy):
        ended = await asyncio.to_thread(_play_everything, system)
        assert [
            ("success", None),
            ("failed", "exception"),
            ("cancelled", None),
            ("failed", "executor_lost"),
        ] == ended
        kinds = ("log", "report", "job", "pulse", "progress", "logline", "definition", "command", "executor")
        assert {f"lastword.{kind}" for kind in kinds} | {"answer"} <= proxy.changed
        complaints = ("unreadable", "undecodable", "exception", "role.ended", "task.failed")
        log = (system.folder / "up.log").read_text("utf-8").splitlines()
        events = [msgspec.json.decode(line)["event"] for line in log if line.startswith("{")]
        assert [] == [one for one in events if any(word in one for word in complaints)][1:]  # its own death


def _play_everything(system: System) -> list[tuple[str, str | None]]:
    """Let workflows end in every way; return how."""
    added, failing, cancelled = (
        system.begin("add", a=40),
        system.begin("raises"),
        system.begin("steps", count=600),
    )
    system.await_status(cancelled, "running")
    assert system.post(f"/workflows/{cancelled}/cancel").is_success
    found = [system.await_end(workflow_id) for workflow_id in (added, failing, cancelled)]
    assert 42 == found[0]["result"]
    lost = system.begin("steps", count=600)
    system.await_status(lost, "running")
    system.until(lambda: system.workflow(lost).get("progress"), "progress", 20)
    system.kill("executor")
    found.append(system.await_end(lost, 40.0))
    assert system.get(f"/workflows/{cancelled}/logs").is_success
    return [(one["status"], (one["error"] or {}).get("code")) for one in found]


class OldExecutor:
    """Says what the first release said at the least, and not a field more."""

    def __init__(self, stage: Stage) -> None:
        self._bus = stage.bus
        self.name = "old-host"

    async def ask(self, command: str, **fields: Any) -> dict[str, Any]:
        """Command the supervisor; return the record that it accepted, with its position."""
        answer = msgspec.json.decode(
            await self._bus.request(subjects.command(command), msgspec.json.encode(fields), timeout_s=20.0)
        )
        accepted: dict[str, Any] = answer["accepted"]
        return accepted

    async def say(self, subject: str, **fields: Any) -> None:
        """Publish."""
        await self._bus.store(subject, msgspec.json.encode(fields))


@pytest.mark.cluster
async def test_the_least_that_old_versions_say_is_enough(backend: Backend, tmp_path: Path) -> None:
    """A definition, a start, a claim, beats, progress, output and the outcome, none with a field to spare."""
    database = backend.database(tmp_path)
    async with (
        backend.serve(tmp_path / "data", with_streams=True) as server,
        open_stage(server, tmp_path, database=database) as stage,
    ):
        edge, old, now = await stage.open_edge(), OldExecutor(stage), _now
        await old.say(subjects.definition("old"), name="old", kind="function", input_schema={})
        await until(lambda: _shows(edge, "/definitions", lambda found: "old" in str(found)))

        begun = await old.ask("start", definition="old")
        name = begun["record"]["id"]
        claimed = await old.ask("claim", id=name, executor=old.name, event_id=f"{name}.c")
        lease = claimed["position"]
        await old.say(
            subjects.pulse(old.name), executor=old.name, at=now(), leases=[{"id": name, "lease": lease}]
        )
        await old.say(
            subjects.progress(name), id=name, at=now(), lease=lease, revision=1, progress={"done": 1}
        )
        line = {"at": now(), "stream": "stdout", "text": "as ever"}
        await old.say(subjects.logline(name), id=name, lines=[line])
        path = f"/workflows/{name}"
        await until(lambda: _shows(edge, path, lambda found: "'done': 1," in str(found["progress"])))
        await until(lambda: _shows(edge, path, lambda found: found["heartbeat"] == "fresh"))
        await until(lambda: _shows(edge, f"{path}/logs", lambda found: "as ever" in str(found)))
        await old.say(
            subjects.report(name),
            id=name,
            event={"event": "succeeded", "lease": lease, "finished_at": now()},
            event_id=f"{name}.e",
            actor=old.name,
            at=now(),
        )
        await until(lambda: _shows(edge, path, lambda found: found["status"] == "success"))
        await until(
            lambda: _shows(edge, "/workflows", lambda found: found["items"][0]["status"] == "success")
        )


def _now() -> str:
    return datetime.now(UTC).isoformat()


async def _shows(edge: Any, path: str, enough: Callable[[Any], bool]) -> bool:
    answer = await edge.client.get(path)
    return answer.is_success and enough(answer.json())
