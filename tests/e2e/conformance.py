"""Play every ending over every link and print what came of it: `make conformance`.

The printed page is `docs/reference/conformance.md`. A cell that fails is printed as such, and makes the
command fail.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.e2e.browser import AppPage
from tests.e2e.conftest import CHROMIUM
from tests.e2e.matrix import FLAGS, LINKS, SCENARIOS, Flag, Link, Played, Scenario, play
from tests.e2e.proxy import Proxy
from tests.e2e.stage import NAMES, Stage

__all__ = ["main"]

TABS: Final = 2
"""Tabs of each cell, each with a workflow of its own; all end at the same moment."""

OPENING: Final = """\
# Conformance of the browser app

Written by `make conformance`. A real browser looks at real workflows of a whole running system through a
proxy that misbehaves (`tests/e2e/proxy.py`). Each cell is {tabs} tabs, each with a workflow of its own. It
passes if every tab shows the true end and comes to rest, and none ever showed a step back or an empty moment,
by the log of a MutationObserver on the status.

In a cell stand p50 and max of the time from the end of the process until the page says so (or from the end of
the trouble where that outlives the process, marked ¹), and how many requests a tab made for the status of its
workflow, from its opening to its rest: questions over HTTP, WebSockets and server-sent events, tries
included.

The system beats every 0.5 s and pings every 2 s, where 3 s and 15 s are the defaults; with those, a killed
executor takes as long, a connection that goes silent is noticed after 37 s instead of 5 s.
"""


def main(target: Path | None = None) -> int:
    """Play all cells, print the page and write it to `target`; return 1 if a cell failed."""
    rows: list[str] = []
    failed = 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        system = Stage(Path(folder) / "system")
        try:
            system.start().await_definitions(*NAMES)
            edges: dict[Flag, str] = {
                flag: system.second_edge(**settings) if settings else system.url
                for flag, settings in FLAGS.items()
            }
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(CHROMIUM))
            for link in LINKS.values():
                cells: list[str] = []
                for scenario in SCENARIOS.values():
                    told = _play(browser, system, edges[link.flag], scenario, link)
                    failed += told is None
                    cells.append(_cell(told))
                    print(f"{link.name}: {scenario.name}: {cells[-1]}", file=sys.stderr, flush=True)
                rows.append(f"| {link.name}{'¹' if link.heal_it else ''} | {' | '.join(cells)} |")
            browser.close()
        finally:
            system.destroy()
    page = "\n".join(
        [
            OPENING.format(tabs=TABS),
            f"| link | {' | '.join(SCENARIOS)} |",
            "|---" * (len(SCENARIOS) + 1) + "|",
            *rows,
            "",
        ]
    )
    print(page)
    if target is not None:
        target.write_text(page, "utf-8")
    return 1 if failed else 0


def _play(browser: Browser, system: Stage, url: str, scenario: Scenario, link: Link) -> Played | None:
    contexts: list[BrowserContext] = []

    def open_tab(served: Any) -> AppPage:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800}))
        return AppPage(contexts[-1].new_page(), served.url)

    tab: Callable[..., AppPage] = open_tab
    try:
        with Proxy(url) as proxy:
            return play(system, proxy, tab, scenario, link, TABS)
    except Exception as error:  # noqa: BLE001  one cell must not hide the others
        print(f"{link.name}: {scenario.name}: {error}", file=sys.stderr, flush=True)
        return None
    finally:
        for context in contexts:
            context.close()


def _cell(told: Played | None) -> str:
    if told is None:
        return "**failed**"
    middle, longest = statistics.median(told.delays_s), max(told.delays_s)
    requests = [asked + opened for asked, opened in zip(told.asked, told.opened, strict=True)]
    return f"{middle:.2f} / {longest:.2f} s, {statistics.median(requests):.0f}"


if __name__ == "__main__":
    sys.exit(main(*[Path(one) for one in sys.argv[1:2]]))
