"""The documentation as people open it: from a folder, without a network or a server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.e2e.browser import AXE
from tools.site.__main__ import build

PAGES: Final = ("index.html", "explanation/statuses.html", "comparison.html")
WCAG: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
LOCAL: Final = ("file:", "blob:", "data:")
SLOWEST_MS: Final = 30_000.0


class Reader:
    """A page of a browser, and what went wrong in it: errors, and whatever it fetched from elsewhere."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.set_default_timeout(SLOWEST_MS)
        page.on("request", self._note_request)
        page.on("console", self._note_error)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith(LOCAL):
            self.complaints.append(request.url)

    def _note_error(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a site that was just built."""
    folder = tmp_path_factory.mktemp("docs")
    assert [] == build(folder)
    return folder / "site"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Give a page that must fetch nothing from elsewhere and have nothing to complain of."""
    reader = Reader(browser.new_page())
    yield reader.page
    reader.page.close()
    assert [] == reader.complaints


@pytest.mark.timeout(180)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_kind_of_page_passes_axe(site: Path, page: Page, scheme: Literal["light", "dark"]) -> None:
    """WCAG 2.2 AA in both themes, code, tables and diagrams included; nothing is cut off at 360 pixels."""
    page.emulate_media(color_scheme=scheme)
    for name in PAGES:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto((site / name).as_uri())
        page.add_script_tag(path=AXE)
        rules = {"runOnly": {"type": "tag", "values": list(WCAG)}, "preload": False}  # it would fetch styles
        found = page.evaluate("rules => axe.run(document, rules)", rules)
        told = [(fault["id"], [one["html"][:160] for one in fault["nodes"]]) for fault in found["violations"]]
        assert [] == told, name
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name


def test_diagrams_are_drawn(site: Path, page: Page) -> None:
    """By the script beside the page; what is not drawn stays a block of code."""
    page.goto((site / "explanation/statuses.html").as_uri())
    expect(page.locator("div.mermaid")).to_have_count(1, timeout=SLOWEST_MS)
    drawn = page.locator("div.mermaid").bounding_box()
    assert drawn is not None
    assert drawn["height"] > 100


def test_search_finds_a_page_without_a_server(site: Path, page: Page) -> None:
    """And its result leads there."""
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").press_sequentially("idempotency key")
    page.locator("a:visible").filter(has_text="An idempotency key names the workflow's id").first.click()
    expect(page).to_have_title("2. An idempotency key names the workflow's id - lastword", timeout=SLOWEST_MS)
