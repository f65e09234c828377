"""The keeper: its data folder, and what asks it to stop."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lastword.http.settings import HttpSettings
from lastword.settings import Settings
from lastword.wiring.process import stop_signals
from lastword.wiring.stack import CannotStart, Stack
from tests.integration.system.harness import free_port

HEEDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def signals() -> Iterator[None]:
    """Give this process back the handlers that a keeper or a test takes."""
    before = [(sent, signal.getsignal(sent)) for sent in HEEDED]
    yield
    for sent, handler in before:
        signal.signal(sent, handler)


def keeper(folder: Path, port: int) -> Stack:
    """Return a keeper of a folder, that says nothing."""
    settings = Settings(data_dir=str(folder), http=HttpSettings(port=port))
    return Stack(settings, offline=True, say=lambda *_, **__: None)


@pytest.mark.usefixtures("signals")
def test_one_that_is_refused_leaves_the_folder_to_the_other(tmp_path: Path) -> None:
    """Else the commands typed there would no longer find the one that runs."""
    holder = keeper(tmp_path, free_port())
    holder._take_data_folder()
    told = {"http": "http://127.0.0.1:1", "nats": "", "pids": {"keeper": os.getpid()}}
    (tmp_path / "run.json").write_text(json.dumps(told), "utf-8")

    with pytest.raises(CannotStart, match=f"another lastword runs in .*process {os.getpid()}"):
        keeper(tmp_path, free_port()).start()
    assert told == json.loads((tmp_path / "run.json").read_text("utf-8"))

    holder.stop()
    assert not (tmp_path / "run.json").exists()
    holder = keeper(tmp_path, free_port())
    holder._take_data_folder()  # which was let go of
    holder.stop()


@pytest.mark.usefixtures("signals")
def test_the_end_of_the_terminal_is_heeded_unless_it_is_ignored() -> None:
    """Whoever says `nohup` means it."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert set(HEEDED) == set(stop_signals())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert {signal.SIGINT, signal.SIGTERM} == set(stop_signals())


def test_a_role_stops_when_its_terminal_ends() -> None:
    """As `lastword run` does: it winds up, and ends with 0."""
    script = """
import asyncio, os, signal, sys
from lastword.settings import Settings
from lastword.wiring.process import run_role
async def work(stop):
    os.kill(os.getpid(), signal.SIGHUP)
    await stop.wait()
    print("wound up")
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.exit(run_role("edge", Settings(), work))
"""
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True, timeout=60)
    assert b"wound up\n" == done.stdout
