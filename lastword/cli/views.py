"""What a person or a program sees while a workflow is watched: a live screen, plain lines, or JSON lines."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from lastword.cli.page import ending, headline, task_lines
from lastword.cli.session import Session
from lastword.cli.watching import LinkLost, Regained, Seen, Sighting
from lastword.cli.words import clock, sign_of
from lastword.contracts.views import Workflow
from lastword.telemetry.inert import inert, shortened

__all__ = ["JsonLines", "LiveScreen", "PlainLines", "View", "view_for"]

MAX_TASKS = 12
"""Lines of tasks on a live screen; the latest are shown."""


class View(Protocol):
    """Shows what a watch sees."""

    def show(self, sighting: Sighting) -> None:
        """Show one sighting."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was, with the last word on it."""
        ...


def view_for(session: Session, now: Callable[[], datetime]) -> View:
    """Return the view that fits the reader: a program, a terminal, or a file."""
    if session.as_json:
        return JsonLines(session)
    return LiveScreen(session, now) if session.out.is_terminal else PlainLines(session, now)


class JsonLines:
    """One line per change, the workflow as the server wrote it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def show(self, sighting: Sighting) -> None:
        """Write a workflow; a program that reads lines has no use for news of the link."""
        if isinstance(sighting, Seen):
            self._session.document(sighting.raw)

    def close(self) -> None:
        """Do nothing."""


class PlainLines:
    """One line per change, for files, pipes and screen readers: nothing moves, nothing is coloured."""

    def __init__(self, session: Session, now: Callable[[], datetime]) -> None:
        self._session = session
        self._now = now
        self._last = ""

    def show(self, sighting: Sighting) -> None:
        """Write a line, unless it says what the line before said."""
        now = self._now()
        if isinstance(sighting, LinkLost):
            self._line(f"connection lost ({sighting.reason}); true as of {clock(sighting.since, now)}")
        elif isinstance(sighting, Regained):
            self._line("connected again")
        else:
            self._line(_in_words(sighting.workflow))
            if sighting.workflow.is_terminal:
                for text in ending(sighting.workflow):
                    self._session.out.print(text)

    def close(self) -> None:
        """Do nothing."""

    def _line(self, words: str) -> None:
        if words != self._last:
            self._last = words
            self._session.out.print(Text(f"{self._now().astimezone():%H:%M:%S}  {inert(words)}"))


class LiveScreen:
    """A few lines that stay in place: status and clock, the crew's tasks, a bar, and how the link is."""

    def __init__(self, session: Session, now: Callable[[], datetime]) -> None:
        self._session = session
        self._now = now
        self._workflow: Workflow | None = None
        self._ahead = timedelta(0)
        self._lost: LinkLost | None = None
        self._spinner = Spinner("dots", style="blue")
        self._live = Live(
            console=session.out, get_renderable=self.screen, refresh_per_second=8, transient=True
        )

    def show(self, sighting: Sighting) -> None:
        """Bring the screen up to date."""
        if isinstance(sighting, LinkLost):
            self._lost = sighting
        elif isinstance(sighting, Regained):
            self._lost = None
        else:
            self._learn_clock(sighting)
            self._workflow = sighting.workflow
        if not self._live.is_started:
            self._live.start()
        self._live.refresh()

    def close(self) -> None:
        """Take the screen away and print what stands, so that it stays in the terminal's history."""
        if self._live.is_started:
            self._live.stop()
        workflow = self._workflow
        if workflow is None:
            return
        now = self._now() + self._ahead
        self._session.out.print(headline(workflow, now))
        for text in task_lines(workflow, now) + ending(workflow):
            self._session.out.print(text)

    def screen(self) -> RenderableType:
        """Return what the terminal shows now."""
        workflow = self._workflow
        if workflow is None:
            return Text("")
        now = self._now() + self._ahead
        parts: list[RenderableType] = [headline(workflow, now)]
        if workflow.progress is not None and not workflow.is_terminal:
            parts += task_lines(workflow, now)[-MAX_TASKS:]
            parts.append(self._bar(workflow))
        if workflow.waiting_for:
            parts.append(Text(f"  waiting for: {inert(workflow.waiting_for)}", "magenta"))
        if workflow.heartbeat == "stale":
            since = clock(workflow.last_heartbeat_at, now)
            parts.append(Text(f"  no heartbeat since {since}; the executor is being asked", "yellow"))
        if self._lost is not None:
            since = clock(self._lost.since, self._now())
            parts.append(
                Text(f"  cannot reach the server ({inert(self._lost.reason)}); true as of {since}", "yellow")
            )
        return Group(*parts)

    def _bar(self, workflow: Workflow) -> RenderableType:
        progress = workflow.progress
        if progress is None:
            return Text("")
        row = Table.grid(padding=(0, 1))
        cells: list[RenderableType] = [Text(" "), self._spinner]
        if progress.total:
            cells.append(
                ProgressBar(total=progress.total, completed=min(progress.done, progress.total), width=32)
            )
            cells.append(Text(f"{progress.done}/{progress.total}"))
        else:
            cells.append(Text(f"{progress.done} done" if progress.done else "at work"))
        cells.append(Text(shortened(inert(progress.label or ""), 60), "dim"))
        row.add_row(*cells)
        return row

    def _learn_clock(self, seen: Seen) -> None:
        """Take the server's clock to be where it says that something happened just now.

        Only a change that came while we watched is fresh enough to tell; before one, our own clock serves.
        """
        if seen.previous is not None and seen.workflow.position > seen.previous.position:
            self._ahead = seen.workflow.updated_at - self._now()


def _in_words(workflow: Workflow) -> str:
    """Say a workflow's status and progress in one line."""
    words = [f"{workflow.id}  {sign_of(workflow).label}"]
    progress = workflow.progress
    if workflow.error is not None:
        words.append(f"({workflow.error.code})")
    elif progress is not None and not workflow.is_terminal:
        if progress.total:
            words.append(f"{progress.done}/{progress.total}")
        if progress.label:
            words.append(progress.label)
    if workflow.waiting_for and not workflow.is_terminal:
        words.append(f"waiting for: {workflow.waiting_for}")
    return shortened("  ".join(words), 400)
