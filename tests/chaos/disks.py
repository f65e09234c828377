"""Disks that fill up: where root allows, some folders are small file systems of their own, in memory."""

import os
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["Disk", "can_mount"]

SIZE: Final = "2g"  # only what is used takes memory
TRIES: Final = 50  # while others write, used is more by the time that it is set as the limit


def can_mount() -> bool:
    """Whether file systems may be mounted here."""
    if os.geteuid() != 0:
        return False
    try:
        with tempfile.TemporaryDirectory(prefix="lastword-disk-") as folder, Disk(Path(folder)).open():
            return True
    except (OSError, AssertionError):
        return False


class Disk:
    """What is mounted at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def open(self) -> Generator["Disk"]:
        """Mount it until the block is left; what was written to it is gone then."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=711", "tmpfs", str(self.folder))
        try:
            yield self
        finally:
            _run("umount", "--lazy", str(self.folder))

    def fill(self) -> None:
        """Have no room left: nothing more can be written."""
        tries = 0
        while True:
            now = os.statvfs(self.folder)
            used = max(now.f_blocks - now.f_bfree, 1)  # none at all would mean no limit
            try:
                return self._resize(str(used * now.f_frsize))
            except AssertionError:
                tries += 1
                if tries == TRIES:
                    raise

    def free(self) -> None:
        """Have room again."""
        self._resize(SIZE)

    def _resize(self, size: str) -> None:
        _run("mount", "-o", f"remount,size={size}", str(self.folder))


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
