"""The whole system as its user starts it: `lastword up` in a folder, real processes, real signals."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from lastword.bus.accounts import Login, read_credentials
from tests.cluster.nodes import NatsCluster
from tests.integration.postgres import PrivatePostgres

PROJECT: Final = Path(__file__).with_name("project")
START_S: Final = 60.0
FAST: Final = {
    "LASTWORD_EXECUTOR__HEARTBEAT_INTERVAL_S": "0.5",
    "LASTWORD_AUDITOR__HEARTBEAT_TIMEOUT_S": "2",
    "LASTWORD_AUDITOR__SCAN_INTERVAL_S": "0.5",
    "LASTWORD_LLM__DELAY_S": "0.02",
    "LASTWORD_LOG__FORMAT": "json",
}
"""Bounds short enough for a test; the defaults are five times longer."""
PROVIDERS: Final = ("OPENAI", "MODEL", "ANTHROPIC", "AZURE", "GEMINI", "OLLAMA", "GROQ", "LASTWORD")


class System:
    """One `lastword up`, and what may be done to it."""

    def __init__(
        self,
        folder: Path,
        postgres: PrivatePostgres | None = None,
        /,
        *,
        config: str = "lastword.toml",
        **environ: str,
    ) -> None:
        """With `postgres`, use that and a NATS cluster of its own instead of what is embedded."""
        self.folder = folder
        self.data = folder / "data"
        shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
        self.cluster = NatsCluster(folder / "cluster") if postgres is not None else None
        self.postgres = postgres
        self.database = postgres.create_database() if postgres is not None else ""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PROVIDERS)}
        self.environ = {
            **kept,
            **FAST,
            "LASTWORD_CONFIG": str(folder / config),
            "LASTWORD_DATA_DIR": str(self.data),
            "LASTWORD_HTTP__PORT": str(free_port()),
            "LASTWORD_BUS__PORT": str(free_port()),
            **self._elsewhere(),
            **environ,
        }
        self.process: subprocess.Popen[bytes] | None = None

    # Life

    def start(self, *arguments: str, terminal: int | None = None) -> "System":
        """Start everything, in a session of its own on `terminal` or none; return when the edge is ready."""
        if self.cluster is not None:
            self.cluster.start()
        with (self.folder / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                # Only `setsid` can make it the terminal's own session, whose end is then told by SIGHUP.
                [
                    *(() if terminal is None else ("setsid", "--ctty")),
                    sys.executable,
                    "-m",
                    "lastword",
                    "up",
                    *arguments,
                ],
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=terminal is None,
            )
        self.until(self._is_ready, "the edge to be ready", START_S)
        return self

    def await_definitions(self, *names: str) -> "System":
        """Return when executors have announced all of `names`."""

        def announced() -> bool:
            items = self.get("/definitions").json()["items"]
            serving = [set(one["definitions"]) for one in self.get("/executors").json()["items"]]
            return set(names) <= {item["name"] for item in items} and any(
                set(names) <= one for one in serving
            )

        self.until(announced, f"the definitions {names}", START_S)
        return self

    def stop(self, limit_s: float = 15.0) -> int:
        """Ask it to stop as Ctrl-C would, and return its exit code."""
        process = self.process
        assert process is not None
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)  # as when a wrapper passes on what the terminal sent already
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.destroy()
            raise

    def pull_the_plug(self) -> None:
        """Kill the keeper, as the death of the terminal's session or the kernel would."""
        process, self.process = self.process, None
        assert process is not None
        process.kill()
        process.wait()

    def destroy(self) -> None:
        """Make sure that nothing is left, however the test ended."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.leftovers():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self.cluster is not None:
            self.cluster.stop()

    def leftovers(self) -> list[int]:
        """Return the processes that carry this system's data folder in their environment."""
        return carriers(f"LASTWORD_DATA_DIR={self.data}")

    def kill(self, role: str, sent: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a role's process; return its pid. A killed node of a cluster is started again."""
        pid = self.pid(role)
        if role == "nats" and self.cluster is not None and sent is signal.SIGKILL:
            self.cluster.kill(self.cluster.nodes[0].name)
            self.cluster.launch()
        else:
            os.kill(pid, sent)
        return pid

    def pid(self, role: str) -> int:
        """Return a role's process; `nats` is the server, or the first node of the cluster."""
        if role == "nats" and self.cluster is not None:
            return self.cluster.pid(self.cluster.nodes[0])
        return int(self.run_file["pids"][role])

    # Asking

    @property
    def run_file(self) -> Mapping[str, Any]:
        """What run.json says."""
        told: Mapping[str, Any] = json.loads((self.data / "run.json").read_text("utf-8"))
        return told

    @property
    def url(self) -> str:
        """Where the edge is."""
        return f"http://127.0.0.1:{self.environ['LASTWORD_HTTP__PORT']}"

    @property
    def nats_url(self) -> str:
        """Where NATS is."""
        return self.cluster.url if self.cluster is not None else str(self.run_file["nats"])

    @property
    def administrator(self) -> Login:
        """Who may do everything on NATS."""
        if self.cluster is not None:
            return self.cluster.credentials.actor
        return read_credentials(self.data / "nats").actor

    @property
    def nats_secrets(self) -> list[str]:
        """The passwords of NATS's users."""
        folder = self.cluster.folder / "users" if self.cluster is not None else self.data / "nats"
        logins: dict[str, tuple[str, str]] = json.loads((folder / "credentials.json").read_text("utf-8"))
        return [password for _, password in logins.values()]

    @property
    def logs(self) -> list[Path]:
        """Everything that anyone wrote."""
        nats = (
            self.cluster.folder.glob("*.log")
            if self.cluster is not None
            else (self.data / "nats").glob("*.log")
        )
        return [self.folder / "up.log", *nats]

    @contextmanager
    def without_database(self) -> Generator[None]:
        """Keep the database from everyone: a file that is locked, or a server that refuses."""
        if self.postgres is None:
            with closing(sqlite3.connect(self.data / "lastword.db", isolation_level=None)) as database:
                database.execute("BEGIN EXCLUSIVE")
                yield
                database.execute("ROLLBACK")
            return
        self.postgres.execute(
            "postgres",
            f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.database}'",  # noqa: S608
        )
        yield
        self.postgres.execute("postgres", f"ALTER DATABASE {self.database} ALLOW_CONNECTIONS true")

    def sql(self, statement: str) -> list[tuple[str, ...]]:
        """Run a statement on the database; return its rows as text."""
        if self.postgres is not None:
            rows = self.postgres.execute(self.database, statement)
            return [tuple(row.split("|")) for row in rows.splitlines()]
        with closing(sqlite3.connect(self.data / "lastword.db")) as database, database:
            found = database.execute(statement)
            return [tuple("" if value is None else str(value) for value in row) for row in found]

    @property
    def headers(self) -> dict[str, str]:
        """What shows the edge that we may ask, where it wants to know."""
        token = self.environ.get("LASTWORD_HTTP__TOKEN")
        return {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, *, headers: Mapping[str, str] | None = None, **rest: Any) -> httpx.Response:
        """Ask the edge; `headers` come on top of those that it wants anyway."""
        return httpx.get(
            f"{self.url}{path}", timeout=5.0, headers={**self.headers, **(headers or {})}, **rest
        )

    def begin(self, definition: str, **inputs: Any) -> str:
        """Start a workflow; return its id."""
        answer = self.try_begin(definition, **inputs)
        assert 201 == answer.status_code, answer.text
        return str(answer.json()["id"])

    def try_begin(self, definition: str, **inputs: Any) -> httpx.Response:
        """Ask for a workflow to be started; return the answer, whatever it is."""
        body = {"definition": definition, "inputs": inputs}
        return httpx.post(f"{self.url}/workflows", json=body, timeout=10.0, headers=self.headers)

    def post(self, path: str) -> httpx.Response:
        """Command the edge."""
        return httpx.post(f"{self.url}{path}", timeout=15.0, headers=self.headers)

    def workflow(self, workflow_id: str) -> dict[str, Any]:
        """Return a workflow as GET shows it."""
        found: dict[str, Any] = self.get(f"/workflows/{workflow_id}").json()
        return found

    def await_status(self, workflow_id: str, *statuses: str, limit_s: float = 20.0) -> dict[str, Any]:
        """Return the workflow once its status is one of `statuses`."""

        def reached() -> dict[str, Any] | None:
            workflow = self.workflow(workflow_id)
            return workflow if workflow.get("status") in statuses else None

        found: dict[str, Any] = self.until(reached, f"{workflow_id} to be {statuses}", limit_s)
        return found

    def await_end(self, workflow_id: str, limit_s: float = 20.0) -> dict[str, Any]:
        """Return the workflow once it has ended."""
        return self.await_status(workflow_id, "success", "failed", "cancelled", limit_s=limit_s)

    def cli(self, *arguments: str, limit_s: float = 30.0) -> "subprocess.CompletedProcess[str]":
        """Run a command against this system."""
        return subprocess.run(
            [sys.executable, "-m", "lastword", *arguments],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines of an event."""
        lines = (self.folder / "up.log").read_text("utf-8").splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{") and f'"{event}"' in line]
        return [line for line in found if line.get("event") == event]

    def until(self, look: Any, what: str, limit_s: float) -> Any:
        """Look until something true is seen; fail with the log's end where that takes too long."""
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s:
            try:
                seen = look()
            except (httpx.HTTPError, OSError, json.JSONDecodeError, KeyError):
                seen = None
            if seen:
                return seen
            process = self.process
            if process is not None and process.poll() is not None:
                break
            time.sleep(0.02)
        tail = (self.folder / "up.log").read_text("utf-8")[-4000:]
        raise AssertionError(f"waited {limit_s:g} s in vain for {what}; the log ends:\n{tail}")

    def _elsewhere(self) -> dict[str, str]:
        """Return where NATS and the database are, if not in the data folder."""
        if self.cluster is None or self.postgres is None:
            return {}
        login, (user, password) = self.cluster.credentials.actor, self.cluster.credentials.system
        ports = [node.port for node in self.cluster.nodes]
        return {
            "LASTWORD_BUS__URL": self.cluster.url,
            "LASTWORD_BUS__USER": login.user,
            "LASTWORD_BUS__PASSWORD": login.password,
            "LASTWORD_BUS__SYSTEM_URL": ",".join(
                f"nats://{user}:{password}@127.0.0.1:{port}" for port in ports
            ),
            "LASTWORD_BUS__REPLICAS": str(len(ports)),
            "LASTWORD_STORAGE__URL": self.postgres.url(self.database),
        }

    def _is_ready(self) -> bool:
        return (self.data / "run.json").exists() and self.get("/health/ready").status_code == 200


def carriers(variable: str) -> list[int]:
    """Return the processes that carry a variable, as `NAME=value`, in their environment."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if variable.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
