"""Builds and runs spin's verifier for a scenario of the model.

spin turns the model into a program in C, which visits every state that can be reached.  Debian has spin as a
package; root gets it on the first use.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from tests.model.scenarios import HANGS, Mutant, Scenario

__all__ = ["Found", "SpinUnavailable", "check", "ensure_spin", "hunt"]

MODEL: Final = Path(__file__).parent / "promela"
DEPTH: Final = 1_000_000  # steps; a search that needs more says so
MEMORY_MIB: Final = 8_000
LIMIT_S: Final = 1_800.0

_INCOMPLETE: Final = re.compile("max search depth too small|MEMLIM|out of memory|Search not completed")
_BROKEN: Final = re.compile(r"assertion violated .*\|\|\((\d+)==0\)\)")
_STATES: Final = re.compile(r"^\s*(\d+) states, stored", re.MULTILINE)
_SECONDS: Final = re.compile(r"elapsed time ([\d.]+) seconds")


class SpinUnavailable(Exception):
    """spin, or the compiler that it needs, is not there and cannot be had."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The model cannot be checked: {why}. Install spin and gcc (Debian: apt-get install spin gcc)."
        )


class Found(NamedTuple):
    """What a search found."""

    broken: int | None
    """The number of the invariant that does not hold."""
    states: int
    seconds: float
    """Of the search alone, without the building."""
    trail: str
    """The way to the violation, one step a line."""


def ensure_spin() -> None:
    """Install spin where that is allowed; raise `SpinUnavailable`."""
    missing = [name for name in ("spin", "gcc") if shutil.which(name) is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SpinUnavailable(f"{' and '.join(missing)} not found")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (
        ["update", "-q"],
        ["install", "-q", "-y", "--no-install-recommends", "spin", "gcc", "libc6-dev"],
    ):
        done = subprocess.run(
            ["apt-get", *arguments], capture_output=True, text=True, check=False, env=environment
        )
        if done.returncode != 0:
            raise SpinUnavailable(f"apt-get failed: {done.stderr.strip()[-300:]}")


def check(scenario: Scenario, folder: Path) -> Found:
    """Visit every state of the scenario; `folder` is for what is built."""
    return _search(scenario.file, _macros(scenario.bounds), folder, is_fair=scenario.is_fair)


def hunt(mutant: Mutant, folder: Path) -> Found:
    """Look for what the planted fault breaks."""
    macros = [f"-D{mutant.macro}", *_macros(mutant.bounds)]
    return _search(mutant.file, macros, folder, is_fair=mutant.is_fair)


def _macros(bounds: tuple[tuple[str, int], ...]) -> list[str]:
    return [f"-D{name}={value}" for name, value in bounds]


def _search(file: str, macros: list[str], folder: Path, *, is_fair: bool) -> Found:
    ensure_spin()
    source = str(MODEL / f"{file}.pml")
    fair = ["-DLIVENESS"] if is_fair else []
    _run(["spin", "-a", *fair, *macros, source], folder)
    kind = ["-DNFAIR=4"] if is_fair else ["-DSAFETY"]  # NFAIR: room for the processes that fairness counts
    options = ["-O1", "-w", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MIB}", "-DVECTORSZ=512", *kind]
    _run(["gcc", *options, "-o", "pan", "pan.c"], folder)
    search = ["-a", "-f"] if is_fair else ["-E"]  # -E: to wait for ever is no fault of a server's
    told = _run([str(folder / "pan"), *search, f"-m{DEPTH}", "-w24"], folder)
    assert not ("errors: 0" in told and _INCOMPLETE.search(told)), f"{file} {macros}: {told[-2000:]}"
    return Found(
        broken=_broken(told),
        states=int(_group(_STATES, told)),
        seconds=float(_group(_SECONDS, told)),
        trail=_trail([*fair, *macros], source, folder),
    )


def _broken(told: str) -> int | None:
    if "errors: 0" in told:
        return None
    if "acceptance cycle" in told.partition("(Spin Version")[0]:
        return HANGS
    return int(_group(_BROKEN, told))


def _group(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    assert found is not None, text[-2000:]
    return found[1]


def _trail(macros: list[str], source: str, folder: Path) -> str:
    """Return the steps that lead to the violation, if there is one."""
    trail = next(folder.glob("*.trail"), None)
    if trail is None:
        return ""
    return _run(["spin", "-k", trail.name, "-p", *macros, source], folder, may_fail=True)


def _run(command: list[str], folder: Path, *, may_fail: bool = False) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert may_fail or done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout
