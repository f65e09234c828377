"""However a run ends and whatever lies between, the page shows its end, once and soon.

These cells are the ones that differ most; `make conformance` plays all of them, with several tabs each.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.browser import AppPage
from tests.e2e.matrix import LINKS, SCENARIOS, Flag, play
from tests.e2e.proxy import Proxy
from tests.e2e.stage import Stage

CELLS = [
    ("ends well", "WebSocket"),
    ("ends well", "WS off by flag"),
    ("ends well", "WS and SSE off by flag"),
    ("ends well", "WS and SSE blocked"),
    ("ends well", "buffering proxy"),
    ("ends well", "all connections half-open"),
    ("ends well", "0.3 s delay each way"),
    ("ends well", "edge kill -9"),
    ("ends well", "hidden tab, polling, shown"),
    ("ends well", "offline, online"),
    ("ends well", "server away, back"),
    ("child kill -9", "WebSocket"),
    ("child kill -9", "WS blocked"),
    ("child kill -9", "WS and SSE blocked"),
    ("child kill -9", "all connections cut"),
    ("child kill -9", "hidden tab, WebSocket"),
    ("child kill -9", "streams cut after 0.7 s"),
    ("reload, then ends well", "WebSocket"),
    ("reload, then ends well", "half-open streams"),
    ("reload, then ends well", "16 kB a second"),
    ("executor kill -9", "WebSocket"),
    ("executor kill -9", "WS and SSE off by flag"),
]


@pytest.fixture
def through(edges: Callable[[Flag], str]) -> Iterator[Callable[[Flag], Proxy]]:
    """Give proxies before edges of any flags."""
    opened: list[Proxy] = []

    def before(flag: Flag) -> Proxy:
        opened.append(Proxy(edges(flag)).__enter__())
        return opened[-1]

    yield before
    for one in opened:
        one.__exit__(None, None, None)


@pytest.mark.parametrize(("scenario", "link"), CELLS)
def test_the_page_shows_the_end(
    shared: Stage,
    through: Callable[[Flag], Proxy],
    tab: Callable[..., AppPage],
    scenario: str,
    link: str,
) -> None:
    """Its status, its reason, no step back, no flicker, and then rest; within seconds."""
    chosen = LINKS[link]
    played = play(shared, through(chosen.flag), tab, SCENARIOS[scenario], chosen)
    assert max(played.delays_s) < 15
    if chosen.flag == "streams off":
        assert (0,) == played.opened
