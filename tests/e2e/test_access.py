"""The pages are for everybody: with a screen reader, without a mouse, on a small screen, from this host."""

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.browser import AppPage
from tests.e2e.stage import Stage

Tab = Callable[..., AppPage]
SCHEMES = ["light", "dark"]
SCREENS = [(1440, 900), (768, 1024), (360, 740)]
TABS = ["overview", "logs", "result", "inputs", "history"]


@pytest.fixture(scope="module")
def ended(shared: Stage) -> dict[str, str]:
    """Give one workflow of each kind of end."""
    found = {
        "success": shared.begin("steps", count=4, each_s=0.01),
        "failed": shared.begin("raises", message="it broke"),
        "killed": shared.begin("dies", how="kill"),
    }
    for workflow in found.values():
        shared.await_end(workflow)
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_page_passes_axe(shared: Stage, tab: Tab, ended: dict[str, str], scheme: str) -> None:
    """WCAG 2.2 AA and axe's best practices, in both themes, dialogs and empty states included."""
    running = shared.hold("quiet")
    app = tab(shared, color_scheme=scheme)
    page = app.page
    page.emulate_media(reduced_motion="reduce")  # a fade that is half done has half its contrast
    app.open("workflows").should_be_linked_by("live")
    expect(app.rows.first).to_be_visible()
    app.assert_accessible()
    page.keyboard.press("x")
    app.assert_accessible()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    app.assert_accessible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option").first).to_be_visible()
    app.assert_accessible()
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    expect(page.get_by_role("button", name="shapeless")).to_be_visible()
    app.assert_accessible()
    page.get_by_role("button", name="shapeless").click()
    expect(page.get_by_role("textbox", name="Inputs")).to_be_visible()
    app.assert_accessible()
    app.open("workflows?q=nothing-is-called-this").should_be_linked_by("live")
    expect(page.locator(".empty")).to_be_visible()
    app.assert_accessible()
    app.open_workflow(running).should_be_linked_by("live")
    app.assert_accessible()
    app.button("Cancel").click()
    expect(app.button("Keep it running")).to_be_focused()
    app.assert_accessible()
    for kind in ("success", "killed"):
        app.open_workflow(ended[kind]).should_be_linked_by("ended")
        app.assert_accessible()
    for name in ("logs", "inputs", "history"):
        app.open_workflow(ended["success"], tab=name).should_be_linked_by("ended")
        app.assert_accessible()
    app.open_workflow("steps-nowhere1")
    expect(page.get_by_role("heading", name="There is no such workflow here")).to_be_visible()
    app.assert_accessible()
    app.open("operations")
    expect(page.get_by_role("heading", name="Executors")).to_be_visible()
    app.assert_accessible()
    app.open("definitions")
    expect(page.get_by_role("heading", name="add", exact=True)).to_be_visible()
    app.assert_accessible()
    app.open("nowhere")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    app.assert_accessible()
    shared.let_go(running)


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_no_page_scrolls_sideways(
    shared: Stage, tab: Tab, ended: dict[str, str], width: int, height: int
) -> None:
    """Down to 360 pixels everything is within the screen, and everything can be reached."""
    app = tab(shared, viewport={"width": width, "height": height})
    paths = [f"workflows/{ended['killed']}", "workflows", "operations", "definitions", "nowhere"]
    paths += ["workflows?status=failed&definition=dies&error=abrupt_exit,exit_without_result"]
    paths += [f"workflows/{ended['success']}?tab={name}" for name in TABS]
    for path in paths:
        app.open(path)
        app.page.wait_for_load_state("networkidle")
        assert app.overflow() <= 0, path
    app.open("workflows").should_be_linked_by("live")
    for button in app.rows.first.get_by_role("button").locator("visible=true").all():
        box = button.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width  # a table may cut off what is wider than it
    app.page.get_by_role("button", name=re.compile("^Start")).locator("visible=true").first.click()
    expect(app.page.get_by_role("dialog").get_by_role("heading", name="Start")).to_be_visible()
    assert app.overflow() <= 0
    dialog = app.page.get_by_role("dialog").first.bounding_box()
    assert dialog is not None
    assert dialog["x"] >= 0
    assert dialog["x"] + dialog["width"] <= width


def test_the_browser_talks_to_no_other_host(shared: Stage, tab: Tab, ended: dict[str, str]) -> None:
    """Fonts, icons, scripts: everything comes from the server itself."""
    app = tab(shared).open("workflows")
    app.open_workflow(ended["success"]).should_be_linked_by("ended")
    app.open("definitions")
    app.open("operations").should_be_linked_by("live")
    assert {shared.url.removeprefix("http://")} == app.traffic.hosts


def test_the_policy_allows_no_inline_script(shared: Stage, tab: Tab) -> None:
    """The page comes under a policy that stops any script that is not a file of its own, and does so."""
    served = httpx.get(f"{shared.url}/ui/")
    policy = served.headers["content-security-policy"]
    scripts = next((part for part in policy.split(";") if "script-src" in part), policy.split(";")[0])
    assert "'unsafe-inline'" not in scripts
    assert "'unsafe-eval'" not in scripts
    assert "<script>" not in served.text
    app = tab(shared).open("workflows").should_be_linked_by("live")
    app.page.evaluate(
        """const script = document.createElement('script');
        script.textContent = "document.title = 'owned'";
        document.head.append(script);"""
    )
    assert "owned" != app.page.title()
    app.page.wait_for_function("window.__violations.length > 0")
    assert ["script-src-elem inline"] == app.faults()
    app.page.evaluate("window.__violations.length = 0")  # that one was meant


def test_a_workflow_is_started_found_and_cancelled_by_keyboard_alone(shared: Stage, tab: Tab) -> None:
    """From the list to a cancelled workflow without a mouse; wrong input is named, right input starts it."""
    app = tab(shared).open("workflows").should_be_linked_by("live")
    page, keys = app.page, app.page.keyboard
    keys.press("c")
    box = page.get_by_role("textbox", name="A ", exact=False).first
    expect(box).to_be_focused()
    keys.type("many")
    keys.press("Control+Enter")
    expect(page.get_by_text("Enter a number.")).to_be_visible()
    expect(box).to_be_focused()
    keys.press("Control+a")
    keys.type("40")
    keys.press("Control+Enter")
    app.should_say("success")
    expect(page).to_have_url(re.compile("/ui/workflows/add-"))

    workflow = shared.hold("quiet")
    keys.press("Control+k")
    expect(page.get_by_role("combobox", name="Search, or run a command")).to_be_focused()
    keys.type(workflow)
    expect(page.get_by_role("option", name=workflow)).to_be_visible()
    keys.press("Enter")
    expect(page).to_have_url(re.compile(f"/ui/workflows/{workflow}"))
    app.should_say("running")
    _tab_to(app, "Cancel")
    keys.press("Enter")
    expect(app.button("Keep it running")).to_be_focused()
    _tab_to(app, "Cancel workflow")
    keys.press("Enter")
    app.should_say("cancelled")


def _tab_to(app: AppPage, name: str) -> None:
    """Press Tab until the button has the focus, as somebody does who cannot point."""
    wanted = app.button(name)
    for _ in range(40):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        app.page.keyboard.press("Tab")
    raise AssertionError(f"Tab never came to {name}")


def test_a_list_is_worked_by_keyboard_alone(shared: Stage, tab: Tab, ended: dict[str, str]) -> None:
    """J moves, x selects, Escape clears, Enter opens, Ctrl K finds."""
    app = tab(shared).open("workflows").should_be_linked_by("live")
    expect(app.rows.first).to_be_visible()
    keys = app.page.keyboard
    keys.press("j")
    keys.press("x")
    expect(app.page.get_by_text("1 selected")).to_be_visible()
    keys.press("Escape")
    expect(app.page.get_by_text("1 selected")).to_have_count(0)
    keys.press("Enter")
    expect(app.headline).to_be_visible()
    keys.press("Control+k")
    expect(app.page.get_by_role("combobox", name="Search, or run a command")).to_be_focused()
    keys.type("operations")
    expect(app.page.get_by_role("option", name="Go to operations")).to_be_visible()
    keys.press("Enter")
    expect(app.page.get_by_role("heading", name="Operations")).to_be_visible()


def test_filters_are_links(shared: Stage, tab: Tab, ended: dict[str, str]) -> None:
    """A filter changes the address, and the address alone brings it back."""
    app = tab(shared).open("workflows").should_be_linked_by("live")
    app.page.locator('[data-chip="failed"]').click()
    expect(app.row(ended["killed"])).to_be_visible()
    expect(app.row(ended["success"])).to_have_count(0)
    assert app.page.url.endswith("?status=failed")
    again = tab(shared).open("workflows?status=failed")
    expect(again.row(ended["killed"])).to_be_visible()
    expect(again.row(ended["success"])).to_have_count(0)


def test_a_count_of_failures_leads_to_them(shared: Stage, tab: Tab, ended: dict[str, str]) -> None:
    """From a cause on the operations page to what failed so, and to nothing else."""
    app = tab(shared).open("operations")
    app.page.get_by_role("link", name="abrupt_exit").click()
    expect(app.row(ended["killed"])).to_be_visible()
    expect(app.row(ended["failed"])).to_have_count(0)
    app.page.locator("[data-definition]").click()
    app.page.get_by_role("menuitem", name="raises").click()
    expect(app.page.get_by_role("heading", name="No failed workflows of raises")).to_be_visible()
    app.button("Show all causes, not only abrupt_exit").click()
    expect(app.row(ended["failed"])).to_be_visible()
    expect(app.row(ended["killed"])).to_have_count(0)


def test_the_log_is_there_to_its_last_line(shared: Stage, tab: Tab, ended: dict[str, str]) -> None:
    """What the process wrote is shown, found and dated."""
    app = tab(shared).open_workflow(ended["success"], tab="logs")
    log = app.page.get_by_role("log")
    expect(log.get_by_text("step 3", exact=True)).to_be_visible()
    app.page.get_by_role("searchbox", name="Filter the lines").fill("step 2")
    expect(log.get_by_text("step 3", exact=True)).to_have_count(0)
    expect(log.locator("mark").first).to_have_text("step 2")
