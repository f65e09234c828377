"""Work that is too much of something."""

import sys
import time

import lastword


def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


def prints(megabytes: int) -> int:
    """Print lines of a hundred characters, as fast as they are taken."""
    lines = 0
    block = "".join(f"{'x' * 99}\n" for _ in range(100))
    for _ in range(megabytes * 100):
        sys.stdout.write(block)
        lines += 100
    print("the last line", flush=True)
    return lines


def bulky(megabytes: int) -> str:
    """Return that much."""
    return "x" * (megabytes * 1_000_000)


def ticks(count: int, per_s: int) -> int:
    """Say how far it got, very often."""
    for number in range(1, count + 1):
        lastword.progress(number, count, f"tick {number}")
        time.sleep(1 / per_s)
    return count


def holds(text: str, seconds: float = 0.0) -> int:
    """Take its time over what it was given."""
    time.sleep(seconds)
    return len(text)
