"""Look a built site through: every link and anchor leads somewhere, and nothing is fetched from elsewhere."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

__all__ = ["elsewhere", "faults"]

FETCHED: Final = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
"""What a browser fetches by itself, by element; of links only those that are fetched."""
UNFETCHED: Final = {"canonical", "prev", "next", "alternate", "edit"}
STYLE: Final = re.compile(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s]+)")


class _Page(HTMLParser):
    """What one page links to, what it fetches, and where it can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetches: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of an element."""
        told = {name: value or "" for name, value in attrs}
        self.anchors.update(told[name] for name in ("id", "name") if name in told)
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        elif tag in FETCHED and FETCHED[tag] in told:
            fetched = told.get("rel") not in UNFETCHED
            (self.fetches if fetched else self.links).append(told[FETCHED[tag]])


def faults(site: Path) -> Iterator[str]:
    """Yield each link that leads nowhere, and each thing that would be fetched from another server."""
    pages = _pages(site)
    for path, page in pages.items():
        name = path.relative_to(site)
        for fetched in page.fetches:
            if _is_elsewhere(fetched):
                yield f"{name} fetches {fetched}"
        for link in (*page.links, *page.fetches):
            if not _is_elsewhere(link) and (why := _broken(link, path, site.resolve(), pages)):
                yield f"{name} links to {link}: {why}"
    for path in sorted(site.rglob("*.css")):
        for found in STYLE.finditer(path.read_text("utf-8")):
            yield f"{path.relative_to(site)} fetches {found[1]}"


def elsewhere(site: Path) -> dict[str, list[str]]:
    """Return the links that lead out of the site, each with the pages that have it."""
    found: dict[str, list[str]] = {}
    for path, page in _pages(site).items():
        for link in sorted({link for link in page.links if _is_elsewhere(link)}):
            found.setdefault(link, []).append(path.relative_to(site).as_posix())
    return dict(sorted(found.items()))


def _pages(site: Path) -> dict[Path, _Page]:
    return {path.resolve(): _Page(path) for path in sorted(site.resolve().rglob("*.html"))}


def _is_elsewhere(link: str) -> bool:
    split = urlsplit(link)
    return bool(split.scheme or split.netloc)


def _broken(link: str, page: Path, site: Path, pages: dict[Path, _Page]) -> str | None:
    """Return why a link within the site leads nowhere, if it does."""
    split = urlsplit(link)
    home = site if split.path.startswith("/") else page.parent  # 404.html is shown at any depth
    target = (home / unquote(split.path).lstrip("/")).resolve() if split.path else page
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return "no such file"
    anchor = unquote(split.fragment)
    if anchor and target in pages and anchor not in pages[target].anchors:
        return "no such anchor"
    return None
