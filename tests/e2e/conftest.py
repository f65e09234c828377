"""One running system for all tests that only watch; a browser that is Debian's chromium."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.e2e.browser import AppPage
from tests.e2e.matrix import FLAGS, Flag
from tests.e2e.proxy import Proxy
from tests.e2e.stage import NAMES, Stage
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


class Served(Protocol):
    """Whatever has the app under its address: a system, or a proxy before one."""

    @property
    def url(self) -> str:
        """Where it is."""
        ...


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Name the browser that is there: nothing is downloaded."""
    return {**browser_type_launch_args, "executable_path": "/usr/bin/chromium", "args": list(CHROMIUM)}


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give a system that tests leave as they found it: what they kill of it comes back."""
    system = Stage(tmp_path_factory.mktemp("e2e"))
    try:
        system.start().await_definitions(*NAMES)
        yield system
    finally:
        system.destroy()


@pytest.fixture(scope="session")
def edges(shared: Stage) -> Callable[[Flag], str]:
    """Give the address of an edge of the shared system with flags turned off; each is started once."""
    known: dict[Flag, str] = {"all on": shared.url}

    def address(flag: Flag) -> str:
        if flag not in known:
            known[flag] = shared.second_edge(**FLAGS[flag])
        return known[flag]

    return address


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """Give a system of the test's own, not started."""
    own = System(tmp_path)
    try:
        yield own
    finally:
        own.destroy()


@pytest.fixture
def proxy(shared: Stage) -> Iterator[Proxy]:
    """Give a proxy before the shared system, well-behaved until it is told otherwise."""
    with Proxy(shared.url) as running:
        yield running


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[..., AppPage]]:
    """Open tabs, each of a browser of its own; a page's error, or what its policy forbids, fails the test."""
    contexts: list[BrowserContext] = []
    pages: list[AppPage] = []

    def open_tab(served: Served, **options: Any) -> AppPage:
        chosen: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, **options}
        context = browser.new_context(**chosen)
        contexts.append(context)
        page = AppPage(context.new_page(), served.url)
        pages.append(page)
        return page

    yield open_tab
    faults = [fault for page in pages for fault in page.faults()]
    for context in contexts:
        context.close()
    assert [] == faults
