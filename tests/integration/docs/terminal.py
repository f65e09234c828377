"""A reader at a terminal: types what a page says, in a folder of the page's own."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.integration.docs.pages import ROOT, Block
from tests.integration.system.harness import PROVIDERS, carriers, free_port

__all__ = ["Terminal", "meant_to_end_with", "same"]

PATIENCE_S: Final = 150.0  # a limit for a busy machine, and no measurement
MEANT: Final = re.compile(r"\s# (?P<code>\d+): ")
RECIPE: Final = re.compile(r"^up:.*\n(?P<recipe>(?:\t.*\n)+)", re.MULTILINE)
PRELUDE: Final = (
    "[ ! -e {kept} ] || . {kept}; set -aE; "
    "trap 'echo \"$LINENO $?\" >>{failed}' ERR; trap 'export -p >{kept}' DEBUG EXIT\n"
)
"""One line before the reader's: what was set before, which lines fail, what is set for the next block.

It is kept before each command, since one that is left running may be the last for long.
"""


class Terminal:
    """Follows blocks in order; what a block sets is known to the next."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[tuple[Block, subprocess.Popen[bytes], Path]] = []
        self._ports = {"8484": str(free_port()), "4222": str(free_port())}
        self._count = 0
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PROVIDERS)}
        self._environ = {
            **kept,
            "HOME": str(folder),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "LASTWORD_HTTP__PORT": self._ports["8484"],
            "LASTWORD_BUS__PORT": self._ports["4222"],
            "LASTWORD_LLM__DELAY_S": "0.02",
        }
        (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
        (folder / "Makefile").write_text(_makefile(), "utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, process, _ in self._running:
            _send(process, signal.SIGKILL)
            process.wait()
        for pid in carriers(f"HOME={self._folder}"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def follow(self, block: Block) -> list[str]:
        """Type a block, and return what went otherwise than the page says."""
        process, output, failed = self._begin(block)
        if block.until is not None:
            self._running.append((block, process, failed))
            return self._await(block, process, output)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            _send(process, signal.SIGKILL)
            process.wait()
            return [f"{block} has not ended after {PATIENCE_S:g} s: {_text(output)}"]
        wrong = [f"{fault}; it said: {_text(output)}" for fault in _judge(block, failed)]
        if block.printed is not None and not same(block.printed, _text(output)):
            wrong.append(f"{block} printed\n{_text(output)}instead of\n{block.printed}")
        return wrong

    def close(self) -> list[str]:
        """Press Ctrl-C where something goes on for ever; return what did not end as the page says."""
        wrong: list[str] = []
        for block, process, failed in reversed(self._running):
            if not any(map(meant_to_end_with, block.code.splitlines())):
                _send(process, signal.SIGINT)
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                wrong.append(f"{block} does not stop")
            else:
                wrong += _judge(block, failed)
        return wrong

    def _begin(self, block: Block) -> tuple[subprocess.Popen[bytes], Path, Path]:
        self._count += 1
        stem = self._folder / f".block-{self._count}"
        script, output, failed = (stem.with_suffix(suffix) for suffix in (".sh", ".out", ".failed"))
        code = block.code
        for usual, port in self._ports.items():
            code = re.sub(rf"(?<=:){usual}\b", port, code)
        words = {"kept": shlex.quote(str(self._folder / ".kept")), "failed": shlex.quote(str(failed))}
        script.write_text(PRELUDE.format(**words) + code, "utf-8")
        with output.open("wb") as said:
            process = subprocess.Popen(
                ["bash", str(script)],
                cwd=self._folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return process, output, failed

    @staticmethod
    def _await(block: Block, process: subprocess.Popen[bytes], output: Path) -> list[str]:
        assert block.until is not None
        until = time.monotonic() + PATIENCE_S
        while block.until not in _text(output):
            if process.poll() is not None:
                return [f"{block} ended before it said {block.until!r}: {_text(output)}"]
            if time.monotonic() > until:
                return [f"{block} has not said {block.until!r} after {PATIENCE_S:g} s: {_text(output)}"]
            time.sleep(0.05)
        return []


def _makefile() -> str:
    """Return a Makefile whose `up` does what the real one does once all is installed."""
    found = RECIPE.search((ROOT / "Makefile").read_text("utf-8"))
    assert found is not None
    return f"BIN := .venv/bin\nup:\n{found['recipe']}"


def _judge(block: Block, failed: Path) -> list[str]:
    """Return which lines failed and should not have, and the other way round."""
    was: dict[int, int] = {}
    for told in failed.read_text("utf-8").splitlines() if failed.exists() else ():
        place, code = map(int, told.split())
        was.setdefault(place - 1, code)  # the prelude is one line
    wrong: list[str] = []
    for number, line in enumerate(block.code.splitlines(), 1):
        meant, is_so = meant_to_end_with(line), was.get(number, 0)
        if meant != is_so:
            wrong.append(f"{block.page}:{block.line + number - 1} ended with {is_so}, not {meant}: {line}")
    return wrong


def meant_to_end_with(line: str) -> int:
    """Return the exit code that a line's comment tells; 0 where it tells none."""
    found = MEANT.search(line)
    return int(found["code"]) if found else 0


def same(told: str, printed: str) -> bool:
    """Return whether a command printed what a page tells; `…` stands for anything, blanks for blanks."""
    pattern = ".*".join(r"\s+".join(map(re.escape, part.split())) for part in told.split("…"))
    return re.fullmatch(rf"\s*{pattern}\s*", printed, re.DOTALL) is not None


def _send(process: subprocess.Popen[bytes], sent: signal.Signals) -> None:
    """Send a signal to all that a block started, as the terminal does."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, sent)


def _text(output: Path) -> str:
    return output.read_text("utf-8", errors="replace")
