"""What events and reports add up to."""

from collections.abc import Callable

import msgspec

from lastword.child.inside.tracker import MAX_TASKS, Tracker, instant, shorten
from lastword.child.inside.voice import Line, Voice
from lastword.child.protocol import Progressed
from lastword.contracts.events import Progress


class Listening(Voice):
    """Keeps what was said, and writes nothing."""

    def __init__(self) -> None:
        super().__init__(-1, 0.0)
        self.lines: list[Line] = []

    def say(self, text: str) -> None:
        """Keep a line."""
        self.lines.append({"says": "said", "text": text})

    def tell(self, message: Line) -> None:
        """Keep a message."""
        self.lines.append(message)

    def tell_latest(self, make: Callable[[], Line]) -> None:
        """Keep what is made, each time."""
        self.lines.append(make())

    @property
    def progress(self) -> Progress:
        """The latest, as the executor reads it."""
        told = [line for line in self.lines if line["says"] == "progressed"]
        return msgspec.convert(told[-1], Progressed).progress


def tracking() -> tuple[Tracker, Listening]:
    """Return a tracker and what it says."""
    voice = Listening()
    return Tracker(voice), voice


def test_a_report_sets_the_counts() -> None:
    """Whole numbers, none below zero."""
    tracker, voice = tracking()
    tracker.report(2.9, 10, "counting")
    assert Progress(done=2, total=10, label="counting") == voice.progress
    tracker.report(-1, None, None)
    assert Progress(done=0, total=None, label="counting") == voice.progress


def test_a_crew_s_tasks_are_counted_and_dated() -> None:
    """Several crews add up; one finished out of order is still the right one."""
    tracker, voice = tracking()
    tracker.expect_tasks(2)
    tracker.begin_task("a", "first")
    tracker.begin_task("b", "second")
    tracker.finish_task("a")
    tracker.expect_tasks(1)
    progress = voice.progress
    assert (1, 3, "second") == (progress.done, progress.total, progress.label)
    assert [True, False] == [task.finished_at is not None for task in progress.tasks]


def test_inside_a_crew_a_report_words_what_is_done() -> None:
    """The counts stay the tasks', and go back to the task's label when the tool has ended."""
    tracker, voice = tracking()
    tracker.expect_tasks(2)
    tracker.begin_task("a", "Gather")
    tracker.report(3, 9, "reading")
    assert (0, 2, "Gather: reading (3 of 9)") == (
        voice.progress.done,
        voice.progress.total,
        voice.progress.label,
    )
    tracker.report(4, None, None)
    assert "Gather (4)" == voice.progress.label
    tracker.settle()
    assert "Gather" == voice.progress.label


def test_steps_of_a_flow_count_while_nothing_else_does() -> None:
    """A crew's tasks or the work's own counts go first."""
    tracker, voice = tracking()
    tracker.begin_task("a", "begin")
    tracker.finish_task("a", is_step=True)
    assert (1, None) == (voice.progress.done, voice.progress.total)
    tracker.report(5, 10, None)
    tracker.finish_task("b", is_step=True)
    assert (5, 10) == (voice.progress.done, voice.progress.total)


def test_usage_is_summed_by_call() -> None:
    """A total that a provider left out is made up."""
    tracker, _ = tracking()
    tracker.add_usage(10, 5, 15)
    tracker.add_usage(1, 2, 0)
    expected = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "calls": 2}
    assert expected == tracker.ending()["usage"]


def test_a_warning_is_kept_once() -> None:
    """It is said as well, so that it stands in the log where it happened."""
    tracker, voice = tracking()
    tracker.warn("tool x failed")
    tracker.warn("tool x failed")
    assert ["tool x failed"] == tracker.ending()["warnings"]
    assert 1 == len(voice.lines)


def test_waiting_is_told_when_it_changes() -> None:
    """Once for each change."""
    tracker, voice = tracking()
    for what in ("an answer", "an answer", None, None):
        tracker.wait_for(what)
    assert ["an answer", None] == [line["waiting_for"] for line in voice.lines]


def test_tasks_are_bounded() -> None:
    """A flow that loops for days does not grow its messages."""
    tracker, voice = tracking()
    for number in range(MAX_TASKS + 10):
        tracker.begin_task(str(number), f"task {number}")
        tracker.finish_task(str(number))
    assert MAX_TASKS == len(voice.progress.tasks)
    assert MAX_TASKS + 10 == voice.progress.done


def test_a_work_that_told_nothing_has_no_progress() -> None:
    """Rather than one of zeros."""
    tracker, _ = tracking()
    assert {"warnings": []} == tracker.ending()


def test_labels_are_one_short_line() -> None:
    """The first of several, with plain spaces, cut where it is too long."""
    assert "one two" == shorten("  one\t two \n three")
    assert "abcd…" == shorten("abcdefgh", 5)


def test_an_instant_is_written_to_the_microsecond() -> None:
    """In UTC, also where rounding carries over."""
    assert "1970-01-01T00:00:01.500000Z" == instant(1.5)
    assert "1970-01-01T00:00:02.000000Z" == instant(1.9999999)
