"""Functions that end in every way there is, and some that behave."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

import lastword


def greet(name: str, times: int = 1, mood: Literal["warm", "cold"] = "warm") -> dict[str, Any]:
    """Greet somebody.

    This is not part of the description.
    """
    sys.stdout.write(f"hello {name}\n")
    lastword.progress(1, 2, "greeting")
    return {"greeting": f"hello {name}", "times": times, "mood": mood}


async def greet_later(name: str) -> str:
    """Greet somebody, asynchronously."""
    await asyncio.sleep(0)
    return f"hello {name}"


def raises() -> None:
    """Raise, for a reason."""
    try:
        dict[str, int]()["the cause"]
    except KeyError as error:
        raise ValueError("it broke") from error


def dies(how: str) -> None:
    """End without a word."""
    sys.stdout.write("last words\n")
    sys.stdout.flush()
    match how:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "term":
            os.kill(os.getpid(), signal.SIGTERM)
        case "segv":
            ctypes.string_at(0)
        case "os-exit-0":
            os._exit(0)
        case "os-exit-3":
            os._exit(3)
        case "sys-exit-0":
            sys.exit(0)
        case "sys-exit-3":
            sys.exit(3)
        case "sys-exit-text":
            sys.exit("no more")
        case _:
            raise ValueError(how)
    time.sleep(60)


def hang() -> None:
    """Hang."""
    lastword.progress(0, 1, "hanging")
    time.sleep(600)


def hang_deaf() -> None:
    """Hang, and ignore SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    lastword.progress(0, 1, "hanging")
    time.sleep(600)


def leave_stray(pid_file: str) -> str:
    """Return while a program that was started still runs."""
    Path(pid_file).write_text(str(subprocess.Popen(["sleep", "600"]).pid))
    return "left"


def hang_with_program(pid_file: str) -> None:
    """Hang, with a program running."""
    process = subprocess.Popen(["sleep", "600"])
    Path(pid_file).write_text(str(process.pid))
    lastword.progress(0, 1, "hanging")
    process.wait()


def hang_with_thread() -> str:
    """Return while a thread that is no daemon still runs."""
    threading.Thread(target=time.sleep, args=(600,)).start()
    return "returned"


def fork() -> str:
    """Fork; the copy comes back here as well."""
    pid = os.fork()
    if pid == 0:
        lastword.progress(99, 99, "the copy")
        return "the copy"
    os.waitpid(pid, 0)
    return "the original"


def write(megabytes: int) -> int:
    """Write a lot."""
    line = "x" * 99 + "\n"
    for _ in range(megabytes * 10):
        sys.stdout.write(line * 1000)
    return megabytes


def write_and_die() -> None:
    """Write more than a pipe holds, and die at once."""
    os.write(1, b"".join(b"line %d\n" % number for number in range(2_000)))
    os.kill(os.getpid(), signal.SIGKILL)


def write_oddly() -> None:
    """Write what is no plain line."""
    os.write(1, b"10%\r50%\r100%\nwindows\r\n\xff\xfe no UTF-8\n")
    os.write(2, b"to the other\n")
    os.write(1, b"no end")


def flood(count: int) -> int:
    """Report progress without a pause."""
    for number in range(count):
        lastword.progress(number + 1, count, f"step {number + 1}")
    return count


def text_of(size: int) -> str:
    """Return a long text."""
    return "x" * size


def unserialisable() -> dict[str, object]:
    """Return what is no JSON."""
    return {"thing": object()}


def not_a_number() -> dict[str, float]:
    """Return NaN."""
    return {"value": float("nan"), "one": 1.0}


@dataclass
class Point:
    """A place."""

    x: int
    y: int = 0


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int = 0


def typed(point: Point, person: Person | None = None) -> dict[str, Any]:
    """Take a dataclass and a pydantic model."""
    assert isinstance(point, Point)
    assert person is None or isinstance(person, Person)
    return {"point": point, "person": person}


def anything(**values: Any) -> dict[str, Any]:
    """Take whatever comes."""
    return values


def surroundings(names: list[str]) -> dict[str, Any]:
    """Tell where and in what it runs."""
    return {
        "cwd": str(Path.cwd()),
        "group": os.getpgid(0) == os.getpid(),
        "session": os.getsid(0) == os.getpid(),
        "stdin": sys.stdin.read(),
        "has_crewai": "crewai" in sys.modules,
        "python": sys.executable,
        "environment": {name: os.environ.get(name) for name in names},
    }


def type_json_on_the_pipe(size: int) -> str:
    """Write rubbish to every descriptor that could be the private pipe, then a line that is far too long."""
    for fd in range(3, 64):
        try:
            if Path(f"/proc/self/fd/{fd}").is_fifo():
                os.write(fd, b'{"says":"nonsense"}\nrubbish\n' + b"x" * size + b"\n")
        except OSError:
            continue
    return "written"


not_callable = 7


class Plain:
    """Neither a crew nor a flow."""
