"""What a check found, and how to say that clocks differ."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

__all__ = ["Finding", "Level", "compare_clocks", "fail", "fine", "skip", "warn"]

MAX_SKEW_S: Final = 1.0
"""Seconds by which clocks may differ before it is worth a word; nothing is judged by two hosts' clocks."""


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARN = "warn"
    """Works, and will surprise somebody."""
    FAIL = "fail"
    """Does not work."""
    SKIP = "skip"
    """Could not be looked at from here."""


class Finding(Struct, frozen=True, kw_only=True):
    """What one check found."""

    level: Level
    check: str
    """What was looked at; two or three words."""
    said: str
    remedy: str | None = None
    """What to do."""


def fine(check: str, said: str) -> Finding:
    """Return that all is well."""
    return Finding(level=Level.OK, check=check, said=said)


def warn(check: str, said: str, remedy: str | None = None) -> Finding:
    """Return what works and will surprise somebody."""
    return Finding(level=Level.WARN, check=check, said=said, remedy=remedy)


def fail(check: str, said: str, remedy: str | None = None) -> Finding:
    """Return what does not work."""
    return Finding(level=Level.FAIL, check=check, said=said, remedy=remedy)


def skip(check: str, said: str, remedy: str | None = None) -> Finding:
    """Return what could not be looked at."""
    return Finding(level=Level.SKIP, check=check, said=said, remedy=remedy)


def compare_clocks(whose: str, ahead_s: float, unsure_s: float) -> Finding:
    """Return how far another host's clock is ahead of ours, known to `unsure_s` seconds either way."""
    check = "clocks"
    if abs(ahead_s) - unsure_s <= MAX_SKEW_S:
        return fine(check, f"{whose} and this host agree, to {max(abs(ahead_s), unsure_s):.1f} s")
    direction = "ahead of" if ahead_s > 0 else "behind"
    return warn(
        check,
        f"the clock of {whose} is {abs(ahead_s):.1f} s {direction} this host's",
        "Keep all hosts' clocks by NTP. Verdicts do not depend on it; the times that people read do.",
    )
