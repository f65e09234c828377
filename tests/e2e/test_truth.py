"""What people see is true in ways that concern more than one page, or more than one workflow.

How one page follows one workflow, over every link, is `test_matrix.py`'s.
"""

import re
import signal
from collections.abc import Callable

from playwright.sync_api import expect

from tests.e2e.browser import AppPage
from tests.e2e.proxy import EVERYTHING, STREAMS, Kind, Manners, Proxy
from tests.e2e.stage import NAMES, Stage

Tab = Callable[..., AppPage]


def test_two_tabs_agree(shared: Stage, proxy: Proxy, tab: Tab) -> None:
    """A cancel in one tab is seen in the other, over another rung, and both end the same."""
    workflow = shared.hold()
    one = tab(shared).open_workflow(workflow).should_say("running")
    proxy.behave(Manners(refuses=STREAMS))
    other = tab(proxy).open_workflow(workflow).should_say("running")
    one.button("Cancel").click()
    expect(one.page.get_by_role("button", name="Keep it running")).to_be_focused()
    one.button("Cancel workflow").click()
    for app in (one, other):
        app.should_say("cancelled")
        app.assert_never_went_back()


def test_a_list_survives_a_server_that_goes_away(shared: Stage, proxy: Proxy, tab: Tab) -> None:
    """It says that it is offline, dates what it shows, comes back by itself and knows what happened."""
    workflow = shared.hold()
    app = tab(proxy).open("workflows").should_be_linked_by("live")
    expect(app.row(workflow)).to_have_attribute("data-status", "running")
    proxy.behave(Manners(refuses=EVERYTHING))
    proxy.cut()
    app.should_be_linked_by("offline")
    expect(app.page.get_by_role("alert").filter(has_text="Cannot reach the server")).to_be_visible()
    shared.let_go(workflow)
    shared.await_end(workflow)
    proxy.behave()
    app.should_be_linked_by("live", within_s=30)
    expect(app.row(workflow)).to_have_attribute("data-status", "success")


def test_a_silent_executor_is_doubted_before_it_is_given_up(shared: Stage, tab: Tab) -> None:
    """Its beats stop: the page says that it is in doubt, as of when, and then what the verdict is."""
    workflow = shared.hold()
    app = tab(shared).open_workflow(workflow).should_say("running")
    listed = tab(shared).open("workflows").should_be_linked_by("live")
    expect(listed.row(workflow)).to_contain_text("beating")
    shared.kill("executor", signal.SIGSTOP)
    try:
        expect(app.page.get_by_role("status").filter(has_text="No heartbeat for")).to_be_visible(
            timeout=20_000
        )
        expect(app.headline).to_contain_text("in doubt")
        expect(listed.row(workflow)).to_contain_text("Running, in doubt")
        app.should_say("failed")
    finally:
        shared.kill("executor", signal.SIGCONT)
    app.assert_never_went_back()
    expect(app.page.locator(".code").first).to_have_text(re.compile("^(executor_lost|heartbeat_timeout)$"))
    shared.await_definitions(*NAMES)


def test_the_list_is_as_true_over_every_rung(shared: Stage, proxy: Proxy, tab: Tab) -> None:
    """Over events and by polling, too, rows change in place and newcomers wait behind a pill."""
    for manners, kind in (
        (Manners(refuses=frozenset({Kind.SOCKET})), "events"),
        (Manners(refuses=STREAMS), "polling"),
    ):
        proxy.behave(manners)
        workflow = shared.hold()
        app = tab(proxy).open("workflows").should_be_linked_by(kind)
        expect(app.row(workflow)).to_have_attribute("data-status", "running")
        another = shared.begin("add", a=1)
        expect(app.page.get_by_role("button", name="1 new")).to_be_visible()
        expect(app.row(another)).to_have_count(0)
        shared.let_go(workflow)
        expect(app.row(workflow)).to_have_attribute("data-status", "success")


def test_the_list_is_live_on_one_connection(shared: Stage, tab: Tab) -> None:
    """Rows change in place, newcomers wait behind a pill, and there is one socket for all."""
    first = shared.hold()
    app = tab(shared).open("workflows").should_be_linked_by("live")
    expect(app.row(first)).to_have_attribute("data-status", "running")
    before = app.rows.first.get_attribute("data-id")
    second = shared.begin("add", a=1)
    pill = app.page.get_by_role("button", name="1 new")
    expect(pill).to_be_visible()
    assert before == app.rows.first.get_attribute("data-id")
    pill.click()
    expect(app.rows.first).to_have_attribute("data-id", second)
    shared.let_go(first)
    expect(app.row(first)).to_have_attribute("data-status", "success")
    assert 1 == app.traffic.sockets
