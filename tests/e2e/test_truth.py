"""What people see of a workflow is true, by every way that the truth can come."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.e2e.browser import AppPage
from tests.integration.system.harness import System

Tab = Callable[..., AppPage]


def _without_websocket(page: Page) -> None:
    def refuse(route: WebSocketRoute) -> None:
        route.close(code=1011)

    page.route_web_socket("**/ws/**", refuse)


def _without_streams(page: Page) -> None:
    _without_websocket(page)
    page.route("**/events/**", lambda route: route.abort())


def _as_it_is(page: Page) -> None:
    del page


RUNGS = [
    pytest.param(_as_it_is, "live", id="websocket"),
    pytest.param(_without_websocket, "events", id="events"),
    pytest.param(_without_streams, "polling", id="polling"),
]


@pytest.mark.parametrize(("cripple", "kind"), RUNGS)
def test_a_run_is_followed_to_its_end(
    shared: System, tab: Tab, cripple: Callable[[Page], None], kind: str
) -> None:
    """Running, then success, without a reload and without a step back, by each rung of the ladder."""
    app = tab(shared)
    cripple(app.page)
    workflow = shared.begin("steps", count=60, each_s=0.1)
    app.open_workflow(workflow).should_say("running").should_be_linked_by(kind)
    app.should_say("success").should_be_linked_by("ended")
    assert "running" in app.history()
    app.assert_never_went_back()


@pytest.mark.parametrize(("cripple", "kind"), RUNGS)
def test_a_process_that_dies_is_seen_to_have_failed(
    shared: System, tab: Tab, cripple: Callable[[Page], None], kind: str
) -> None:
    """A kill without a last word becomes `failed` with its signal."""
    app = tab(shared)
    cripple(app.page)
    workflow = shared.begin("dies", how="kill")
    app.open_workflow(workflow).should_say("failed")
    expect(app.page.get_by_text("Ended by signal 9", exact=False).first).to_be_visible()
    expect(app.page.get_by_text("abrupt_exit").first).to_be_visible()
    app.assert_never_went_back()
    assert kind in {"live", "events", "polling"}


def _half_open(page: Page) -> None:
    """Accept every socket, as a broken proxy does, and never say a word."""
    page.route_web_socket("**/ws/**", lambda _: None)


def _flapping(page: Page) -> None:
    """Let each socket say one thing, then cut it."""

    def cut(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def pass_one(message: str | bytes) -> None:
            route.send(message)
            route.close(code=1012)

        server.on_message(pass_one)

    page.route_web_socket("**/ws/**", cut)


@pytest.mark.parametrize("broken", [_half_open, _flapping])
def test_a_broken_proxy_delays_the_truth_by_seconds_at_most(
    shared: System, tab: Tab, broken: Callable[[Page], None]
) -> None:
    """However the sockets misbehave, the end is seen within a few seconds of it."""
    app = tab(shared)
    broken(app.page)
    workflow = shared.begin("steps", count=60, each_s=0.1)
    app.open_workflow(workflow).should_say("running", within_s=6)
    shared.await_end(workflow)
    app.should_say("success", within_s=5)
    app.assert_never_went_back()


def test_a_lost_executor_is_doubted_and_then_given_up(system: System, tab: Tab) -> None:
    """Nobody vouches for the process any more: a verdict ends it, and the page says which."""
    system.start().await_definitions("steps")
    workflow = system.begin("steps", count=1000, each_s=0.1)
    system.await_status(workflow, "running")
    app = tab(system).open_workflow(workflow).should_say("running")
    system.kill("executor")
    app.should_say("failed", within_s=30)
    expect(app.page.locator(".code").first).to_have_text(re.compile("^(executor_lost|heartbeat_timeout)$"))
    app.assert_never_went_back()


def test_a_reload_in_the_middle_goes_on_from_there(shared: System, tab: Tab) -> None:
    """After a reload the page shows where the run is now, and its end."""
    workflow = shared.begin("steps", count=50, each_s=0.1)
    app = tab(shared).open_workflow(workflow).should_say("running")
    app.page.reload()
    app.should_say("running").should_say("success")
    assert "pending" not in app.history()
    app.assert_never_went_back()


def test_nothing_is_asked_after_the_end(shared: System, tab: Tab) -> None:
    """A finished workflow costs no request and no socket, however long the page stays open."""
    app = tab(shared)
    _without_streams(app.page)
    workflow = shared.begin("steps", count=10, each_s=0.1)
    app.open_workflow(workflow).should_say("success").should_be_linked_by("ended")
    app.page.clock.install()
    app.page.wait_for_load_state("networkidle")
    before = app.traffic.count(rf"/workflows/{workflow}")
    app.page.clock.run_for(600_000)
    assert before == app.traffic.count(rf"/workflows/{workflow}")


def test_two_tabs_agree(shared: System, tab: Tab) -> None:
    """A cancel in one tab is seen in the other, and both end the same."""
    workflow = shared.begin("steps", count=1000, each_s=0.1)
    one = tab(shared).open_workflow(workflow).should_say("running")
    other = tab(shared).open_workflow(workflow).should_say("running")
    one.button("Cancel").click()
    expect(one.page.get_by_role("button", name="Keep it running")).to_be_focused()
    one.button("Cancel workflow").click()
    for app in (one, other):
        app.should_say("cancelled")
        app.assert_never_went_back()


def test_the_page_survives_a_restart_of_the_server(system: System, tab: Tab) -> None:
    """It says that it is offline, dates what it shows, and comes back by itself."""
    system.start().await_definitions("steps")
    workflow = system.begin("steps", count=5, each_s=0.1)
    system.await_end(workflow)
    app = tab(system).open("workflows").should_be_linked_by("live")
    system.stop()
    app.should_be_linked_by("offline")
    expect(app.page.get_by_role("alert").filter(has_text="Cannot reach the server")).to_be_visible()
    system.start()
    app.should_be_linked_by("live", within_s=60)
    expect(app.row(workflow)).to_have_attribute("data-status", "success")


def test_a_hidden_page_is_true_when_it_is_shown_again(shared: System, tab: Tab) -> None:
    """What happened while nobody looked is there at once."""
    app = tab(shared)
    _without_streams(app.page)
    workflow = shared.begin("steps", count=40, each_s=0.1)
    app.open_workflow(workflow).should_say("running").should_be_linked_by("polling")
    app.hide()
    shared.await_end(workflow)
    app.show()
    app.should_say("success", within_s=2)
    app.assert_never_went_back()


def test_the_list_is_live_on_one_connection(shared: System, tab: Tab) -> None:
    """Rows change in place, newcomers wait behind a pill, and there is one socket for all."""
    first = shared.begin("steps", count=60, each_s=0.1)
    shared.await_status(first, "running")
    app = tab(shared).open("workflows").should_be_linked_by("live")
    expect(app.row(first)).to_have_attribute("data-status", "running")
    before = app.rows.first.get_attribute("data-id")
    second = shared.begin("add", a=1)
    pill = app.page.get_by_role("button", name="1 new")
    expect(pill).to_be_visible()
    assert before == app.rows.first.get_attribute("data-id")
    pill.click()
    expect(app.rows.first).to_have_attribute("data-id", second)
    expect(app.row(first)).to_have_attribute("data-status", "success", timeout=20_000)
    assert 1 == app.traffic.sockets
