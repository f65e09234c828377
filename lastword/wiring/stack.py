"""The whole system in one terminal: a keeper, and a process for each role.

The keeper starts the embedded server, prepares database and streams, forks the roles and restarts whichever
ends unasked (five times a minute at most).  Roles are forked, not spawned: they share the pages of what the
keeper has imported, and start at once.  For that the keeper itself runs no thread and no event loop that
outlives a call.  The socket of the edge is opened here, so that clients of a restarted edge wait in its
backlog instead of being refused, and a port in use is known before anything else has started.

Every process has a death signal: nothing outlives the keeper, even when it is killed.
"""

import asyncio
import fcntl
import gc
import importlib
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Final

import msgspec

from lastword.bus import BusError, EmbeddedServer
from lastword.settings import Settings
from lastword.wiring import roles
from lastword.wiring.process import die_with_parent, run_role, stop_signals

__all__ = ["CannotStart", "Stack"]

ANY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  compared with, not bound
HEALTH_EVERY_S: Final = 3.0
IMPATIENT_S: Final = 0.5  # seconds after which a second signal means "at once"
RESTARTS: Final = 5
WITHIN_S: Final = 60.0
WIND_UP_S: Final[Mapping[str, float]] = {"executor": 9.0, "edge": 3.0, "supervisor": 3.0, "auditor": 2.0}
"""Seconds that each role may take to stop, in the order in which they are asked: first whoever still has
something to say, then whoever passes it on."""


class CannotStart(Exception):
    """Something outside must be changed first; the message says what."""


class Stack:
    """Owns the data folder while it runs."""

    def __init__(self, settings: Settings, *, offline: bool, say: Callable[..., None]) -> None:
        """`say(event, **keys)` writes one line of the log."""
        self._settings = settings
        self._offline = offline
        self._say = say
        self._fork = multiprocessing.get_context("fork")
        self._server: EmbeddedServer | None = None
        self._processes: dict[str, ForkProcess] = {}
        self._deaths: dict[str, deque[float]] = {}
        self._health_at_s = 0.0
        self._asked = 0
        self._asked_at_s = 0.0
        self._wake_r, self._wake_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._listening: socket.socket | None = None
        self._lock: int | None = None

    @property
    def http_url(self) -> str:
        """Where the edge listens."""
        if self._listening is None:
            return ""
        host, port = self._listening.getsockname()[:2]
        return f"http://{'127.0.0.1' if host in ANY else host}:{port}"

    @property
    def nats_url(self) -> str:
        """Where NATS listens."""
        return self._server.url if self._server is not None else (self._settings.bus.url or "")

    @property
    def pids(self) -> dict[str, int]:
        """The process of each role, the keeper's and the server's included."""
        pids = {role: process.pid for role, process in self._processes.items() if process.pid is not None}
        pids["keeper"] = os.getpid()
        if self._server is not None and self._server.pid is not None:
            pids["nats"] = self._server.pid
        return pids

    def start(self) -> None:
        """Start everything; raise `CannotStart`, with nothing left running."""
        for sent in stop_signals():
            signal.signal(sent, self._ask_to_stop)
        try:
            self._take_data_folder()
            self._listening = _listen(self._settings.http.host, self._settings.http.port)
            if self._settings.bus.url is None:
                self._server = EmbeddedServer(self._settings.bus, self._settings.data)
                asyncio.run(self._server.start())
            self._prepare()
            _load_roles()
            gc.collect()
            gc.freeze()  # keeps the collector from touching, and so copying, shared pages
            for role in roles.ROLES:
                self._start_role(role)
            self._tell()
        except (BusError, OSError) as error:
            self.stop()
            raise CannotStart(str(error)) from error
        except CannotStart:
            self.stop()
            raise

    def keep(self, *, each_second: Callable[[], None] = lambda: None) -> bool:
        """Restart what ends unasked, until asked to stop; return False where something ends too often."""
        next_s = time.monotonic()
        while not self._asked:
            if not self._restart_dead():
                return False
            if time.monotonic() >= next_s:
                next_s = time.monotonic() + 1.0
                each_second()
            waited_for = [self._wake_r, *(process.sentinel for process in self._processes.values())]
            wait(waited_for, timeout=0.5)
        return True

    def stop(self) -> None:
        """Wind everything up: executor, edge, supervisor, auditor, server. A second signal kills at once."""
        for role, limit_s in WIND_UP_S.items():
            process = self._processes.pop(role, None)
            if process is None or process.pid is None:
                continue
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            until_s = time.monotonic() + limit_s
            while process.is_alive() and time.monotonic() < until_s and self._asked < 2:
                process.join(0.05)
            if process.is_alive():
                self._say("role.killed", role=role, limit_s=limit_s)
                process.kill()
            process.join()
        if self._server is not None:
            asyncio.run(self._server.stop())
        if self._listening is not None:
            self._listening.close()
        if self._lock is not None:  # the run.json of a folder that we do not hold is another's
            (self._settings.data / "run.json").unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def _take_data_folder(self) -> None:
        """Make the folder, and make sure that nobody else works in it."""
        data = self._settings.data
        try:
            data.mkdir(parents=True, exist_ok=True)
            lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CannotStart(
                f"the data folder {data.absolute()} cannot be used ({error.strerror}); make it writable, "
                "or set LASTWORD_DATA_DIR to another"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise CannotStart(
                f"another lastword runs in {data.absolute()} ({_whose(data)}); stop it, or set "
                "LASTWORD_DATA_DIR to another folder"
            ) from error
        self._lock = lock

    def _prepare(self) -> None:
        """Bring database and streams up to date, in a process of its own, which takes its memory with it."""
        process = self._fork.Process(target=_prepare, args=(self._settings,), name="prepare")
        process.start()
        process.join()
        if process.exitcode != 0:
            raise CannotStart("it could not be prepared; the line above says why")

    def _start_role(self, role: roles.Role) -> None:
        process = self._fork.Process(
            target=_play,
            args=(role, self._settings, self._listening if role == "edge" else None),
            kwargs={"offline": self._offline},
            name=role,
        )
        process.start()
        self._processes[role] = process

    def _restart_dead(self) -> bool:
        changed = False
        if self._server is not None and self._server.is_running and self._is_ill(self._server):
            self._say("nats.cannot_write")
            asyncio.run(self._server.stop())
        if self._server is not None and not self._server.is_running:
            if not self._may_restart("nats"):
                return False
            self._say("nats.restarted")
            asyncio.run(self._server.start())
            changed = True
        for role in roles.ROLES:
            process = self._processes[role]
            if process.is_alive():
                continue
            process.join()
            self._say("role.ended", role=role, exit_code=process.exitcode)
            if not self._may_restart(role):
                return False
            self._start_role(role)
            changed = True
        if changed:
            try:
                self._tell()
            except OSError as error:  # a full disk ends nothing that runs
                self._say("run_file.not_written", why=str(error))
        return True

    def _is_ill(self, server: EmbeddedServer) -> bool:
        """Ask now and then whether the server has to be started again."""
        if time.monotonic() < self._health_at_s:
            return False
        self._health_at_s = time.monotonic() + HEALTH_EVERY_S
        return server.needs_restart()

    def _may_restart(self, name: str) -> bool:
        deaths = self._deaths.setdefault(name, deque())
        now_s = time.monotonic()
        deaths.append(now_s)
        while now_s - deaths[0] > WITHIN_S:
            deaths.popleft()
        if len(deaths) > RESTARTS:
            self._say("role.given_up", role=name, deaths=len(deaths), within_s=WITHIN_S)
            return False
        if len(deaths) > 1:
            time.sleep(min(0.1 * 2 ** len(deaths), 2.0))
        return True

    def _tell(self) -> None:
        """Tell tools where things are: `run.json`, whole or not at all."""
        path = self._settings.data / "run.json"
        part = path.with_suffix(".part")
        told = {"http": self.http_url, "nats": self.nats_url, "pids": self.pids}
        part.write_bytes(msgspec.json.format(msgspec.json.encode(told)))
        part.replace(path)

    def _ask_to_stop(self, _signal: int, _frame: object) -> None:
        now_s = time.monotonic()
        if self._asked and now_s - self._asked_at_s < IMPATIENT_S:
            return  # one Ctrl-C, passed on by the terminal and by whatever wraps us
        self._asked += 1
        self._asked_at_s = now_s
        with suppress(BlockingIOError):
            os.write(self._wake_w, b"x")


def _load_roles() -> None:
    """Import what the roles need, once for all of them."""
    for module in ("actors.supervisor", "actors.auditor", "actors.executor", "child.pool", "wiring.edge"):
        importlib.import_module(f"lastword.{module}")


def _play(role: roles.Role, settings: Settings, listening: socket.socket | None, *, offline: bool) -> None:
    """Be one role, in a fork."""
    _leave_stopping_to_the_keeper()

    async def work(stop: asyncio.Event) -> None:
        match role:
            case "supervisor":
                await roles.run_supervisor(settings, stop)
            case "auditor":
                await roles.run_auditor(settings, stop)
            case "executor":
                await roles.run_executor(settings, stop, offline=offline)
            case "edge":
                await roles.run_edge(settings, stop, listening=listening, canned_answers=offline)

    sys.exit(run_role(role, settings, work, signals=(signal.SIGTERM,)))


def _prepare(settings: Settings) -> None:
    _leave_stopping_to_the_keeper()

    async def work(_stop: asyncio.Event) -> None:
        await roles.prepare(settings)
        await roles.check_doors(settings)

    sys.exit(run_role("prepare", settings, work, signals=()))


def _leave_stopping_to_the_keeper() -> None:
    """Do nothing when a terminal tells everyone: the keeper says who stops when, and its end ends us."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _heed_not)  # unlike SIG_IGN, no program that we start inherits it


def _heed_not(_signal: int, _frame: object) -> None:
    """Do nothing."""


def _listen(host: str, port: int) -> socket.socket:
    """Open the edge's socket; raise `CannotStart` naming the port and the remedy."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise CannotStart(
            f"cannot listen on {host}:{port} ({error.strerror}); stop what uses it, or set "
            "LASTWORD_HTTP__PORT to another port (0 takes a free one)"
        ) from error
    listening.listen(4096)
    listening.setblocking(False)  # noqa: FBT003  its only argument
    return listening


def _whose(data: Path) -> str:
    try:
        return f"process {msgspec.json.decode((data / 'run.json').read_bytes())['pids']['keeper']}"
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        return "it is just starting"
