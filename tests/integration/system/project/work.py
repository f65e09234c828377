"""Work that ends in every way there is."""

import ctypes
import os
import signal
import sys
import time

import lastword


def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


def steps(count: int = 50, each_s: float = 0.1) -> str:
    """Take some steps, and say so."""
    for number in range(count):
        lastword.progress(number, count, f"step {number}")
        print(f"step {number}", flush=True)
        time.sleep(each_s)
    return "walked"


def raises(message: str = "it broke") -> None:
    """Raise."""
    raise ValueError(message)


def dies(how: str) -> None:
    """End without a word."""
    print("last words", flush=True)
    match how:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        case "segv":
            ctypes.string_at(0)
        case "os-exit":
            os._exit(0)
        case "sys-exit":
            sys.exit(0)
        case "exit-3":
            os._exit(3)
        case _:
            raise ValueError(how)


def traced() -> str | None:
    """Return the trace that this process may go on with."""
    return os.environ.get("TRACEPARENT")
