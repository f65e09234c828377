"""One running system for all tests that only watch; a browser that is Debian's chromium."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.e2e.browser import AppPage
from tests.integration.system.harness import System

CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("add", "steps", "raises", "dies")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Name the browser that is there: nothing is downloaded."""
    return {**browser_type_launch_args, "executable_path": "/usr/bin/chromium", "args": list(CHROMIUM)}


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Give a system that tests watch and do not break."""
    system = System(tmp_path_factory.mktemp("e2e"))
    try:
        yield system.start().await_definitions(*NAMES)
    finally:
        system.destroy()


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """Give a system of the test's own, not started."""
    own = System(tmp_path)
    try:
        yield own
    finally:
        own.destroy()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[..., AppPage]]:
    """Open tabs, each of a browser of its own; a page that raised an error fails the test."""
    contexts: list[BrowserContext] = []
    pages: list[AppPage] = []

    def open_tab(system: System, **options: Any) -> AppPage:
        chosen: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, **options}
        context = browser.new_context(**chosen)
        contexts.append(context)
        page = AppPage(context.new_page(), system.url)
        pages.append(page)
        return page

    yield open_tab
    errors = [error for page in pages for error in page.errors]
    for context in contexts:
        context.close()
    assert [] == errors
