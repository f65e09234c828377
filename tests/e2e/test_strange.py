"""Whatever a page is given, it has a state for it: hostile or huge text, a server that is away or newer."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.e2e.browser import AppPage
from tests.e2e.proxy import STREAMS, Kind, Manners, Proxy
from tests.e2e.stage import Stage

Tab = Callable[..., AppPage]
TOKEN = "correct-horse-battery-staple"  # noqa: S105  of this test alone
SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
MARKDOWN = (
    f"# {SCRIPT}\n\n[press](javascript:document.title='owned') ![x](//elsewhere.test/x.png)\n\n{SCRIPT}"
)
HEBREW = "שלום עולם 🚀👩‍👩‍👧‍👦"


def test_script_in_any_text_is_inert(shared: Stage, tab: Tab) -> None:
    """Title, inputs, progress, output, result and error: markup is shown letter by letter, or cleaned."""
    told = shared.begin("tells", text=MARKDOWN)
    failed = shared.begin("raises", message=SCRIPT)
    for workflow in (told, failed):
        shared.await_end(workflow)
    app = tab(shared)
    for name in ("overview", "logs", "result", "inputs"):
        app.open_workflow(told, tab=name).should_be_linked_by("ended")
        app.page.wait_for_load_state("networkidle")
        assert "owned" not in app.page.title()
        assert 0 == app.page.locator('main img, main script, main a[href^="javascript:"]').count(), name
    app.open_workflow(failed).should_say("failed")
    expect(app.page.locator("[data-error-message]")).to_contain_text(
        "<script>document.title='owned'</script>"
    )
    assert "owned" not in app.page.title()
    app.open("workflows").should_be_linked_by("live")
    expect(app.row(told)).to_be_visible()
    assert {shared.url.removeprefix("http://")} == app.traffic.hosts


@pytest.mark.parametrize("width", [1440, 360])
def test_right_to_left_text_and_emoji_keep_their_place(shared: Stage, tab: Tab, width: int) -> None:
    """Hebrew reads from the right within its own box, and pushes nothing else about."""
    body = {"definition": "tells", "title": HEBREW, "inputs": {"text": f"{HEBREW} " * 30}}
    workflow = str(shared.post_json("/workflows", body)["id"])
    shared.await_end(workflow)
    app = tab(shared, viewport={"width": width, "height": 800}).open_workflow(workflow)
    heading = app.page.get_by_role("heading", level=1)
    expect(heading).to_have_text(HEBREW)
    assert "rtl" == heading.evaluate("element => getComputedStyle(element).direction")
    assert "ltr" == app.page.evaluate("getComputedStyle(document.body).direction")
    for name in ("overview", "logs", "result", "inputs"):
        app.open_workflow(workflow, tab=name).should_be_linked_by("ended")
        app.page.wait_for_load_state("networkidle")
        assert app.overflow() <= 0, name
    app.open("workflows").should_be_linked_by("live")
    expect(app.row(workflow)).to_contain_text(HEBREW)
    assert app.overflow() <= 0


@pytest.mark.parametrize("width", [1440, 360])
def test_an_error_of_200_kilobytes_is_shown_within_bounds(shared: Stage, tab: Tab, width: int) -> None:
    """The page stays a page: it opens, scrolls no way but down, and what follows the error can be reached."""
    workflow = shared.begin("fails-at-length", text="no-space-in-it-" * 16, times=860)
    shared.await_end(workflow)
    app = tab(shared, viewport={"width": width, "height": 800}).open_workflow(workflow).should_say("failed")
    message = app.page.locator("[data-error-message]")
    expect(message).to_contain_text("no-space-in-it-")
    box = message.bounding_box()
    assert box is not None
    assert box["height"] < 1_600
    assert app.overflow() <= 0
    app.page.get_by_role("tab", name="History").click()
    expect(app.page.get_by_role("table")).to_be_visible()
    assert app.overflow() <= 0


def test_an_unknown_workflow_is_named_whole(shared: Stage, tab: Tab) -> None:
    """A deep link that leads nowhere says so, with the id to copy, and asks no more."""
    app = tab(shared).open_workflow("steps-nowhere1")
    expect(app.page.get_by_role("heading", name="There is no such workflow here")).to_be_visible()
    expect(app.page.get_by_role("button", name="Copy steps-nowhere1")).to_be_visible()


def test_a_server_that_wants_a_token_gets_one(shared: Stage, tab: Tab) -> None:
    """401 leads to the login, and the login back to the same address."""
    url = shared.second_edge(TOKEN=TOKEN)
    app = tab(shared)
    app.url = url
    app.open("operations")
    box = app.page.get_by_label("Token")
    expect(box).to_be_focused()
    app.assert_accessible()
    box.fill("wrong")
    box.press("Enter")
    expect(app.page.get_by_text("That token is not known here.")).to_be_visible()
    box.fill(TOKEN)
    box.press("Enter")
    expect(app.page.get_by_role("heading", name="Operations")).to_be_visible()
    app.should_be_linked_by("live")


def test_a_definition_that_no_form_can_draw_is_started_from_json(shared: Stage, tab: Tab) -> None:
    """An editor stands in for the form; what it holds is checked, and starts the work."""
    app = tab(shared).open("definitions")
    card = app.page.get_by_role("listitem").filter(
        has=app.page.get_by_role("heading", name="shapeless", exact=True)
    )
    card.get_by_role("button", name="Start").click()
    editor = app.page.get_by_role("textbox", name="Inputs")
    expect(editor).to_be_visible()
    editor.fill('{"points": [')
    app.page.keyboard.press("Control+Enter")
    expect(app.page.get_by_text("This is not JSON yet", exact=False)).to_be_visible()
    editor.fill('{"points": 7, "either": 1}')
    app.page.keyboard.press("Control+Enter")
    expect(app.page.locator("#inputs-json-help")).to_contain_text("points")
    editor.fill('{"points": [{"x": [1.5]}], "either": ["a"]}')
    app.page.keyboard.press("Control+Enter")
    app.should_say("success")


PAGES = [
    pytest.param("workflows", id="list"),
    pytest.param("workflows/{id}", id="workflow"),
    pytest.param("operations", id="operations"),
    pytest.param("definitions", id="definitions"),
]


@pytest.mark.parametrize("path", PAGES)
def test_a_server_that_is_down_at_load_is_said_to_be(
    shared: Stage, proxy: Proxy, tab: Tab, path: str
) -> None:
    """The app itself arrives and nothing else: the page says so, and is whole soon after."""
    workflow = shared.begin("add", a=1)
    shared.await_end(workflow)
    proxy.behave(Manners(refuses=STREAMS | {Kind.API}))
    app = tab(proxy).open(path.format(id=workflow))
    message = app.page.get_by_text(
        re.compile("Cannot reach the server|did not answer|cannot be shown|cannot be reached", re.IGNORECASE)
    )
    expect(message.first).to_be_visible(timeout=15_000)
    assert app.overflow() <= 0
    proxy.behave()
    if path == "definitions":
        app.button("Try now").click()
        expect(app.page.get_by_role("heading", name="add", exact=True)).to_be_visible()
    elif path == "operations":
        app.should_be_linked_by("live", within_s=40)
        expect(app.page.get_by_role("heading", name="Executors")).to_be_visible()
        expect(message).to_have_count(0)
    elif path == "workflows":
        app.should_be_linked_by("live", within_s=40)
        expect(app.row(workflow)).to_be_visible()
    else:
        app.should_say("success", within_s=40).should_be_linked_by("ended")


def test_an_old_app_lives_with_a_newer_server(shared: Stage, tab: Tab) -> None:
    """An unknown status is shown by its name and stays watched, unknown fields and frames do no harm."""
    workflow = shared.hold()
    app = tab(shared)
    _from_the_future(app.page)
    app.open_workflow(workflow).should_be_linked_by("live")
    expect(app.headline).to_have_attribute("data-status", "hibernating")
    expect(app.headline).to_contain_text("Hibernating")
    app.open("workflows").should_be_linked_by("live")
    expect(app.row(workflow)).to_have_attribute("data-status", "hibernating")
    expect(app.row(workflow)).to_contain_text("Hibernating")
    app.open_workflow(workflow).should_be_linked_by("live")
    shared.let_go(workflow)
    expect(app.headline).to_have_attribute("data-status", "archived")
    app.should_be_linked_by("ended")
    app.assert_never_went_back()


def _from_the_future(page: Page) -> None:
    """Speak to the page as a server does that is a few releases ahead."""

    def age(fields: dict[str, Any]) -> dict[str, Any]:
        if "isTerminal" in fields:
            fields["status"] = "archived" if fields["isTerminal"] else "hibernating"
            fields["budget"] = {"spent": 3, "of": [None, "ten"]}
        return fields

    def aged(text: str | bytes) -> str:
        return json.dumps(json.loads(text, object_hook=age))

    def answer(route: Route) -> None:
        fetched = route.fetch()
        is_json = fetched.headers.get("content-type", "").startswith("application/json")
        route.fulfill(response=fetched, body=aged(fetched.text()) if is_json else fetched.body())

    def pass_frames(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def forward(message: str | bytes) -> None:
            route.send(json.dumps({"type": "celebration", "confetti": True}))
            route.send(aged(message))

        server.on_message(forward)

    page.route(re.compile("/(workflows|summary|config)(\\?|/|$)"), answer)
    page.route("**/events/**", lambda route: route.abort())  # what is not aged would tell how it really is
    page.route_web_socket("**/ws/**", pass_frames)
