"""What a terminal shows while a workflow is watched."""

import io
from datetime import timedelta
from pathlib import Path

import msgspec
from rich.console import Console

from lastword.cli.session import Session
from lastword.cli.views import JsonLines, LiveScreen, PlainLines, view_for
from lastword.cli.watching import LinkLost, Regained, Seen
from lastword.contracts.statuses import Status
from lastword.contracts.views import Workflow
from tests.samples import second
from tests.unit.cli.fake_edge import ID, workflow

NOW = second(30)


def session(*, terminal: bool, as_json: bool = False) -> Session:
    """Return a session whose output is recorded."""
    made = Session(environ={}, folder=Path("/nowhere"), as_json=as_json)
    made.out = Console(
        file=io.StringIO(),
        force_terminal=terminal,
        width=100,
        color_system="standard",
        markup=False,
        emoji=False,
    )
    return made


def seen(shown: Workflow, previous: Workflow | None = None) -> Seen:
    """Return a sighting."""
    return Seen(shown, previous, msgspec.json.encode(shown))


def screen(view: LiveScreen) -> str:
    """Return what the screen shows, as plain text."""
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as capture:
        console.print(view.screen())
    return capture.get()


def live() -> LiveScreen:
    """Return a live screen at a fixed time."""
    return LiveScreen(session(terminal=True), lambda: NOW)


def test_the_view_fits_the_reader() -> None:
    """A program, a terminal, a file."""
    assert isinstance(view_for(session(terminal=True), lambda: NOW), LiveScreen)
    assert isinstance(view_for(session(terminal=False), lambda: NOW), PlainLines)
    assert isinstance(view_for(session(terminal=True, as_json=True), lambda: NOW), JsonLines)


def test_the_screen_shows_tasks_bar_and_clock() -> None:
    """Finished tasks with what they took, the present one, and how many there are."""
    view = live()
    view.show(seen(workflow(Status.RUNNING, done=1)))
    shown = screen(view)
    view.close()
    assert f"{ID}  ● running" in shown
    assert "✓ task 0  1.0 s" in shown
    assert "● task 1" in shown
    assert "1/3" in shown


def test_a_lost_link_and_a_missing_heartbeat_are_said() -> None:
    """Each until it is over."""
    view = live()
    view.show(seen(workflow(Status.RUNNING, done=1, heartbeat="stale")))
    view.show(LinkLost("reset", NOW))
    shown = screen(view)
    assert "running, in doubt" in shown
    assert "no heartbeat since" in shown
    assert "cannot reach the server (reset); true as of" in shown
    assert "≥" in shown
    view.show(Regained())
    view.show(seen(workflow(Status.RUNNING, done=1)))
    shown = screen(view)
    view.close()
    assert "cannot reach" not in shown
    assert "no heartbeat" not in shown


def test_what_a_person_is_asked_is_shown() -> None:
    """Or nobody would answer."""
    view = live()
    view.show(seen(workflow(Status.RUNNING, done=1, waiting_for="approve the budget")))
    shown = screen(view)
    view.close()
    assert "waiting for: approve the budget" in shown


def test_the_end_stays_in_the_terminals_history() -> None:
    """Tasks, status and result, after the screen has gone."""
    made = session(terminal=True)
    view = LiveScreen(made, lambda: NOW)
    view.show(seen(workflow(Status.RUNNING, done=1)))
    view.show(seen(workflow(Status.SUCCESS)))
    view.close()
    stream = made.out.file
    assert isinstance(stream, io.StringIO)
    assert "Tides turn." in stream.getvalue()


def test_the_servers_clock_is_learnt_from_a_change_that_just_came() -> None:
    """So that a host whose clock is an hour off shows no hour too much."""
    hour = timedelta(hours=1)
    running = workflow(Status.RUNNING)
    view = LiveScreen(session(terminal=True), lambda: running.updated_at - hour)
    view.show(seen(workflow(Status.PENDING)))
    view.show(seen(running, workflow(Status.PENDING)))
    shown = screen(view)
    view.close()
    assert "running  0 ms" in shown


def test_closing_before_anything_was_seen_writes_nothing() -> None:
    """As where the first reading fails."""
    made = session(terminal=True)
    LiveScreen(made, lambda: NOW).close()
    stream = made.out.file
    assert isinstance(stream, io.StringIO)
    assert "" == stream.getvalue()
