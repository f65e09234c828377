"""Take the pictures of the documentation: `make screenshots`.

They show the real system at work, so they change with it and need no other upkeep than being taken again.
"""

import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.browser import AppPage
from tests.e2e.conftest import CHROMIUM
from tests.e2e.stage import ACTS
from tests.integration.system.harness import System

__all__ = ["main"]

TARGET: Final = Path(__file__).parents[2] / "docs" / "images"
SCREENS: Final = {"": {"width": 1440, "height": 900}, "-narrow": {"width": 390, "height": 844}}
WORK: Final[Mapping[str, tuple[str, str, Mapping[str, Any]]]] = {
    "digest": ("support-digest", "Support digest, 20 November", {"tickets": 4}),
    "brief": ("market-brief", "Heat pumps in Italy: market brief", {"topic": "Heat pumps in Italy"}),
    "refused": ("contract-review", "Contract review: Sable GmbH", {"contract": "sable-2026.pdf"}),
    "killed": ("invoice-triage", "Invoice triage, batch 88", {"batch": 88}),
    "calls": ("support-digest", "Support digest, 21 November", {"tickets": 6}),
    "scan": ("market-brief", "Competitor scan, week 47", {"topic": "Competitors", "each_s": 60.0}),
    "leads": ("lead-enrichment", "Lead enrichment, batch 13", {"leads": 9}),
}
ENDLESS: Final = ("scan", "leads")


def _nothing(app: AppPage) -> None:
    del app


def _open_start(app: AppPage) -> None:
    """Open the form of the definition with the most to fill in."""
    app.page.keyboard.press("c")
    dialog = app.page.get_by_role("dialog")
    dialog.get_by_role("button", name="market-brief").click()
    dialog.get_by_role("textbox", name="Topic").fill("Heat pumps in Italy")


def _lose_the_server(app: AppPage) -> None:
    app.page.context.set_offline(True)
    app.page.evaluate("dispatchEvent(new Event('offline'))")
    app.should_be_linked_by("offline", within_s=60)


def _await_doubt(app: AppPage) -> None:
    expect(app.headline).to_contain_text("in doubt", timeout=30_000)


@dataclass(frozen=True)
class _Picture:
    name: str
    path: str
    """With the keys of `WORK` in braces."""
    prepare: Callable[[AppPage], None] = _nothing
    silent: bool = False
    """Whether the executor is stopped in its tracks from here on."""


PICTURES: Final = (
    _Picture("workflows", "workflows"),
    _Picture("running", "workflows/{leads}"),
    _Picture("failed", "workflows/{killed}"),
    _Picture("success", "workflows/{brief}"),
    _Picture("logs", "workflows/{brief}?tab=logs"),
    _Picture("start", "workflows", _open_start),
    _Picture("operations", "operations"),
    _Picture("definitions", "definitions"),
    _Picture("offline", "workflows/{scan}", _lose_the_server),
    _Picture("doubt", "workflows/{scan}", _await_doubt, silent=True),
)


def main() -> None:
    """Start the system, give it work, and take every picture."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ACTS, folder, dirs_exist_ok=True)
        environ = {
            "LASTWORD_EXECUTOR__NAME": "atlas",
            "LASTWORD_EXECUTOR__HEARTBEAT_INTERVAL_S": "3",
            "LASTWORD_AUDITOR__HEARTBEAT_TIMEOUT_S": "300",  # time enough to look at doubt from four sides
            "OPENAI_API_KEY": "unused",  # the scenes ask no model, so no page need warn of the built-in one
        }
        system = System(Path(folder), config="screens.toml", **environ)
        try:
            system.start().await_definitions(*{definition for definition, _, _ in WORK.values()})
            _shoot(system, {key: _start(system, key, *work) for key, work in WORK.items()})
        finally:
            system.destroy()


def _start(system: System, key: str, definition: str, title: str, inputs: Mapping[str, Any]) -> str:
    body = {"definition": definition, "title": title, "inputs": dict(inputs), "started_by": "Dana"}
    workflow: str = httpx.post(f"{system.url}/workflows", json=body, timeout=10.0).json()["id"]
    if key in ENDLESS:
        system.await_status(workflow, "running")
    else:
        system.await_end(workflow)
    return workflow


def _shoot(system: System, workflows: Mapping[str, str]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(CHROMIUM))
        for picture in PICTURES:
            if picture.silent:
                system.kill("executor", signal.SIGSTOP)
            for screen, size in SCREENS.items():
                for scheme in ("light", "dark"):
                    name = f"{picture.name}{screen}-{scheme}"
                    _take(browser, system, picture, picture.path.format(**workflows), name, scheme, size)
        browser.close()


def _take(
    browser: Browser,
    system: System,
    picture: _Picture,
    path: str,
    name: str,
    scheme: Any,
    viewport: Any,  # a TypedDict of Playwright's
) -> None:
    context = browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    app = AppPage(context.new_page(), system.url).open(path)
    expect(app.page.get_by_role("heading").locator("visible=true").first).to_be_visible()
    app.page.wait_for_load_state("networkidle")
    app.page.wait_for_timeout(1_500)  # the heading of the link settles, and charts have their data
    picture.prepare(app)
    app.page.wait_for_timeout(300)
    app.page.screenshot(path=TARGET / f"{name}.png")
    context.close()


if __name__ == "__main__":
    main()
