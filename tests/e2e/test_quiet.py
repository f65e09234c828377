"""What an open page costs the server: one stream, no question beside it, and nothing at all after the end."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.browser import AppPage
from tests.e2e.proxy import STREAMS, Kind, Manners, Proxy, answer
from tests.e2e.stage import Stage

Tab = Callable[..., AppPage]
POLL_MS = 500
"""The interval of the shared system."""

RUNGS = [
    pytest.param(Manners(), "live", id="websocket"),
    pytest.param(Manners(refuses=frozenset({Kind.SOCKET})), "events", id="events"),
    pytest.param(Manners(refuses=STREAMS), "polling", id="polling"),
]


def test_a_page_with_a_socket_asks_nothing(shared: Stage, proxy: Proxy, tab: Tab) -> None:
    """For many polling intervals not one question is asked, and there is one stream besides the log's."""
    workflow = shared.hold("quiet")
    app = tab(proxy).open_workflow(workflow).should_say("running").should_be_linked_by("live")
    app.page.wait_for_load_state("networkidle")
    before = proxy.count(Kind.API)
    app.page.wait_for_timeout(6 * POLL_MS)
    assert before == proxy.count(Kind.API)
    assert [Kind.EVENTS, Kind.SOCKET] == sorted(proxy.streams)
    assert 1 == proxy.count(Kind.EVENTS, path=f"/events/workflows/{workflow}/logs")
    shared.let_go(workflow)
    app.should_say("success")


def test_polling_is_conditional(shared: Stage, proxy: Proxy, tab: Tab) -> None:
    """While nothing changes, each question is answered with a 304 and no body, beats or not."""
    proxy.behave(Manners(refuses=STREAMS))
    workflow = shared.hold("quiet")
    app = tab(proxy).open_workflow(workflow).should_say("running").should_be_linked_by("polling")

    def told(status: int) -> int:
        return sum(one.path == f"/workflows/{workflow}" and status == one.status for one in list(proxy.asked))

    whole = told(200)
    shared.until(lambda: told(304) >= 5, "five answers that nothing changed", 20.0)
    assert whole == told(200)
    shared.let_go(workflow)
    app.should_say("success")
    assert whole + 1 == told(200)


@pytest.mark.parametrize(("manners", "kind"), RUNGS)
def test_nothing_at_all_is_asked_after_the_end(
    shared: Stage, proxy: Proxy, tab: Tab, manners: Manners, kind: str
) -> None:
    """No stream stays open and no request follows: not in ten minutes, nor when someone looks again."""
    proxy.behave(manners)
    workflow = shared.hold()
    app = tab(proxy)
    app.page.clock.install()
    app.open_workflow(workflow).should_say("running").should_be_linked_by(kind)
    shared.let_go(workflow)
    app.should_say("success").should_be_linked_by("ended")
    app.page.wait_for_load_state("networkidle")
    shared.until(lambda: not proxy.streams, "all streams to be closed", 10.0)
    before = len(proxy.asked)
    app.page.clock.run_for(600_000)
    app.hide()
    app.show()
    app.page.evaluate("for (const name of ['focus', 'online']) window.dispatchEvent(new Event(name))")
    app.page.clock.run_for(60_000)
    app.page.wait_for_timeout(2 * POLL_MS)
    assert [] == proxy.asked[before:]
    assert [] == proxy.streams


def test_moving_between_pages_leaves_one_connection(shared: Stage, proxy: Proxy, tab: Tab) -> None:
    """List, workflow, list, operations: each takes its own link along when it goes."""
    workflow = shared.hold("quiet")
    app = tab(proxy).open("workflows").should_be_linked_by("live")
    for _ in range(2):
        app.row(workflow).get_by_role("link").first.click()
        app.should_say("running").should_be_linked_by("live")
        app.page.go_back()
        expect(app.row(workflow)).to_be_visible()
    app.page.get_by_role("link", name="Operations").first.click()
    app.should_be_linked_by("live")
    shared.until(lambda: proxy.streams == [Kind.SOCKET], "one stream to be left", 10.0)
    shared.let_go(workflow)


def test_a_server_that_asks_for_time_gets_it(shared: Stage, proxy: Proxy, tab: Tab) -> None:
    """503 with Retry-After: nothing about the workflow is asked before that, and then the page comes back."""
    workflow = shared.hold("quiet")
    app = tab(proxy).open_workflow(workflow).should_say("running").should_be_linked_by("live")
    problem = '{"status": 503, "code": "unavailable", "title": "No leader"}'
    busy = answer(503, problem, "application/problem+json", Retry_After="3")

    def refused() -> list[float]:
        return [
            one.at for one in list(proxy.asked) if one.path == f"/workflows/{workflow}" and one.status == 503
        ]

    proxy.behave(Manners(refuses=STREAMS, answers={Kind.API: busy}))
    proxy.cut()
    app.should_be_linked_by("offline")
    expect(app.page.get_by_role("alert").filter(has_text="The server cannot tell")).to_be_visible()
    shared.until(lambda: len(refused()) >= 2, "the next question", 20.0)
    first, second = refused()[:2]
    proxy.behave()
    app.should_be_linked_by("live", within_s=30)
    shared.let_go(workflow)
    app.should_say("success")
    app.assert_never_went_back()
    assert second - first >= 2.9
