"""An environment with exactly what the slim image has: `requirements/slim.txt`, and our code."""

import hashlib
import os
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import Final

from tests.topology.compose import ROOT

__all__ = ["slim_python"]

LOCK: Final = ROOT / "requirements" / "slim.txt"


@cache
def slim_python() -> str:
    """Return its interpreter; it is made once for each content of the lock file."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder = ROOT / ".topology" / f"slim-{digest}"
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        _uv("venv", "--clear", "--python", sys.executable, str(folder))
        install = (
            "pip",
            "install",
            "--python",
            str(python),
            "--require-hashes",
            "--no-deps",
            "-r",
            str(LOCK),
        )
        if _uv("--offline", *install, must=False):  # what the tests' own environment has is in uv's cache
            _uv(*install)
        (packages,) = folder.glob("lib/python*/site-packages")
        (packages / "lastword.pth").write_text(str(ROOT), "utf-8")
        ready.touch()
    return str(python)


def _uv(*arguments: str, must: bool = True) -> int:
    done = subprocess.run(
        [Path(sysconfig.get_path("scripts")) / "uv", "--quiet", *arguments],
        env={**os.environ, "UV_NO_CONFIG": "1", **_index()},
        capture_output=True,
        text=True,
        check=False,
    )
    if must and done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.returncode


def _index() -> dict[str, str]:
    """Return where pip was told to look, for uv; as `tools/setup.sh` does."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return {"UV_DEFAULT_INDEX": told} if told and "UV_DEFAULT_INDEX" not in os.environ else {}
