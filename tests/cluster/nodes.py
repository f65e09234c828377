"""NATS servers for development and tests: one, or several that form a cluster.

Each is the embedded server's own binary on loopback, with the users and permissions of
`contracts.permissions`.  A cluster has three copies of each stream and syncs at its leisure; a lone node has
no other copy and syncs each record.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from lastword.bus.accounts import Credentials, read_credentials, render_accounts, write_private
from lastword.wiring.process import die_with_parent

__all__ = ["NATS_SERVER", "NatsCluster", "Node", "free_ports", "prepare_nodes"]

NATS_SERVER: Final = str(Path(sysconfig.get_path("scripts")) / "nats-server")
READY_S: Final = 60.0
STOP_S: Final = 10.0


class Node(NamedTuple):
    """A server that has its configuration."""

    name: str
    port: int
    monitor: int
    """Port of its monitoring, by HTTP."""
    configuration: Path
    store: Path

    @property
    def command(self) -> list[str]:
        """What runs it."""
        return [NATS_SERVER, "-c", str(self.configuration)]

    @property
    def log(self) -> Path:
        """Where what it says may be kept."""
        return self.configuration.with_suffix(".log")


def prepare_nodes(
    folder: Path,
    credentials: Credentials,
    count: int,
    *,
    ports: Sequence[int] = (),
    administrators: Sequence[str] = (),
) -> list[Node]:
    """Write the configuration of `count` nodes into `folder`, at `ports` or at free ones.

    `administrators` may do everything, as `lastword.bus.accounts` has it.  No node tells clients of the
    others: a test's links would be gone round.
    """
    free = free_ports(3 * count)
    clients, routes, monitors = list(ports) or free[:count], free[count : 2 * count], free[2 * count :]
    nodes: list[Node] = []
    for number, (port, route, monitor) in enumerate(zip(clients, routes, monitors, strict=True)):
        name = f"nats-{number}"
        node = Node(name, port, monitor, folder / f"{name}.conf", folder / name)
        sync, cluster = ", sync_interval: always", ""
        if count > 1:
            urls = json.dumps([f"nats://127.0.0.1:{one}" for one in routes])
            cluster = f"""cluster {{
  name: lastword, listen: "127.0.0.1:{route}", no_advertise: true
  routes: {urls}
}}"""
            sync = ""
        write_private(
            node.configuration,
            f"""server_name: {name}
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor}"
max_payload: 1MB
jetstream {{ store_dir: {json.dumps(str(node.store))}{sync} }}
no_auth_user: {json.dumps(credentials.viewer.user)}
{cluster}
{render_accounts(credentials.identities, administrators=administrators)}""",
        )
        nodes.append(node)
    return nodes


class NatsCluster:
    """Nodes of a cluster as processes of ours, which end when we do."""

    def __init__(self, folder: Path, *, count: int = 3, ports: Sequence[int] = ()) -> None:
        """Prepare the nodes, with users that stay the same in the same folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.credentials = read_credentials(folder / "users")
        administrators = (self.credentials.actor.identity,)
        self.nodes = prepare_nodes(
            folder, self.credentials, count, ports=ports, administrators=administrators
        )
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """Where every node is."""
        return ",".join(f"nats://127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        """Start the nodes that do not run, and return when all serve JetStream."""
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Start the nodes that do not run.

        They die with the thread that calls this, says the kernel: let it be one that lasts.
        """
        for node in self.nodes:
            if not self.runs(node):
                with node.log.open("ab") as log:
                    self._processes[node.name] = subprocess.Popen(
                        node.command,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,  # Ctrl-C is for whoever started us
                        preexec_fn=die_with_parent,  # noqa: PLW1509  it only makes one system call
                    )

    def await_ready(self) -> None:
        """Return when all nodes serve JetStream: connected, with a leader, and caught up."""
        until = time.monotonic() + READY_S
        for node in self.nodes:
            while not _is_healthy(node):
                if time.monotonic() > until or not self.runs(node):
                    raise RuntimeError(f"{node.name} does not serve: {node.log.read_text('utf-8')[-2000:]}")
                time.sleep(0.02)

    def runs(self, node: Node) -> bool:
        """Tell whether a node's process lives."""
        process = self._processes.get(node.name)
        return process is not None and process.poll() is None

    def pid(self, node: Node) -> int:
        """Return a node's process, which must have been started."""
        return self._processes[node.name].pid

    def signal(self, sent: signal.Signals, *names: str) -> None:
        """Send a signal to the nodes of these names, or to all."""
        for node in self.nodes:
            if self.runs(node) and (not names or node.name in names):
                os.kill(self._processes[node.name].pid, sent)

    def kill(self, *names: str) -> None:
        """End nodes as a power cut would, and return when they are gone."""
        self.signal(signal.SIGKILL, *names)
        for node in self.nodes:
            if node.name in self._processes and (not names or node.name in names):
                self._processes.pop(node.name).wait()

    def stop(self) -> None:
        """End all nodes: politely, then not."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def wipe(self) -> None:
        """Forget everything that is stored; the nodes must have ended."""
        for node in self.nodes:
            shutil.rmtree(node.store, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, all at once so that they differ."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _is_healthy(node: Node) -> bool:
    """Ask a node how it is."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{node.monitor}/healthz", timeout=1) as answer:
            told: dict[str, Any] = json.loads(answer.read())
    except (OSError, ValueError):
        return False
    return told.get("status") == "ok"
