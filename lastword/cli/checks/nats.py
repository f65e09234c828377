"""NATS: who we are there and what we may do, the streams, and whether anybody answers.

Each role has a user of its own.  With the embedded server all of them are known, and each is tried; a host of
a real deployment knows one, and which one it is comes out by asking in the name of each.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from lastword.bus import (
    Bus,
    BusError,
    Follower,
    Head,
    Heard,
    StatusLog,
    Unavailable,
    Unheard,
    read_embedded,
)
from lastword.bus.streams import LAYOUT, stream_configs
from lastword.cli.checks.findings import Finding, compare_clocks, fail, fine, skip, warn
from lastword.contracts import subjects
from lastword.contracts.messages import Pulse, Question
from lastword.contracts.permissions import WHOAMI, Grant, User, allows, grant
from lastword.settings import Settings
from lastword.wiring.roles import open_bus_as

__all__ = ["Nats", "faults", "open_nats"]

PATIENCE_S: Final = 1.0
"""Seconds for one answer; a server that refuses to pass a question on says nothing."""
ROLES: Final = (User.SUPERVISOR, User.EXECUTOR, User.AUDITOR, User.EDGE, User.OPERATOR)


class _Allowed(Struct, frozen=True):
    allow: tuple[str, ...] = ()


class _Permissions(Struct, frozen=True):
    publish: _Allowed | None = None
    subscribe: _Allowed | None = None


class _Server(Struct, frozen=True):
    ver: str
    time: datetime


class _Identity(Struct, frozen=True):
    user: str = ""
    permissions: _Permissions | None = None


class _Told(Struct, frozen=True):
    """What the server answers to `WHOAMI`."""

    server: _Server
    data: _Identity


class Login(Struct, frozen=True, kw_only=True):
    """A connection whose user is known."""

    user: User
    bus: Bus
    told: _Told
    ahead_s: float
    """By how much the server's clock is ahead of ours."""
    unsure_s: float


class Nats:
    """The connections that could be made."""

    def __init__(self, logins: list[Login]) -> None:
        self._logins = logins

    async def head(self) -> Head | None:
        """Return where the log ends, where somebody may look."""
        login = self._who_may(f"$JS.API.STREAM.INFO.{subjects.LOG_STREAM}")
        if login is None:
            return None
        try:
            return await StatusLog(login.bus).head()
        except BusError:
            return None

    async def examine(self, settings: Settings) -> AsyncIterator[Finding]:
        """Look at everything, by whichever login may."""
        first = self._logins[0]
        shown = first.bus.client.connected_url
        where = shown.netloc.rpartition("@")[2] if shown is not None else "?"
        yield fine("nats", f"nats-server {first.told.server.ver} at {where}")
        for login in self._logins:
            yield _rights(login)
        yield compare_clocks("the NATS server", first.ahead_s, first.unsure_s)
        async for finding in self._streams(settings):
            yield finding
        for actor, verb in (("supervisor", "start"), ("auditor", "reconcile")):
            yield await self._actor(actor, subjects.command(verb))
        async for finding in self._executors():
            yield finding

    def _who_may(self, subject: str) -> Login | None:
        return next((one for one in self._logins if allows(grant(one.user).publish, subject)), None)

    async def _streams(self, settings: Settings) -> AsyncIterator[Finding]:
        wanted = stream_configs(
            replicas=settings.bus.replicas, partitions=settings.supervisor.partitions, settings=settings.bus
        )
        unseen: list[str] = []
        sound = 0
        for config in wanted:
            name = str(config["name"])
            login = self._who_may(f"$JS.API.STREAM.INFO.{name}")
            if login is None:
                unseen.append(name)
                continue
            try:
                info = await login.bus.ask_api(f"STREAM.INFO.{name}")
            except Unavailable as error:
                yield fail("stream", f"{name}: {error}", "See whether the cluster has a majority of nodes.")
                continue
            problems = list(faults(name, info, settings.bus.replicas))
            sound += not problems
            for finding in problems:
                yield finding
        if sound:
            yield fine("streams", f"{sound} of {len(wanted)} are as this version needs them")
        if unseen:
            text = f"{len(unseen)} of {len(wanted)} may not be looked at by this user"
            yield skip("streams", text, "Look from a supervisor's host.")

    async def _actor(self, actor: str, subject: str) -> Finding:
        """Ask an actor for nothing, which it refuses, if it is there."""
        login = self._who_may(subject)
        if login is None:
            return skip(actor, "this user may not ask one", "Look from an edge's host.")
        try:
            await login.bus.request(subject, b"", timeout_s=PATIENCE_S)
        except Unheard:
            return fail(actor, "none answers", f"Start one: `lastword run {actor}`.")
        except BusError as error:
            return fail(actor, f"none answers in time: {error}", f"See what the {actor}s log.")
        return fine(actor, "one answers")

    async def _executors(self) -> AsyncIterator[Finding]:
        """Ask each executor that beats, as an auditor does."""
        login = next((one for one in self._logins if one.user is User.AUDITOR), None)
        if login is None:
            yield skip("executor", "this user may not ask one", "Look from an auditor's host.")
            return
        for executor in await _beating(login.bus):
            question = msgspec.json.encode(Question(leases=()))
            try:
                await login.bus.request(subjects.executor(executor), question, timeout_s=PATIENCE_S)
            except BusError as error:
                remedy = "It beats and does not answer: see what it logs, and whether its host is overloaded."
                yield fail("executor", f"{executor} does not answer: {error}", remedy)
            else:
                yield fine("executor", f"{executor} answers")


async def open_nats(settings: Settings, stack: AsyncExitStack) -> Nats | Finding:
    """Connect in the name of each role; return what stands in the way where none could."""
    if settings.bus.url is None and read_embedded(settings.data) is None:
        return fail("nats", "no lastword runs here", "Start one: `lastword up`. Or set LASTWORD_BUS__URL.")
    tried = await asyncio.gather(*(_connect(user, settings, stack) for user in ROLES))
    logins = [one for one in tried if isinstance(one, Login)]
    if logins:
        return Nats(logins)
    errors = [one for one in tried if isinstance(one, BusError) and not isinstance(one, Unavailable)]
    if errors:
        return fail("nats", str(errors[0]), "See bus.url (LASTWORD_BUS__URL).")
    return fail(
        "nats login",
        "the server lets us in, but not as any role of this version",
        "Run `lastword auth nats <folder>` and let the server load what it wrote (docs/how-to/secure.md).",
    )


async def _connect(user: User, settings: Settings, stack: AsyncExitStack) -> Login | BusError:
    try:
        bus = await stack.enter_async_context(open_bus_as(user, settings, f"doctor-{user}"))
        begun_s = time.monotonic()
        answer = await bus.request(WHOAMI, b"", timeout_s=PATIENCE_S)
        taken_s = time.monotonic() - begun_s
        told = msgspec.json.decode(answer, type=_Told)
    except BusError as error:
        return error
    except msgspec.DecodeError as error:
        return Unavailable("the server", f"an answer that is none: {error}")
    ahead_s = (told.server.time - datetime.now(UTC)).total_seconds() + taken_s / 2
    return Login(user=user, bus=bus, told=told, ahead_s=ahead_s, unsure_s=taken_s / 2)


def _rights(login: Login) -> Finding:
    """Compare what the server lets a user do with what this version grants it."""
    check = "nats login"
    permissions = login.told.data.permissions
    if permissions is None or permissions.publish is None:
        text = f"{login.told.data.user or 'nobody'} may do everything"
        return warn(check, text, "Give each actor a user of its own: docs/how-to/secure.md.")
    wanted = grant(login.user)
    given = Grant(permissions.publish.allow, permissions.subscribe.allow if permissions.subscribe else (">",))
    missing = [
        subject
        for patterns, subjects_wanted in zip(given, wanted, strict=True)
        for subject in subjects_wanted
        if not allows(patterns, subject)
    ]
    if missing:
        text = f"the {login.user} may not use {', '.join(missing[:3])}" + (
            f" and {len(missing) - 3} more subjects" if len(missing) > 3 else ""
        )
        return fail(check, text, "Run `lastword auth nats <folder>` again and let the server load it.")
    return fine(check, f"{login.user}, with what this version needs")


def faults(name: str, info: dict[str, Any], replicas: int) -> Iterator[Finding]:
    """Yield what is wrong with a stream, by JetStream's own answer to `STREAM.INFO`."""
    check = "stream"
    if "error" in info:
        text = str(info["error"].get("description", "cannot be looked at"))
        yield fail(check, f"{name}: {text}", "A supervisor makes it when it starts; start one.")
        return
    config: dict[str, Any] = info["config"]
    cluster: dict[str, Any] = info.get("cluster") or {}
    nodes: list[dict[str, Any]] = cluster.get("replicas") or []
    labels: dict[str, str] = config.get("metadata") or {}
    layout = int(labels.get("lastword.layout", 0))
    if layout != LAYOUT:
        yield fail(check, f"{name} has layout {layout}, this version needs {LAYOUT}", "Upgrade the older.")
    if config.get("num_replicas") != replicas:
        text = f"{name} is kept {config.get('num_replicas')} times, and bus.replicas says {replicas}"
        yield warn(check, text, "Set LASTWORD_BUS__REPLICAS alike on all hosts.")
    if replicas > 1 and not cluster.get("leader"):
        yield fail(check, f"{name} has no leader", "See whether a majority of the NATS nodes runs.")
    behind = [str(node.get("name")) for node in nodes if node.get("offline") or not node.get("current")]
    if behind:
        yield warn(check, f"{name} is not up to date on {', '.join(behind)}", "See whether they run.")


async def _beating(bus: Bus) -> list[str]:
    """Return the executors whose last beat stands."""
    found: dict[str, None] = {}

    def hear(heard: Heard) -> None:
        if not heard.is_marker and heard.data:
            pulse = msgspec.json.decode(heard.data, type=Pulse)
            if pulse.state != "gone":
                found[pulse.executor] = None

    follower = Follower(
        bus, stream=subjects.PULSE_STREAM, subject=subjects.pulse(), deliver=hear, origin="latest"
    )
    async with follower.open():
        try:
            async with asyncio.timeout(3 * PATIENCE_S):
                await follower.synced.wait()
        except TimeoutError:
            return []
    return sorted(found)
