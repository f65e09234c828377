"""Becoming the process of one workflow: a group of its own, quiet streams, its environment, its folder.

The working directory is where the user would stand to run the same thing by hand: the project's folder, or
the folder of `lastword.toml`.  What CrewAI stores goes to the run's own folder (its storage takes a lock
with a timeout of 120 s, which runs would otherwise share).
"""

import contextlib
import ctypes
import fcntl
import fnmatch
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from lastword.child.inside.runner import Runner
from lastword.child.inside.voice import Voice

__all__ = ["adopt_orphans", "children", "give_memory_back", "live"]

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def live(server: int, work_fd: int, voice_fd: int, out_fd: int, err_fd: int) -> NoReturn:
    """Run the work that `work_fd` holds, in this fresh fork of `server`, and end."""
    os.setsid()  # a group of its own, so that what tools start ends with it
    _die_with(server)
    _libc.prctl(_PR_SET_NAME, b"lastword-child", 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    with os.fdopen(work_fd, "rb") as file:
        work: dict[str, Any] = json.load(file)
    _connect(out_fd, err_fd)
    fcntl.fcntl(voice_fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)  # not for the programs that tools start
    voice = Voice(voice_fd, work["progress_interval_s"])
    runner = Runner(voice, work)
    signal.signal(signal.SIGUSR1, runner.request_stop)
    _reseed()
    code = runner.run(lambda: _settle(work))
    for stream in (sys.stdout, sys.stderr):
        _flush(stream)
    os._exit(code)  # without waiting for the threads and exit handlers of tools


def adopt_orphans() -> None:
    """Become the parent of processes whose own has ended, in place of init."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def give_memory_back() -> None:
    """Return to the kernel what imports needed for a moment, where the C library can.

    Measured with CrewAI 1.15.30: 213 MB resident after the import, 148 MB after this.  One module of its is
    a literal of 7.8 MB, and most of the rest is what the allocator keeps for a next time that never comes.
    """
    with contextlib.suppress(AttributeError):  # only glibc has it
        _libc.malloc_trim(0)


def children() -> list[int]:
    """Return the numbers of this process's children; none where the kernel does not tell."""
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii")
    except OSError:
        return []
    return [int(pid) for pid in listed.split()]


def _die_with(server: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != server:  # it died before the line above
        os._exit(1)


def _connect(out_fd: int, err_fd: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (out_fd, 1), (err_fd, 2)):
        os.dup2(source, target)
        os.close(source)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  a descriptor, for the whole life
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = open(  # noqa: SIM115
            fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _settle(work: dict[str, Any]) -> None:
    """Take on the work's folder, import path and environment. A bad folder is the loader's to report."""
    base = Path(work["base_dir"])
    home = base / work["project"] if work["project"] else base
    run_dir = Path(work["run_dir"])
    run_dir.mkdir(parents=True, exist_ok=True)
    if work["project"]:
        os.environ.update(_read_dotenv(home / ".env"))
    os.environ.update(work["environment"])
    configured = [f"{name}={value}" for name, value in os.environ.items()]
    if not any(fnmatch.filter(configured, pattern) for pattern in work["fallback_unless"]):
        os.environ.update(work["fallback_environment"])
    os.environ["CREWAI_STORAGE_DIR"] = str(run_dir.resolve())
    os.environ["LASTWORD_WORKFLOW_ID"] = work["workflow_id"]
    if home.is_dir():
        os.chdir(home)
    sys.path[:0] = [str(folder) for folder in (home, home / "src") if folder.is_dir()]
    sys.argv = [str(home)]


def _read_dotenv(path: Path) -> dict[str, str]:
    """Read a project's `.env`, which wins over the environment as it does with `crewai run`."""
    if not path.is_file():
        return {}
    try:
        from dotenv import dotenv_values
    except ImportError:  # CrewAI brings it, so without it the project cannot run anyway
        return {}
    return {name: value for name, value in dotenv_values(path).items() if value is not None}


def _reseed() -> None:
    """Give forks of one parent random numbers of their own; Python does so itself for `random`."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(random.SystemRandom().getrandbits(32))


def _flush(stream: Any) -> None:
    with contextlib.suppress(OSError, ValueError):  # closed by the work, or nobody reads any more
        stream.flush()
