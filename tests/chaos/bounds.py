"""How soon what DESIGN section 4 sets a bound to is told: where nothing else happens, and amid other faults.

A time runs from the process's end, or where an executor is cut off from the moment of that, to when the first
client was told.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from lastword.contracts.statuses import ErrorCode, Status
from tests.chaos.checker import detections, ends_by_workflow, first_told, touching
from tests.chaos.history import Faulted, History, Lived, Recorded
from tests.chaos.table import row, seconds

__all__ = ["render_bounds"]

QUIET_S: Final = 6.0
"""Where another fault ended so shortly before, its consequences last: servers elect, processes start."""
RETURNS: Final = "child raises or returns"
DIES: Final = "child is killed, segfaults, `os._exit`"
KILLED: Final = "executor is killed"
VANISHED: Final = "executor's host vanishes"
CUT_OFF: Final = "executor is cut off"
BOUNDS: Final = {
    RETURNS: "milliseconds",
    DIES: "0.050 s",
    KILLED: "3 s",
    VANISHED: "18 s",
    CUT_OFF: "18 s",
}
OWN: Final[Mapping[str, frozenset[str]]] = {
    RETURNS: frozenset(),
    DIES: frozenset({"kill child"}),
    KILLED: frozenset({"kill executor"}),
    VANISHED: frozenset({"vanish executor"}),
    CUT_OFF: frozenset({"cut executor", "freeze executor", "unplug executor"}),
}
"""The faults that are no others."""
HEAD: Final = (
    *("what happens", "bound"),
    *(
        f"{where}: {what}"
        for where in ("alone", "amid others")
        for what in ("workflows", "p50", "p99", "max")
    ),
)


def render_bounds(history: History) -> str:
    """Return the table as Markdown."""
    alone: defaultdict[str, list[float]] = defaultdict(list)
    amid: defaultdict[str, list[float]] = defaultdict(list)
    for what, took_s, is_alone in _measured(history):
        (alone if is_alone else amid)[what].append(took_s)
    lines = [row(HEAD), row(["---"] * len(HEAD))]
    for what, bound in BOUNDS.items():
        cells: list[object] = [what, bound]
        for times in (alone[what], amid[what]):
            cells += [len(times), *(seconds(share, times) for share in (0.5, 0.99, 1.0))]
        lines.append(row(cells))
    return "\n".join(lines)


def _measured(history: History) -> Iterator[tuple[str, float, bool]]:
    lived_by = {lived.workflow: lived for lived in history.lived}
    times = detections(history)
    told = first_told(history)
    for workflow, end in ends_by_workflow(history).items():
        lived = lived_by.get(workflow)
        if lived is None or workflow not in told:
            continue
        what = _what(end, touching(history, end, lived))
        cut = _cut_off(history, end) if what == CUT_OFF else None
        took_s = told[workflow] - cut.began_s if cut is not None else times.get(workflow)
        if what is not None and took_s is not None:
            yield what, took_s, _is_alone(history, end, lived, OWN[what])


def _what(end: Recorded, struck: set[str]) -> str | None:
    """Return the row that an end belongs to, or None where it belongs to none."""
    if end.code in {ErrorCode.EXECUTOR_LOST, ErrorCode.HEARTBEAT_TIMEOUT}:
        return next((what for what in (KILLED, VANISHED, CUT_OFF) if OWN[what] & struck), None)
    if end.code == ErrorCode.EXCEPTION or end.status == Status.SUCCESS:
        return RETURNS
    if end.code in {ErrorCode.ABRUPT_EXIT, ErrorCode.EXIT_WITHOUT_RESULT}:
        return DIES
    return None


def _cut_off(history: History, end: Recorded) -> Faulted | None:
    """Return the last fault that cut the executor off before the verdict."""
    found = [
        fault
        for fault in history.faults
        if fault.kind in OWN[CUT_OFF] and fault.target == end.executor and fault.began_s < end.stored_s
    ]
    return max(found, key=lambda fault: fault.began_s, default=None)


def _is_alone(history: History, end: Recorded, lived: Lived, own: frozenset[str]) -> bool:
    """Whether nothing else happened, to whomever, nor had just been over."""
    began_s = min(end.stored_s, lived.ended_s or end.stored_s) - QUIET_S
    return not any(
        fault.began_s < end.stored_s and fault.ended_s > began_s and not _is_own(fault, own, end)
        for fault in history.faults
    )


def _is_own(fault: Faulted, own: frozenset[str], end: Recorded) -> bool:
    return fault.kind in own and fault.target in {end.executor, end.workflow}
