"""The table of a campaign: faults and how workflows ended under them, with detection times."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from tests.chaos.checker import detections, ends_by_workflow, touching
from tests.chaos.history import History

__all__ = ["render", "row", "seconds"]

NONE: Final = "none"
OUTCOMES: Final = ("success", "failed", "lost", "cancelled")
HEAD: Final = ("fault", "struck", "workflows", *OUTCOMES, "told after, p50", "p99", "max")


def render(history: History) -> str:
    """Return the table as Markdown; a workflow under several faults stands in the row of each."""
    struck = Counter(fault.kind for fault in history.faults)
    lived_by = {lived.workflow: lived for lived in history.lived}
    times = detections(history)
    outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    delays: defaultdict[str, list[float]] = defaultdict(list)
    for workflow, end in ends_by_workflow(history).items():
        outcome = "lost" if end.code in {"executor_lost", "heartbeat_timeout"} else end.status
        for kind in touching(history, end, lived_by.get(workflow)) or {NONE}:
            outcomes[kind][outcome] += 1
            if workflow in times:
                delays[kind].append(times[workflow])
    lines = [row(HEAD), row(["---"] * len(HEAD))]
    for kind in [NONE, *sorted(struck)]:
        counts = outcomes[kind]
        lines.append(
            row(
                [
                    kind,
                    struck[kind] or "",
                    counts.total(),
                    *(counts[outcome] for outcome in OUTCOMES),
                    *(seconds(share, delays[kind]) for share in (0.5, 0.99, 1.0)),
                ]
            )
        )
    return "\n".join(lines)


def row(cells: Iterable[object]) -> str:
    """Return a row of a table in Markdown."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def seconds(share: float, values: Sequence[float]) -> str:
    """Return the value that a share of them do not exceed, or nothing where there is none."""
    if not values:
        return ""
    ordered = sorted(values)
    return f"{ordered[min(len(ordered) - 1, int(share * len(ordered)))]:.3f} s"
