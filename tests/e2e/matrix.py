"""The promise, cell by cell: whatever ends a workflow, over whatever link, the page shows that end, and soon.

A *scenario* says how the process ends; a *link* says what lies between the page and the server and what
becomes of it in the middle of the run. `test_matrix.py` holds the cells that a build can afford, and
`conformance.py` runs all of them and prints the table of the documentation.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from playwright.sync_api import expect

from tests.e2e.browser import AppPage
from tests.e2e.proxy import EVERYTHING, GOOD, STREAMS, Kind, Manners, Proxy
from tests.e2e.stage import NAMES, Stage

__all__ = ["FLAGS", "LINKS", "SCENARIOS", "Cell", "Flag", "Link", "Played", "Scenario", "play"]

Flag = Literal["all on", "ws off", "streams off"]
FLAGS: Final[Mapping[Flag, Mapping[str, str]]] = {
    "all on": {},
    "ws off": {"WS": "false"},
    "streams off": {"WS": "false", "SSE": "false"},
}
"""Settings of an edge that offers less."""
Trouble = Callable[["Cell"], None]


@dataclass(frozen=True)
class Cell:
    """What a trouble may lay hands on."""

    system: Stage
    proxy: Proxy
    apps: Sequence[AppPage]
    workflows: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One way in which a run ends."""

    name: str
    end: Callable[[Stage, Sequence[str]], float]
    """Ends the processes; returns when."""
    status: str
    """What the page must say then."""
    reload: bool = False
    """Whether the page is loaded anew in the middle of the run."""
    code: re.Pattern[str] | None = None
    """What the error's code is, for one that fails."""


def _nothing(cell: Cell) -> None:
    del cell


@dataclass(frozen=True, kw_only=True)
class Link:
    """What is between a page and the truth."""

    name: str
    flag: Flag = "all on"
    """What the server offers, and says that it does."""
    manners: Manners = GOOD
    """Of the proxy, from before the page is opened."""
    kind: str | None = None
    """What the page must say that its link is, before anything goes wrong."""
    break_it: Trouble = _nothing
    """What goes wrong between the start and the end of the run."""
    heal_it: Trouble | None = None
    """What ends the trouble after the run has ended; the time counts from here."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of a cell, one entry for each tab."""

    delays_s: tuple[float, ...]
    """From the end of the process, or of the trouble, until the page said so."""
    asked: tuple[int, ...]
    """Questions for the workflow over HTTP, from opening the page to the end."""
    opened: tuple[int, ...]
    """Streams of the workflow's status that were tried, WebSockets and server-sent events together."""


def play(
    system: Stage, proxy: Proxy, tab: Callable[..., AppPage], scenario: Scenario, link: Link, tabs: int = 1
) -> Played:
    """Play one cell to its end; fail where a page is wrong, goes back, flickers or does not come to rest."""
    proxy.behave(link.manners)
    workflows = [system.hold() for _ in range(tabs)]
    apps = [tab(proxy) for _ in workflows]
    cell = Cell(system, proxy, apps, workflows)
    for app, workflow in zip(apps, workflows, strict=True):
        app.page.set_default_timeout(40_000)
        app.open_workflow(workflow).should_say("running", within_s=40)
        if link.kind is not None:
            app.should_be_linked_by(link.kind, within_s=40)
    if scenario.reload:
        for app in apps:
            app.page.reload()
            app.should_say("running", within_s=40)
    link.break_it(cell)
    since = scenario.end(system, workflows)
    if link.heal_it is not None:
        system.await_ends(workflows)
        since = time.time()
        link.heal_it(cell)
    for app in apps:
        app.should_say(scenario.status, within_s=45).should_be_linked_by("ended")
        app.assert_never_went_back()
        if scenario.code is not None:
            expect(app.page.locator(".code").first).to_have_text(scenario.code)
    proxy.behave()
    system.await_definitions(*NAMES)  # whatever was killed is back for the next
    return Played(
        delays_s=tuple(max(0.0, app.showed_at(scenario.status) - since) for app in apps),
        asked=tuple(
            app.traffic.count(rf"^GET /workflows/{workflow}$")
            for app, workflow in zip(apps, workflows, strict=True)
        ),
        opened=tuple(
            app.traffic.sockets + app.traffic.count(rf"^GET /events/workflows/{workflow}$")
            for app, workflow in zip(apps, workflows, strict=True)
        ),
    )


# How runs end

SCENARIOS: Final[Mapping[str, Scenario]] = {
    one.name: one
    for one in (
        Scenario(name="ends well", end=lambda system, them: system.let_go(*them), status="success"),
        Scenario(
            name="child kill -9",
            end=lambda system, them: system.kill_process(*them),
            status="failed",
            code=re.compile("^abrupt_exit$"),
        ),
        Scenario(
            name="executor kill -9",
            end=lambda system, _: system.kill_executor(),
            status="failed",
            code=re.compile("^(executor_lost|heartbeat_timeout)$"),
        ),
        Scenario(
            name="reload, then ends well",
            end=lambda system, them: system.let_go(*them),
            status="success",
            reload=True,
        ),
    )
}


# What goes wrong on the way


def _cut(cell: Cell) -> None:
    cell.proxy.cut()


def _await_falls(cell: Cell) -> None:
    """Wait until streams have been cut a few times."""
    most = 3 * len(cell.apps)
    cell.system.until(lambda: cell.proxy.count(*STREAMS) > most, "streams to be cut", 20.0)


def _go_silent(cell: Cell) -> None:
    cell.proxy.go_silent()


def _kill_edge(cell: Cell) -> None:
    cell.system.restart_edge()


def _hide(cell: Cell) -> None:
    for app in cell.apps:
        app.hide()


def _show(cell: Cell) -> None:
    for app in cell.apps:
        app.show()


def _go_offline(cell: Cell) -> None:
    """Offline for the browser, and for its sockets too, which its own switch leaves alone."""
    for app in cell.apps:
        app.page.context.set_offline(True)
    cell.proxy.go_silent()


def _go_online(cell: Cell) -> None:
    for app in cell.apps:
        app.page.context.set_offline(False)


def _lose_the_server(cell: Cell) -> None:
    cell.proxy.behave(Manners(refuses=EVERYTHING))
    cell.proxy.cut()
    for app in cell.apps:
        app.should_be_linked_by("offline")


def _find_the_server(cell: Cell) -> None:
    cell.proxy.behave()


LINKS: Final[Mapping[str, Link]] = {
    one.name: one
    for one in (
        Link(name="WebSocket", kind="live"),
        Link(name="WS off by flag", flag="ws off", kind="events"),
        Link(name="WS blocked", manners=Manners(refuses=frozenset({Kind.SOCKET})), kind="events"),
        Link(name="WS and SSE off by flag", flag="streams off", kind="polling"),
        Link(name="WS and SSE blocked", manners=Manners(refuses=STREAMS), kind="polling"),
        Link(name="buffering proxy", manners=Manners(buffers=True)),
        Link(name="half-open streams", manners=Manners(swallows=STREAMS)),
        Link(name="streams cut after 0.7 s", manners=Manners(cut_after_s=0.7), break_it=_await_falls),
        Link(name="all connections cut", kind="live", break_it=_cut),
        Link(name="all connections half-open", kind="live", break_it=_go_silent),
        Link(name="0.3 s delay each way", manners=Manners(delay_s=0.3)),
        Link(name="2 s delay, no streams", manners=Manners(delay_s=2.0, refuses=STREAMS)),
        Link(name="16 kB a second", manners=Manners(bytes_per_s=16_000), kind="live"),
        Link(name="edge kill -9", kind="live", break_it=_kill_edge),
        Link(name="hidden tab, WebSocket", kind="live", break_it=_hide),
        Link(
            name="hidden tab, polling, shown",
            manners=Manners(refuses=STREAMS),
            kind="polling",
            break_it=_hide,
            heal_it=_show,
        ),
        Link(name="offline, online", kind="live", break_it=_go_offline, heal_it=_go_online),
        Link(name="server away, back", kind="live", break_it=_lose_the_server, heal_it=_find_the_server),
    )
}
