"""The pages: for everybody, on every screen, with whatever input, and never anything but this server."""

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.browser import AppPage
from tests.integration.system.harness import System

Tab = Callable[..., AppPage]
SCHEMES = ["light", "dark"]
SCREENS = [(1440, 900), (900, 900), (390, 844), (360, 740)]
TOKEN = "correct-horse-battery-staple"  # noqa: S105  of this test alone
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)> שלום 🚀"


@pytest.fixture(scope="module")
def ended(shared: System) -> dict[str, str]:
    """Give one workflow of each kind of end."""
    found = {
        "success": shared.begin("steps", count=4, each_s=0.01),
        "failed": shared.begin("raises", message=HOSTILE),
        "killed": shared.begin("dies", how="kill"),
    }
    for workflow in found.values():
        shared.await_end(workflow)
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_page_passes_axe(shared: System, tab: Tab, ended: dict[str, str], scheme: str) -> None:
    """WCAG 2.2 AA and axe's best practices, in both themes."""
    app = tab(shared, color_scheme=scheme)
    app.open("workflows").should_be_linked_by("live")
    expect(app.rows.first).to_be_visible()
    app.assert_accessible()
    for kind in ("success", "killed"):
        app.open_workflow(ended[kind]).should_be_linked_by("ended")
        app.assert_accessible()
    app.open("operations")
    expect(app.page.get_by_role("heading", name="Executors")).to_be_visible()
    app.assert_accessible()
    app.open("definitions")
    expect(app.page.get_by_role("heading", name="add", exact=True)).to_be_visible()
    app.assert_accessible()


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_no_page_scrolls_sideways(
    shared: System, tab: Tab, ended: dict[str, str], width: int, height: int
) -> None:
    """Down to 360 pixels everything is within the screen."""
    app = tab(shared, viewport={"width": width, "height": height})
    for path in ("workflows", f"workflows/{ended['killed']}", "operations", "definitions"):
        app.open(path)
        app.page.wait_for_load_state("networkidle")
        overflow = app.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, path


def test_the_browser_talks_to_no_other_host(shared: System, tab: Tab, ended: dict[str, str]) -> None:
    """Fonts, icons, scripts: everything comes from the server itself."""
    app = tab(shared).open("workflows")
    app.open_workflow(ended["success"]).should_be_linked_by("ended")
    app.open("operations").should_be_linked_by("live")
    assert {shared.url.removeprefix("http://")} == app.traffic.hosts


def test_script_in_any_text_is_inert(shared: System, tab: Tab, ended: dict[str, str]) -> None:
    """An error message with markup in it is shown, letter by letter."""
    app = tab(shared).open_workflow(ended["failed"]).should_say("failed")
    expect(app.page.locator("[data-error-message]")).to_contain_text(
        "<script>document.title='owned'</script>"
    )
    assert "owned" != app.page.title()


def test_an_unknown_workflow_is_named_whole(shared: System, tab: Tab) -> None:
    """A deep link that leads nowhere says so, with the id to copy."""
    app = tab(shared).open_workflow("steps-nowhere1")
    expect(app.page.get_by_role("heading", name="There is no such workflow here")).to_be_visible()
    expect(app.page.get_by_role("button", name="Copy steps-nowhere1")).to_be_visible()


def test_filters_are_links(shared: System, tab: Tab, ended: dict[str, str]) -> None:
    """A filter changes the address, and the address alone brings it back."""
    app = tab(shared).open("workflows").should_be_linked_by("live")
    app.page.locator('[data-chip="failed"]').click()
    expect(app.row(ended["killed"])).to_be_visible()
    expect(app.row(ended["success"])).to_have_count(0)
    assert app.page.url.endswith("?status=failed")
    again = tab(shared).open("workflows?status=failed")
    expect(again.row(ended["killed"])).to_be_visible()
    expect(again.row(ended["success"])).to_have_count(0)


def test_a_workflow_is_started_by_keyboard_alone(shared: System, tab: Tab) -> None:
    """From the list to a running workflow without a mouse: wrong input is named, right input starts it."""
    app = tab(shared).open("workflows").should_be_linked_by("live")
    keys = app.page.keyboard
    keys.press("c")
    box = app.page.get_by_role("textbox", name="A ", exact=False).first
    expect(box).to_be_focused()
    keys.type("many")
    keys.press("Control+Enter")
    expect(app.page.get_by_text("Enter a number.")).to_be_visible()
    expect(box).to_be_focused()
    keys.press("Control+a")
    keys.type("40")
    keys.press("Control+Enter")
    app.should_say("success")
    expect(app.page).to_have_url(re.compile("/ui/workflows/add-"))


def test_a_list_is_worked_by_keyboard_alone(shared: System, tab: Tab, ended: dict[str, str]) -> None:
    """J moves, x selects, Escape clears, Enter opens, Ctrl K finds."""
    app = tab(shared).open("workflows").should_be_linked_by("live")
    expect(app.row(ended["killed"])).to_be_visible()
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


def test_the_log_is_there_to_its_last_line(shared: System, tab: Tab, ended: dict[str, str]) -> None:
    """What the process wrote is shown, found and dated."""
    app = tab(shared).open_workflow(ended["success"], tab="logs")
    log = app.page.get_by_role("log")
    expect(log.get_by_text("step 3", exact=True)).to_be_visible()
    app.page.get_by_role("searchbox", name="Filter the lines").fill("step 2")
    expect(log.get_by_text("step 3", exact=True)).to_have_count(0)
    expect(log.locator("mark").first).to_have_text("step 2")


def test_a_server_that_wants_a_token_gets_one(system: System, tab: Tab) -> None:
    """401 leads to the login, and the login back to the same address."""
    system.environ["LASTWORD_HTTP__TOKEN"] = TOKEN
    system.start()
    app = tab(system).open("operations")
    box = app.page.get_by_label("Token")
    expect(box).to_be_focused()
    box.fill("wrong")
    box.press("Enter")
    expect(app.page.get_by_text("That token is not known here.")).to_be_visible()
    box.fill(TOKEN)
    box.press("Enter")
    expect(app.page.get_by_role("heading", name="Operations")).to_be_visible()
    app.should_be_linked_by("live")


def test_the_policy_allows_no_inline_script(shared: System) -> None:
    """The page is served under a policy that would stop any script that is not a file of its own."""
    answer = httpx.get(f"{shared.url}/ui/")
    policy = answer.headers["content-security-policy"]
    scripts = next((part for part in policy.split(";") if "script-src" in part), policy.split(";")[0])
    assert "'unsafe-inline'" not in scripts
    assert "<script>" not in answer.text
