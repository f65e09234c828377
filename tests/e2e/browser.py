"""How the tests speak to a page: by what people see, never by its markup."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, Request, expect

__all__ = ["AXE", "WATCHER", "AppPage", "Traffic"]

AXE: Final = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"

WATCHER: Final = """
(() => {
  const seen = (window.__seen = []);
  const note = () => {
    const badge = document.querySelector('[data-headline]');
    const status = badge ? badge.getAttribute('data-status') : null;
    const text = badge ? badge.textContent.trim() : null;
    const last = seen[seen.length - 1];
    if (!last || last.status !== status || last.text !== text) {
      seen.push({ status, text, at: Date.now() / 1000 });
    }
  };
  window.__violations = [];
  document.addEventListener('securitypolicyviolation', (event) => {
    window.__violations.push(`${event.violatedDirective} ${event.blockedURI}`);
  });
  document.addEventListener('DOMContentLoaded', () => {
    new MutationObserver(note).observe(document, {
      subtree: true, childList: true, characterData: true, attributes: true,
    });
    note();
  });
})();
"""
"""Writes down every status that the page has shown, for however short a time, and what its policy forbade."""

RANK: Final = {
    None: -1,
    "pending": 0,
    "running": 1,
    "cancelling": 2,
    "success": 3,
    "failed": 3,
    "cancelled": 3,
}


class Traffic:
    """What a page asked of the server."""

    def __init__(self, page: Page) -> None:
        self.requests: list[str] = []
        self.hosts: set[str] = set()
        self.sockets = 0
        page.on("request", self._note)
        page.on("websocket", lambda _: self._opened())

    def _note(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"}:
            self.hosts.add(parts.netloc)
            self.requests.append(f"{request.method} {parts.path}")

    def _opened(self) -> None:
        self.sockets += 1

    def count(self, pattern: str) -> int:
        """Return how many requests fit a pattern."""
        return sum(re.search(pattern, one) is not None for one in self.requests)


class AppPage:
    """The app in one tab."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.add_init_script(WATCHER)
        self.traffic = Traffic(page)

    # Going

    def open(self, path: str = "") -> "AppPage":
        """Open a page of the app."""
        self.page.goto(f"{self.url}/ui/{path}")
        return self

    def open_workflow(self, workflow_id: str, tab: str = "") -> "AppPage":
        """Open a workflow's own page."""
        return self.open(f"workflows/{workflow_id}" + (f"?tab={tab}" if tab else ""))

    # Seeing

    @property
    def headline(self) -> Locator:
        """The one large status."""
        return self.page.locator("[data-headline]")

    @property
    def link(self) -> Locator:
        """The link indicator."""
        return self.page.locator("[data-link]")

    @property
    def rows(self) -> Locator:
        """The rows of the list that are drawn."""
        return self.page.locator("lw-workflow-row")

    def row(self, workflow_id: str) -> Locator:
        """Return one row of the list."""
        return self.page.locator(f'lw-workflow-row[data-id="{workflow_id}"]')

    def button(self, name: str) -> Locator:
        """Return a button, by its name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def should_say(self, status: str, within_s: float = 20.0) -> "AppPage":
        """Wait until the headline shows a status."""
        expect(self.headline).to_have_attribute("data-status", status, timeout=within_s * 1000)
        return self

    def should_be_linked_by(self, kind: str, within_s: float = 20.0) -> "AppPage":
        """Wait until the link says that it is of a kind: live, events, polling, offline, ended."""
        expect(self.link).to_have_attribute("data-link", kind, timeout=within_s * 1000)
        return self

    def seen(self) -> list[dict[str, Any]]:
        """Return all that the headline has shown since the page was loaded: status, text, when."""
        noted: list[dict[str, Any]] = self.page.evaluate("window.__seen")
        return noted

    def history(self) -> list[str]:
        """Return every status that the headline has shown since the page was loaded, in order."""
        statuses = [str(one["status"]) for one in self.seen() if one["status"] is not None]
        return [status for at, status in enumerate(statuses) if at == 0 or statuses[at - 1] != status]

    def showed_at(self, status: str) -> float:
        """Return when the headline first showed a status, in seconds since 1970."""
        return float(next(one["at"] for one in self.seen() if one["status"] == status))

    def faults(self) -> list[str]:
        """Return the errors of the page's scripts, and what its content security policy has forbidden."""
        forbidden: list[str] = (
            [] if self.page.is_closed() else self.page.evaluate("window.__violations ?? []")
        )
        return [*self.errors, *forbidden]

    def assert_never_went_back(self) -> None:
        """Fail if a status of a lower rank ever followed a higher one, or the headline ever vanished."""
        shown = [one["status"] for one in self.seen()]
        first = next((at for at, status in enumerate(shown) if status is not None), len(shown))
        assert None not in shown[first:], f"the headline flickered: {shown}"
        ranks = [RANK.get(status, 1) for status in shown[first:]]
        assert ranks == sorted(ranks), f"a status went back: {shown}"

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than its screen."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def assert_accessible(self, *, ignore: Sequence[str] = ()) -> None:
        """Fail with what axe finds against WCAG 2.2 AA."""
        self.page.evaluate(AXE.read_text("utf-8"))  # not a script tag: the page's own policy forbids those
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        found: dict[str, Any] = self.page.evaluate(
            "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", tags
        )
        faults = [
            {"rule": one["id"], "nodes": [node["html"][:160] for node in one["nodes"][:3]]}
            for one in found["violations"]
            if one["id"] not in ignore
        ]
        assert [] == faults, json.dumps(faults, indent=1)

    def hide(self) -> None:
        """Make the page believe that nobody looks."""
        self._visibility("hidden")

    def show(self) -> None:
        """Make the page believe that someone looks again."""
        self._visibility("visible")

    def _visibility(self, state: str) -> None:
        self.page.evaluate(
            """state => {
                Object.defineProperty(document, 'visibilityState', {value: state, configurable: true});
                document.dispatchEvent(new Event('visibilitychange'));
            }""",
            state,
        )
