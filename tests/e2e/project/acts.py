"""Work that a browser test holds in its hand."""

import os
import time
from pathlib import Path
from typing import Any

import lastword


def held(gate: str) -> str:
    """Work until a file is there; beside it stands which process works."""
    at = Path(gate)
    at.with_suffix(".pid").write_text(str(os.getpid()), "utf-8")
    number = 0
    while not at.exists():
        if number % 5 == 0:
            lastword.progress(number // 5, 1_000, f"step {number // 5}")
            print(f"step {number // 5}", flush=True)
        number += 1
        time.sleep(0.02)
    return "let go"


def quiet(gate: str) -> str:
    """Work until a file is there, and say nothing of it."""
    at = Path(gate)
    at.with_suffix(".pid").write_text(str(os.getpid()), "utf-8")
    while not at.exists():
        time.sleep(0.02)
    return "let go"


def tells(text: str) -> str:
    """Say it in every place where text is shown: progress, output, result."""
    lastword.progress(1, 2, text[:200])
    print(text, flush=True)
    return text


def fails_at_length(text: str, times: int) -> None:
    """Raise an error whose text is far larger than any input."""
    raise RuntimeError(text * times)


def shapeless(points: list[dict[str, list[float]]], either: int | list[str]) -> list[Any]:
    """Take what no form can draw."""
    return [points, either]
