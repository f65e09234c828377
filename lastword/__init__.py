"""lastword runs CrewAI workflows and keeps what people see of them true.

Importing this costs next to nothing: it is what a workflow's own code imports to report its progress.
"""

from collections.abc import Callable

__all__ = ["__version__", "listen", "progress"]

__version__ = "0.1.0"

Report = Callable[[float, float | None, str | None], None]
_report: Report | None = None


def progress(done: float, total: float | None = None, label: str | None = None) -> None:
    """Tell how far the running workflow got: `done` of `total`, and what is being done now.

    Call it as often as you like, from any thread: what comes faster than people can follow is left out,
    the latest is always shown.  Counts are cut to whole, non-negative numbers.  Inside a crew, whose tasks
    are counted anyway, it words what is being done.  Outside of a workflow it does nothing.
    """
    if _report is not None:
        _report(done, total, label)


def listen(report: Report | None) -> None:
    """Let `report` hear what `progress` is told: called by what runs a workflow, and by tests of its code."""
    global _report  # noqa: PLW0603  one process runs one workflow
    _report = report
