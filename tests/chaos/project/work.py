"""Work that ends in every way there is, and bears witness of its own beginning and end."""

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import lastword

BULK = 300_000  # bytes; more than a record carries


def act(witness: str, how: str = "returns", lasts_s: float = 1.0) -> Any:
    """Work for a while, then end as asked."""
    pid = os.getpid()
    path = Path(witness) / f"{os.environ['LASTWORD_WORKFLOW_ID']}.{pid}"

    def say(word: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"pid": pid, "at_s": time.monotonic(), "word": word}) + "\n")

    say("began")
    _work(lasts_s)
    match how:
        case "raises":
            say("raises")
            raise ValueError(how)
        case "exits 0" | "exits 3":
            say(how)
            os._exit(int(how[-1]))
        case "leaves":
            say("leaves")
            sys.exit(0)
        case "dies SIGKILL":
            say(how)
            os.kill(pid, signal.SIGKILL)
        case "dies SIGSEGV":
            say(how)
            ctypes.string_at(0)
        case _:
            say("returns")
    return "x" * BULK if how == "returns much" else {"how": how}


def _work(lasts_s: float) -> None:
    until_s = time.monotonic() + lasts_s
    number = 0
    while time.monotonic() < until_s:
        lastword.progress(number, None, f"step {number}")
        print(f"step {number}", flush=True)
        time.sleep(min(0.3, max(0.0, until_s - time.monotonic())))
        number += 1
