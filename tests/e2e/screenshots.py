"""Take the pictures of the documentation: `python -m tests.e2e.screenshots`.

They show the real system at work, so they change with it and need no other upkeep than being taken again.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.browser import AppPage
from tests.e2e.conftest import CHROMIUM
from tests.integration.system.harness import System

__all__ = ["main"]

TARGET: Final = Path(__file__).parents[2] / "docs" / "images"
WIDE: Final = {"width": 1440, "height": 900}
NARROW: Final = {"width": 390, "height": 844}
WORK: Final[tuple[tuple[str, str, Mapping[str, Any]], ...]] = (
    ("steps", "Support digest, 20 November", {"count": 4, "each_s": 0.4}),
    ("steps", "Heat pumps in Italy: market brief", {"count": 6, "each_s": 0.3}),
    (
        "raises",
        "Contract review: Sable GmbH",
        {"message": "clause 9 names a party that clause 2 does not define"},
    ),
    ("dies", "Invoice triage, batch 88", {"how": "kill"}),
    ("steps", "Earnings call notes: Halden", {"count": 3, "each_s": 0.5}),
    ("steps", "Competitor scan, week 47", {"count": 5, "each_s": 60.0}),
    ("steps", "Lead enrichment, batch 13", {"count": 9, "each_s": 20.0}),
)


def main() -> None:
    """Start the system, give it work, and take every picture."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        system = System(Path(folder))
        try:
            system.start().await_definitions("steps", "raises", "dies")
            _shoot(system, [_start(system, *one) for one in WORK])
        finally:
            system.destroy()


def _start(system: System, definition: str, title: str, inputs: Mapping[str, Any]) -> str:
    body = {"definition": definition, "title": title, "inputs": dict(inputs), "started_by": "Dana"}
    workflow: str = httpx.post(f"{system.url}/workflows", json=body, timeout=10.0).json()["id"]
    if inputs.get("each_s", 0) < 5:
        system.await_end(workflow)
    else:
        system.await_status(workflow, "running")
    return workflow


def _shoot(system: System, workflows: list[str]) -> None:
    pages = {
        "workflows": "workflows",
        "running": f"workflows/{workflows[-1]}",
        "failed": f"workflows/{workflows[3]}",
        "operations": "operations",
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(CHROMIUM))
        for name, path in pages.items():
            for scheme in ("light", "dark"):
                _take(browser, system, path, f"{name}-{scheme}", scheme, WIDE)
            _take(browser, system, path, f"{name}-narrow", "light", NARROW)
        browser.close()


def _take(
    browser: Browser, system: System, path: str, name: str, scheme: Any, viewport: Mapping[str, int]
) -> None:
    size: Any = dict(viewport)  # a TypedDict of Playwright's
    context = browser.new_context(viewport=size, color_scheme=scheme)
    app = AppPage(context.new_page(), system.url).open(path)
    app.link.wait_for()
    app.page.wait_for_timeout(1_500)  # the heading of the link settles, and charts have their data
    app.page.screenshot(path=TARGET / f"{name}.png")
    context.close()


if __name__ == "__main__":
    main()
