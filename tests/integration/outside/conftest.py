"""A running system, and clients of NATS that lastword did not write."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from tests.integration.system.harness import System

WITHIN_S = 30.0


class Running:
    """A program that writes lines until it is told to stop."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def until(self, enough: Callable[[str], bool]) -> list[str]:
        """Return the lines up to the first of which `enough` says so."""
        seen: list[str] = []
        while not (seen and enough(seen[-1])):
            seen.append(self._lines.get(timeout=WITHIN_S))
        return seen

    def records(self, workflow_id: str, status: str) -> list[dict[str, Any]]:
        """Return a workflow's records, up to the one with that status."""
        lines = self.until(lambda line: f'"{workflow_id}"' in line and f'"status":"{status}"' in line)
        return [json.loads(line) for line in lines if line.startswith("{") and f'"{workflow_id}"' in line]

    def stop(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))


def find_program(name: str) -> str | None:
    """Return where a program is: beside this Python, where `make` puts such, or on the path."""
    return shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))


@contextmanager
def run(*command: str | Path, folder: Path) -> Generator[Running]:
    """Run a program in a folder that is its home, too."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running = Running(process)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Give a running system with plain functions."""
    running = System(tmp_path_factory.mktemp("outside"))
    try:
        yield running.start().await_definitions("add", "steps", "dies")
    finally:
        running.destroy()


@pytest.fixture(scope="package")
def operator(system: System) -> tuple[str, str]:
    """Give the operator's user and password."""
    user, password = json.loads((system.data / "nats" / "credentials.json").read_text("utf-8"))["operator"]
    return user, password
