"""What the model in Promela is checked for: bounds, what must hold, the faults planted to prove it.

`promela/*.pml` hold the model itself; each file says which code it stands for.
"""

from typing import Final, NamedTuple

__all__ = ["HANGS", "INVARIANTS", "MUTANTS", "SCENARIOS", "Mutant", "Scenario"]

HANGS: Final = 0
"""The number under which a hanging workflow is told; the others stand in the model's `MUST(number, ...)`."""

INVARIANTS: Final[dict[int, str]] = {
    HANGS: "no workflow hangs and no zombie runs on, once faults have ended (7)",
    1: "a terminal record is the last record of its subject (1)",
    2: "each record raises the rank (1)",
    3: "a report under another lease changes nothing (3)",
    4: "no message moves a workflow twice (4)",
    5: "no verdict before the outcomes that were stored ahead of it (5)",
    6: "what was acknowledged or accepted is in the log (2)",
    7: "one start makes one workflow (4)",
    8: "one lease has one process (4)",
    9: "no executor that only NATS cut off is failed (8)",
    10: "nobody is condemned who can answer for the lease, or beat for it since the examination began (8)",
}
"""In brackets, the number in section "What must always hold" of `docs/explanation/truth.md`."""


class Scenario(NamedTuple):
    """One run of the checker."""

    name: str
    file: str
    """Of `promela/`, without its suffix."""
    bounds: tuple[tuple[str, int], ...] = ()
    """Macros. `LIMIT`: how many crashes of supervisors and auditor and lost answers; absent: without end."""
    is_fair: bool = False
    """Whether it is checked that something happens at last, with every process getting its turn."""
    is_long: bool = False
    """Whether it is left out of `make test`."""
    says: str = ""
    """For people."""


def _world(
    *, crashes: int = 0, cuts: int = 0, outages: int = 0, limit: int = 0, executors: int = 1
) -> tuple[tuple[str, int], ...]:
    return (
        ("EXECUTORS", executors),
        ("CRASHES", crashes),
        ("CUTS", cuts),
        ("OUTAGES", outages),
        ("LIMIT", limit),
    )


SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario(
        "reports",
        "reports",
        says="two supervisors; an outcome, a verdict or a stranger's report, a cancel; any loss and crash",
    ),
    Scenario(
        "commands",
        "commands",
        says="two supervisors; a start, a claim, and a rival, cancel or queue timeout; any loss and crash",
    ),
    Scenario("tasks", "tasks", says="two supervisors; a job delivered to one executor again and again"),
    Scenario(
        "outage",
        "actors",
        _world(outages=1, limit=1),
        says="an executor and an auditor; NATS restarts; one crash or lost answer",
    ),
    Scenario(
        "cut", "actors", _world(cuts=1), says="an executor and an auditor; the executor is cut off and back"
    ),
    Scenario(
        "crash",
        "actors",
        _world(crashes=1),
        says="an executor and an auditor; the executor dies",
    ),
    Scenario(
        "gone",
        "actors",
        _world(crashes=1),
        is_fair=True,
        says="the executor dies: what it held ends all the same",
    ),
    Scenario(
        "isolated",
        "actors",
        _world(cuts=1),
        is_fair=True,
        says="the executor is cut off, for a while or for ever: what was cancelled ends, zombies are fenced",
    ),
    Scenario(
        "rivals",
        "actors",
        _world(executors=2, crashes=1),
        is_long=True,
        says="two executors and an auditor; one of them dies",
    ),
    Scenario(
        "cut and outage",
        "actors",
        _world(cuts=1, outages=1),
        is_long=True,
        says="the executor is cut off, and NATS restarts",
    ),
    Scenario(
        "crash and cut",
        "actors",
        _world(crashes=1, cuts=1, limit=1),
        is_long=True,
        says="the executor is cut off, and dies; one crash of another or lost answer",
    ),
    Scenario(
        "outage, at last",
        "actors",
        _world(outages=1, limit=1),
        is_fair=True,
        is_long=True,
        says="NATS restarts, one crash or lost answer: nothing hangs afterwards",
    ),
)


class Mutant(NamedTuple):
    """A fault that the checker must find."""

    macro: str
    file: str
    says: str
    killed_by: int
    """The number of the invariant that it breaks."""
    bounds: tuple[tuple[str, int], ...] = ()
    is_fair: bool = False


_CUT: Final = _world(cuts=1)
_OUTAGE: Final = _world(outages=1, limit=1)

MUTANTS: Final[tuple[Mutant, ...]] = (
    Mutant("NO_COMPARE", "reports", "append without compare-and-set", 1),
    Mutant("REVIVE", "commands", "a retry revives an ended workflow", 1),
    Mutant("IGNORE_LEASE", "reports", "decide without looking at the lease", 3),
    Mutant("NO_ELDERS", "reports", "a verdict does not wait for older reports", 5),
    Mutant("ACK_FIRST", "reports", "acknowledge a report before the append", 6),
    Mutant("ANSWER_FIRST", "commands", "answer a command before the append", 6),
    Mutant("REFUSE_FROM_MEMORY", "reports", "refuse by what is remembered, without a look at the log", 6),
    Mutant(
        "LOOK_AT_THE_LAST", "commands", "a record that landed and was overtaken is taken for a conflict", 7
    ),
    Mutant("LOOK_BY_EVENT", "tasks", "an overtaken record is known by its event alone", 8),
    Mutant("CLAIM_TWICE", "tasks", "a job that comes again is claimed again", 8),
    Mutant("NO_QUESTION", "actors", "a verdict without asking", 10, _CUT),
    Mutant("ASK_ONCE", "actors", "no second question after the window", 10, _CUT),
    Mutant("IGNORE_BEATS", "actors", "beats since the first question do not count", 10, _CUT),
    Mutant("FORGET_CLAIMING", "actors", "an executor does not vouch for what it is claiming", 10, _OUTAGE),
    Mutant("GIVE_UP_CLAIMING", "actors", "a claim that nobody answers is forgotten", 9, _OUTAGE),
    Mutant("NO_GRACE", "actors", "no whole timeout for everyone after an outage", 9, _OUTAGE),
    Mutant("KEEP_TRUST", "actors", "beats from before the outage still count after it", 9, _OUTAGE),
    Mutant(
        "JUDGE_BLIND", "actors", "the auditor judges while, or right after, it is cut off itself", 9, _OUTAGE
    ),
    Mutant(
        "ONLY_DISCONNECTS", "actors", "silence is never suspected", HANGS, _world(crashes=1), is_fair=True
    ),
    Mutant(
        "ACK_BEFORE_DISPATCH",
        "actors",
        "the pending record is acknowledged before its job is stored",
        HANGS,
        _world(limit=1),
        is_fair=True,
    ),
    Mutant(
        "NO_REREAD",
        "actors",
        "an executor does not read again after it was cut off",
        HANGS,
        _CUT,
        is_fair=True,
    ),
    Mutant(
        "DROP_WHEN_CUT", "actors", "an outcome that cannot be delivered is dropped", HANGS, _CUT, is_fair=True
    ),
)
