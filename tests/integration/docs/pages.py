"""Finding the commands in a page."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "Block", "blocks", "followed_pages", "pages"]

ROOT: Final = Path(__file__).parents[3]
FENCE: Final = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})(?P<language>\w*)")
MARK: Final = re.compile(
    r"<!-- (?:(?P<run>run)|not run: (?P<reason>.+)|left running until \"(?P<until>.+)\") -->"
)
SHELLS: Final = {"bash", "sh", "console", "shell"}


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of commands."""

    page: str
    line: int
    """Of its first command, in the page."""
    language: str
    code: str
    run: str | None = None
    """That it is run to its end."""
    reason: str | None = None
    """Why it is not run."""
    until: str | None = None
    """What it says once the reader goes on and leaves it running."""
    printed: str | None = None
    """What stands below it as its output."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_typed(self) -> bool:
        """Whether it is run, to its end or not."""
        return bool(self.run or self.until)


def pages() -> list[Path]:
    """Return every page."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def followed_pages() -> list[Path]:
    """Return the pages whose commands a reader follows."""
    return [
        ROOT / "README.md",
        ROOT / "docs" / "tutorial.md",
        *sorted((ROOT / "docs" / "how-to").glob("*.md")),
    ]


def blocks(text: str, page: str) -> Iterator[Block]:
    """Yield the blocks of commands of a page's Markdown."""
    found: Block | None = None
    above = ""
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        fence = FENCE.match(line)
        if fence is None:
            if line.strip():
                above = line.strip()
                if found is not None:
                    yield found
                    found = None
            continue
        code = "".join(f"{inner}\n" for inner in _inside(lines, fence["fence"]))
        if found is not None and fence["language"] == "text":
            found = replace(found, printed=code)
        if found is not None:
            yield found
            found = None
        if fence["language"] in SHELLS:
            mark = MARK.fullmatch(above)
            told = mark.groupdict() if mark else {}
            found = Block(page=page, line=number + 1, language=fence["language"], code=code, **told)
        above = ""
    if found is not None:
        yield found


def _inside(lines: Iterator[tuple[int, str]], fence: str) -> Iterator[str]:
    for _, line in lines:
        if line.strip() == fence:
            return
        yield line
