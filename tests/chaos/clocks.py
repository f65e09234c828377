"""Wall clocks that jump, one process's at a time: `clock.c`, preloaded, adds what stands in its own file.

Only the time of day jumps, as when a machine's clock is set; what measures (`CLOCK_MONOTONIC`) goes on.  The
nats-server is not linked against libc, and keeps the machine's time.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["Clock", "build", "can_jump"]

SOURCE: Final = Path(__file__).with_name("clock.c")
ENVIRON: Final = "CHAOS_CLOCK"


def can_jump() -> bool:
    """Whether there is a compiler, which the tests of the model need as well."""
    return shutil.which("gcc") is not None


def build(folder: Path) -> Path:
    """Compile what is preloaded, and return where it lies."""
    library = folder / "clock.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", library, SOURCE], check=True, capture_output=True)
    return library


class Clock:
    """The wall clock of one place."""

    def __init__(self, library: Path, file: Path) -> None:
        self._library = library
        self._file = file
        file.write_bytes(bytes(8))

    @property
    def environ(self) -> dict[str, str]:
        """What a process needs to live by it."""
        return {"LD_PRELOAD": str(self._library), ENVIRON: str(self._file)}

    def jump(self, ahead_s: int) -> None:
        """Be so far ahead of the machine's from now on."""
        file = os.open(self._file, os.O_WRONLY)
        try:
            os.write(file, ahead_s.to_bytes(8, "little", signed=True))  # in place: it is mapped
        finally:
            os.close(file)
