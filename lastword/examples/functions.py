"""Plain functions: their annotations give the input form, their return value is the result."""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import lastword


@dataclass
class WordCount:
    """The result of `count_words`."""

    words: int
    different: int
    most_frequent: dict[str, int]


def count_words(text: str, top: int = 10, case: Literal["fold", "keep"] = "fold") -> WordCount:
    """Count the words of a text."""
    words: list[str] = []
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        lastword.progress(number, len(lines), "counting")
        words += re.findall(r"\w+", line.casefold() if case == "fold" else line)
    counted = Counter(words)
    return WordCount(len(words), len(counted), dict(counted.most_common(max(0, top))))


async def wait(seconds: float = 30.0, steps: int = 30) -> str:
    """Wait for some seconds, and report each step."""
    for step in range(steps):
        lastword.progress(step, steps, f"step {step + 1}")
        await asyncio.sleep(seconds / steps)
    lastword.progress(steps, steps, "done")
    return f"waited {seconds:g} seconds"
