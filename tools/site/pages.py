"""Lay the pages out for the site's maker: where they lie, where their links lead, what goes with them."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Final
from urllib.parse import unquote

__all__ = ["FILES", "ROOT", "deepen", "lay_out", "place_of", "readdress"]

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent
PACKAGES: Final = ROOT / "frontend" / "node_modules"
FILES: Final = {
    "assets/mark.svg": ROOT / "frontend/public/mark.svg",
    "assets/tokens.css": ROOT / "frontend/src/styles/tokens.css",
    "assets/site.css": HERE / "site.css",
    "assets/mermaid.js": PACKAGES / "@mermaid-js/tiny/dist/mermaid.tiny.js",
    "assets/iframe-worker.js": PACKAGES / "iframe-worker/shim/index.js",
    "assets/inter.woff2": PACKAGES / "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
    "assets/mono.woff2": PACKAGES
    / "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2",
}
"""What the pages need beside themselves, by its place on the site: the app's own look, fonts and diagrams."""
COPIES: Final = "files"
"""The folder of the site for what pages link to outside docs/."""
FENCE: Final = re.compile(r"\s*(```|~~~)")
LINK: Final = re.compile(r"(?P<before>\]\(|^\[[^\]]+\]:\s+)(?P<target>[^)\s]+)", re.MULTILINE)
ITEM: Final = re.compile(r"(?:[-*]|\d+\.) +(?=\S)")
ELSEWHERE: Final = re.compile(r"[a-z][a-z0-9+.-]*:|#|//")


def lay_out(folder: Path) -> None:
    """Fill `folder` with what the site is made from: the configuration, the theme and the pages."""
    shutil.rmtree(folder / "pages", ignore_errors=True)
    for name in ("zensical.toml", "theme"):
        _copy(HERE / name, folder / name)
    for source, target in _sources():
        at = folder / "pages" / target
        _copy(source, at)
        if source.suffix == ".md":
            page = source.relative_to(ROOT).as_posix()
            text = readdress(source.read_text("utf-8"), page, folder / "pages")
            at.write_text(deepen(text), "utf-8")
    for target, source in FILES.items():
        _copy(source, folder / "pages" / target)


def _sources() -> Iterator[tuple[Path, str]]:
    for source in (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*"))):
        if source.is_file():
            yield source, place_of(source.relative_to(ROOT).as_posix())


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def place_of(path: str) -> str:
    """Return where a file of the repository lies on the site.

    >>> place_of("README.md"), place_of("docs/decisions/README.md"), place_of("docs/tutorial.md")
    ('index.md', 'decisions/index.md', 'tutorial.md')
    >>> place_of("CHANGELOG.md"), place_of("LICENSE")
    ('changelog.md', 'files/LICENSE')
    """
    if path == "CHANGELOG.md":
        return "changelog.md"
    if path == "README.md" or path.startswith("docs/"):
        within = PurePosixPath(path.removeprefix("docs/"))
        return str(within.with_name("index.md") if within.name == "README.md" else within)
    return f"{COPIES}/{path}"


def readdress(text: str, page: str, pages: Path) -> str:
    """Return a page's Markdown with its links as the site needs them; files outside docs/ are copied for it.

    A link to what is not there, or to a folder without a page, stays as it is, and is found when the site is
    looked through.
    """
    home = PurePosixPath(page).parent.as_posix()
    own = PurePosixPath(place_of(page)).parent.as_posix()

    def lead(found: re.Match[str]) -> str:
        target = found["target"]
        if ELSEWHERE.match(target):
            return found[0]
        path, mark, anchor = target.partition("#")
        wanted = normpath(f"{home}/{unquote(path)}")
        there = _served(wanted, pages)
        if there is None:
            return found[0]
        return f"{found['before']}{relpath(there, own)}{mark}{anchor}"

    lines: list[str] = []
    fenced = False
    for line in text.splitlines(keepends=True):
        if FENCE.match(line):
            fenced = not fenced
        lines.append(line if fenced else LINK.sub(lead, line))
    return "".join(lines)


def deepen(text: str) -> str:
    """Return Markdown whose list items hold what belongs to them by four columns, as Python-Markdown wants.

    GitHub takes the column where an item's text begins.
    """
    width = 0
    fenced = False
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        if FENCE.match(line) and not line.startswith(" "):
            fenced, width = not fenced, 0
        item = None if fenced else ITEM.match(line)
        if item is not None:
            width = len(item[0])
        elif line.strip() and not line.startswith(" " * width):
            width = 0
        deeper = " " * (4 - width) if line.strip() and item is None and 0 < width < 4 else ""
        lines.append(deeper + line)
    return "".join(lines)


def _served(wanted: str, pages: Path) -> str | None:
    """Return where on the site a link's target is, after copying it there where need be."""
    source = ROOT / wanted
    if source.is_dir():
        index = next((path for path in ("README.md", "index.md") if (source / path).exists()), None)
        return None if index is None else _served(f"{wanted}/{index}", pages)
    if not source.is_file():
        return None
    place = place_of(wanted)
    if place.startswith(f"{COPIES}/"):
        _copy(source, pages / place)
    return place
