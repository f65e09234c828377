"""The judge: what of DESIGN section 10 a history violates. Pure; each rule is one function.

The rules take the witnesses' word over lastword's.  Where a fault may excuse what is seen, the rule says
which one: only what happened to the executor that held a workflow excuses a verdict upon it, never a fault of
the servers, supervisors, auditors or edges.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from lastword.contracts.statuses import RANK, TERMINAL, ErrorCode, Status
from tests.chaos.history import Faulted, History, Lived, Recorded, Told

__all__ = [
    "BOUND_S",
    "RULES",
    "Violation",
    "check",
    "detections",
    "ends_by_workflow",
    "first_told",
    "touching",
]

BOUND_S: Final = 18.0
"""DESIGN section 4: how soon a host that has vanished is noticed, the slowest of its bounds."""
GRACE_S: Final = 16.0
"""How long after a fault of an executor a verdict upon it may still come, the machine's slack apart."""
WINDOW_S: Final = 1.0
"""An executor away for less than the auditor's window (1.5 s) is not lost; some is left for clocks."""

VERDICTS: Final = frozenset({ErrorCode.EXECUTOR_LOST, ErrorCode.HEARTBEAT_TIMEOUT})
CODES: Final = {
    "raises": ErrorCode.EXCEPTION,
    "exits 0": ErrorCode.EXIT_WITHOUT_RESULT,
    "leaves": ErrorCode.EXIT_WITHOUT_RESULT,
    "exits 3": ErrorCode.ABRUPT_EXIT,
    "dies SIGKILL": ErrorCode.ABRUPT_EXIT,
    "dies SIGSEGV": ErrorCode.ABRUPT_EXIT,
}
"""What a failure is called, by the process's last word."""
DEADLY: Final = frozenset({"kill executor", "vanish executor"})
SILENCING: Final = DEADLY | {
    f"{act} executor" for act in ("stop", "cut", "freeze", "deafen", "delay", "throttle", "unplug")
}
"""Faults that keep an executor from beating; a full disk, a clock, and late or repeated reports do not."""
UPON_WORKFLOW: Final = frozenset({"kill child", "stop child", "lie report"})
"""Faults whose target is a workflow."""


class Violation(Struct, frozen=True, kw_only=True):
    """Something that must never be."""

    rule: str
    workflow: str
    detail: str

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.rule}: {self.workflow}: {self.detail}"


Rule = Callable[[History], Iterator[Violation]]


def check(history: History) -> list[Violation]:
    """Return everything that is wrong."""
    return [violation for rule in RULES for violation in rule(history)]


# The log


def statuses_only_rise(history: History) -> Iterator[Violation]:
    """Hold every record above the one before, so that a terminal one is the last of its workflow."""
    for workflow, records in _records(history).items():
        for before, after in pairwise(records):
            if RANK[Status(after.status)] <= RANK[Status(before.status)]:
                yield Violation(
                    rule="regression", workflow=workflow, detail=f"{before.status}, then {after.status}"
                )


def everything_ends(history: History) -> Iterator[Violation]:
    """Leave nothing that has not ended once all faults are healed."""
    for workflow, records in _records(history).items():
        if records[-1].status not in TERMINAL:
            yield Violation(rule="stuck", workflow=workflow, detail=f"still {records[-1].status}")
    for lived in history.lived:
        if lived.ended_s is None:
            yield Violation(rule="zombie", workflow=lived.workflow, detail=f"process {lived.pid} still runs")


def nothing_acknowledged_is_lost(history: History) -> Iterator[Violation]:
    """Find each acknowledged start in the log, and each acknowledged cancel, or an end before it."""
    records = _records(history)
    for command in history.acknowledged:
        found = records.get(command.workflow)
        if found is None:
            detail = f"its acknowledged {command.verb} is in no log"
            yield Violation(rule="lost command", workflow=command.workflow, detail=detail)
        elif command.verb == "cancel" and not any(
            record.cause == "cancel_requested" or record.status in TERMINAL for record in found
        ):
            detail = "its acknowledged cancel left no trace"
            yield Violation(rule="lost command", workflow=command.workflow, detail=detail)


def the_database_is_the_replay(history: History) -> Iterator[Violation]:
    """Compare the database with the log."""
    if history.database != history.replay:
        yield Violation(
            rule="database", workflow="all", detail=f"{history.database[:12]} is not {history.replay[:12]}"
        )


# The processes


def no_workflow_runs_twice(history: History) -> Iterator[Violation]:
    """Allow one lease in a workflow's life, and one process to a lease."""
    for workflow, count in Counter(lived.workflow for lived in history.lived).items():
        if count > 1:
            yield Violation(rule="run twice", workflow=workflow, detail=f"{count} processes")


def the_outcome_is_what_happened(history: History) -> Iterator[Violation]:
    """Fit the last word to what the process did, unless its end was somebody else's doing."""
    lived_by = {lived.workflow: lived for lived in history.lived}
    for workflow, end in ends_by_workflow(history).items():
        lived = lived_by.get(workflow)
        wrong = _wrong(history, end, lived)
        if wrong is not None:
            yield Violation(rule="wrong outcome", workflow=workflow, detail=wrong)


def no_verdict_upon_the_healthy(history: History) -> Iterator[Violation]:
    """Call nothing lost whose executor was neither killed nor kept from beating just before."""
    for workflow, end in ends_by_workflow(history).items():
        if end.code in VERDICTS and not any(
            fault.began_s < end.stored_s
            and (
                fault.kind in DEADLY
                or (
                    end.stored_s < fault.ended_s + GRACE_S + history.slack_s
                    and fault.ended_s - fault.began_s > WINDOW_S
                )
            )
            for fault in _upon_executor(history, end.executor)
        ):
            detail = f"{end.code} of {end.executor}, which nothing had happened to"
            yield Violation(rule="early verdict", workflow=workflow, detail=detail)


def every_end_is_noticed_in_time(history: History) -> Iterator[Violation]:
    """Find each end in the log within the slowest bound, counted from the last fault in its way."""
    ends = ends_by_workflow(history)
    for lived in history.lived:
        end = ends.get(lived.workflow)
        if end is None or lived.ended_s is None or end.stored_s <= lived.ended_s:
            continue
        since_s = max(
            [lived.ended_s]
            + [
                fault.ended_s
                for fault in history.faults
                if fault.began_s < end.stored_s and fault.ended_s > lived.ended_s
            ]
        )
        if end.stored_s - since_s > BOUND_S + history.slack_s:
            detail = f"{end.status} {end.stored_s - since_s:.1f} s after its end, or the last fault's"
            yield Violation(rule="late", workflow=lived.workflow, detail=detail)


# The clients


def nobody_is_told_backwards(history: History) -> Iterator[Violation]:
    """Show no client a lower position of a workflow than before, over whatever edge."""
    for client in history.clients:
        shown: dict[str, int] = {}
        for told in client.told:
            if told.position < shown.get(told.workflow, 0) and told.kind != "end":
                detail = f"{client.name} at {shown[told.workflow]}, then at {told.position}"
                yield Violation(rule="told backwards", workflow=told.workflow, detail=detail)
            shown[told.workflow] = max(told.position, shown.get(told.workflow, 0))


def nobody_is_told_what_is_not(history: History) -> Iterator[Violation]:
    """Find in the log whatever a client was told."""
    true = {(record.workflow, record.position, record.status) for record in history.log}
    for client in history.clients:
        for told in client.told:
            if told.status is not None and (told.workflow, told.position, told.status) not in true:
                detail = f"{client.name} was told {told.status} at {told.position}"
                yield Violation(rule="told a lie", workflow=told.workflow, detail=detail)


def everyone_is_told_the_last_word(history: History) -> Iterator[Violation]:
    """Tell each client to which it is promised how its workflows ended, with exactly one `end`."""
    ends = ends_by_workflow(history)
    for client in history.clients:
        if client.promised:
            heard: defaultdict[str, list[Told]] = defaultdict(list)
            for told in client.told:
                heard[told.workflow].append(told)
            for workflow in ends if client.follows is None else client.follows:
                for rule, detail in _unlike_an_end(heard[workflow], ends.get(workflow)):
                    yield Violation(rule=rule, workflow=workflow, detail=f"{client.name} {detail}")


def _unlike_an_end(heard: Sequence[Told], end: Recorded | None) -> Iterator[tuple[str, str]]:
    """Say what is wrong with what one client heard of one workflow."""
    if end is None:
        return
    kinds = [told.kind for told in heard]
    statuses = [told.status for told in heard if told.status is not None]
    if not statuses or statuses[-1] != end.status:
        yield "untold", f"believes {statuses[-1] if statuses else 'nothing'}, it is {end.status}"
    listed = any(told.kind == "listed" and told.status in TERMINAL for told in heard)
    if kinds.count("end") != 1 and not (listed and "end" not in kinds):  # a list has no `end`
        yield "double end", f"was told {kinds.count('end')} times that it ended"
    if "end" in kinds:
        first = kinds.index("end")
        if not any(told.status == end.status for told in heard[:first]):
            yield "untold", "was told `end` before the terminal status"
        # A stream of many that comes back may open with how everything stands.
        if any(kind not in {"snapshot", "listed", "end"} for kind in kinds[first:]):
            yield "double end", "was told news after `end`"


def nothing_that_ended_is_stale(history: History) -> Iterator[Violation]:
    """Show no stale heartbeat where nothing runs."""
    for number, stale in enumerate(history.stale):
        if stale:
            yield Violation(rule="stale", workflow=f"edge {number}", detail=f"shows {stale} stale heartbeats")


def nobody_oversteps(history: History) -> Iterator[Violation]:
    """Ask nothing of NATS that one's user may not."""
    for asked in history.denied:
        yield Violation(rule="denied", workflow="none", detail=asked)


RULES: Final[tuple[Rule, ...]] = (
    statuses_only_rise,
    everything_ends,
    nothing_acknowledged_is_lost,
    the_database_is_the_replay,
    no_workflow_runs_twice,
    the_outcome_is_what_happened,
    no_verdict_upon_the_healthy,
    every_end_is_noticed_in_time,
    nobody_is_told_backwards,
    nobody_is_told_what_is_not,
    everyone_is_told_the_last_word,
    nothing_that_ended_is_stale,
    nobody_oversteps,
)


# What the rules share


def ends_by_workflow(history: History) -> dict[str, Recorded]:
    """Return the terminal record of each workflow that has one."""
    ends: dict[str, Recorded] = {}
    for record in history.log:
        if record.status in TERMINAL:
            ends.setdefault(record.workflow, record)
    return ends


def first_told(history: History) -> dict[str, float]:
    """Return, by workflow, when the first client was told that it had ended."""
    first: dict[str, float] = {}
    for client in history.clients:
        for told in client.told:
            if told.status in TERMINAL:
                first[told.workflow] = min(told.at_s, first.get(told.workflow, told.at_s))
    return first


def detections(history: History) -> dict[str, float]:
    """Return, by workflow, how long after its process's end the first client was told."""
    first = first_told(history)
    return {
        lived.workflow: max(0.0, first[lived.workflow] - lived.ended_s)
        for lived in history.lived
        if lived.ended_s is not None and lived.workflow in first
    }


def touching(history: History, end: Recorded, lived: Lived | None) -> set[str]:
    """Return the kinds of fault that struck a workflow.

    Those upon its own process and its executor count while it ran and until its end was known, the others
    (servers, supervisors, auditors, edges) where they fell into the time from its process's end on.  One
    whose process nobody saw was claimed by an executor that died meanwhile: it counts from when it was
    accepted.
    """
    if lived is not None:
        began_s = lived.began_s
    else:
        began_s = min(record.stored_s for record in history.log if record.workflow == end.workflow)
    ended_s = lived.ended_s if lived is not None and lived.ended_s is not None else end.stored_s
    found: set[str] = set()
    for fault in history.faults:
        if fault.kind in UPON_WORKFLOW:
            struck = fault.target == end.workflow
        elif fault.kind.endswith("executor"):
            struck = fault.target == end.executor and began_s < fault.ended_s and fault.began_s < end.stored_s
        else:
            struck = fault.began_s < end.stored_s and ended_s < fault.ended_s
        if struck:
            found.add(fault.kind)
    return found


def _records(history: History) -> dict[str, list[Recorded]]:
    found: defaultdict[str, list[Recorded]] = defaultdict(list)
    for record in sorted(history.log, key=lambda record: record.position):
        found[record.workflow].append(record)
    return found


def _upon_executor(history: History, executor: str | None) -> Iterator[Faulted]:
    return (fault for fault in history.faults if fault.kind in SILENCING and fault.target == executor)


def _wrong(history: History, end: Recorded, lived: Lived | None) -> str | None:
    """Return what does not fit, or None."""
    said = f"{end.status} {end.code or ''}".strip()
    if lived is None:  # it never began: nothing that it did can be told
        fits = end.status != Status.SUCCESS
    elif end.status == Status.SUCCESS:
        fits = lived.word == "returns"
    elif end.status == Status.CANCELLED:
        fits = any(one.workflow == end.workflow and one.status == "cancelling" for one in history.log)
    elif end.code == ErrorCode.DEADLINE_EXCEEDED:
        fits = end.how == "overruns"
    else:
        killed = any(fault.kind == "kill child" and fault.target == end.workflow for fault in history.faults)
        fits = (
            end.code in VERDICTS  # `no_verdict_upon_the_healthy` judges these
            or end.code == CODES.get(lived.word or "")
            or (killed and end.code == ErrorCode.ABRUPT_EXIT)
        )
    word = "that nobody saw" if lived is None else f"whose last word was {lived.word}"
    return None if fits else f"{said} of a process {word}"
