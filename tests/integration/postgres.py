"""A private PostgreSQL for tests: started once, on a Unix socket of its own, gone at the end.

The server's programs are taken from where Debian puts them or from PATH; where there are none, root gets
them by `apt-get install postgresql`.  The server refuses to run as root, so root starts it as `postgres` or
`nobody`.  It writes nothing safely to disk (fsync is off), since its data ends with the tests.  Its locale
sorts as people do, if it can, so that code which relies on another order is found out.

Tests that cannot have a PostgreSQL fail; `LASTWORD_TEST_POSTGRES=off` says that they need not run.
"""

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

__all__ = ["PostgresUnavailable", "PrivatePostgres", "postgres", "private_postgres"]

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
USER = "lastword"
OPTIONS = (
    "listen_addresses=",  # the socket alone
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_connections=60",
    "shared_buffers=32MB",
    "lc_messages=C",
)
LOCALES = (["--locale=C", "--locale-provider=icu", "--icu-locale=en"], ["--locale=C"])  # ICU: from 15 on


class PostgresUnavailable(Exception):
    """No PostgreSQL can be had on this machine."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"no PostgreSQL for the tests: {reason}; install it (Debian: apt-get install postgresql), "
            "or set LASTWORD_TEST_POSTGRES=off to do without these tests"
        )


class PrivatePostgres:
    """A server, and databases on it."""

    def __init__(self, programs: Path, folder: Path, account: dict[str, Any]) -> None:
        self._programs = programs
        self._folder = folder
        self._account = account
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the server on the data that is there, and return when it takes connections."""
        self._process = subprocess.Popen(
            [
                *(self._programs / "postgres", "-D", self._folder / "data", "-k", self._folder),
                *itertools.chain.from_iterable(("-c", option) for option in OPTIONS),
            ],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  it only makes one system call
            **self._account,
        )
        assert self._process.stdout is not None
        log: list[str] = []
        known = threading.Event()  # whether it runs, or will not
        threading.Thread(target=_read_log, args=(self._process.stdout, log, known), daemon=True).start()
        known.wait(START_TIMEOUT_S)
        if not any("ready to accept connections" in line for line in log):
            raise PostgresUnavailable(f"it does not start: {''.join(log[-20:])}")

    @property
    def is_running(self) -> bool:
        """Whether the server has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the server at once, cutting off its clients; its data stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            finally:
                self._process.kill()
                self._process = None

    def url(self, database: str) -> str:
        """Return the URL of a database, as a setting has it."""
        return f"postgresql://{USER}@/{database}?host={self._folder}"

    def create_database(self, template: str = "template0") -> str:
        """Make a new database, a copy of `template`, and return its name."""
        name = f"test_{next(self._numbers)}"
        self.execute("postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, cutting off who still uses it."""
        self.execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, database: str, *statements: str) -> str:
        """Run SQL as psql does, and return the rows, one a line."""
        where = ("-h", self._folder, "-U", USER, "-d", database)
        return _run(
            [
                *(self._programs / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", *where),
                *itertools.chain.from_iterable(("-c", statement) for statement in statements),
            ],
            cwd=self._folder,
        )


@contextmanager
def private_postgres(within: Path | None = None) -> Generator[PrivatePostgres]:
    """Give a running server, with its data `within` a folder, or where all is temporary.

    Raises `PostgresUnavailable`.
    """
    programs = _find_programs()
    with ExitStack() as stack:
        # Not below pytest's own folder: a socket's path has at most 107 characters.
        temporary = tempfile.TemporaryDirectory(prefix="lastword-postgres-", dir=within)
        folder = Path(stack.enter_context(temporary))
        account = _account(folder)
        _initialise(programs, folder, account)
        server = PrivatePostgres(programs, folder, account)
        stack.callback(server.stop)
        server.start()
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """Give the tests' server, started for the first that asks."""
    if os.environ.get("LASTWORD_TEST_POSTGRES") == "off":
        pytest.skip("LASTWORD_TEST_POSTGRES=off")
    try:
        with private_postgres() as server:
            yield server
    except PostgresUnavailable as error:
        pytest.fail(str(error))


def _find_programs() -> Path:
    """Return the folder of `postgres`, `initdb` and `psql`, the newest there is."""
    if (found := _installed()) is not None:
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise PostgresUnavailable("it is not installed")
    # At runlevel 1 Debian's package starts no server of its own.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    try:
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "postgresql"]):
            _run(["apt-get", *arguments], env=environment)
    except AssertionError as error:
        raise PostgresUnavailable(f"apt-get failed: {error}") from error
    if (found := _installed()) is None:
        raise PostgresUnavailable("apt-get installed no server")
    return found


def _installed() -> Path | None:
    folders = list(Path("/usr/lib/postgresql").glob("*/bin"))
    folders.sort(key=lambda path: float(path.parent.name), reverse=True)
    if (where := shutil.which("postgres")) is not None:
        folders.append(Path(where).resolve().parent)
    needed = ("postgres", "initdb", "psql")
    return next((folder for folder in folders if all((folder / name).exists() for name in needed)), None)


def _account(folder: Path) -> dict[str, Any]:
    """Return as whom to run the server, and give that one the folder."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _initialise(programs: Path, folder: Path, account: dict[str, Any]) -> None:
    make = [programs / "initdb", "-D", folder / "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
    failure = ""
    for locale in LOCALES:
        try:
            _run([*make, *locale], cwd=folder, **account)
        except AssertionError as error:
            failure = str(error)
            shutil.rmtree(folder / "data", ignore_errors=True)
        else:
            return
    raise PostgresUnavailable(f"initdb failed: {failure}")


def _run(command: list[Any], **how: Any) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, **how)
    assert done.returncode == 0, done.stderr[-2000:]
    return str(done.stdout)


def _read_log(output: IO[str], log: list[str], known: threading.Event) -> None:
    with output:
        for line in output:
            log.append(line)
            if "ready to accept connections" in line:
                known.set()
    known.set()


def _die_with_parent() -> None:
    """Have the kernel end the server should the tests be killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG
