"""Every subject and stream name, built here and nowhere else.

A function called without its name gives the subject of all, with a wildcard.  A name is never a wildcard:
`log("*")` raises `BadToken`, or `GET /workflows/*` would read the last record of any workflow at all.

==============================  ===========================  ==========================================
subject                         stream                       what for
==============================  ===========================  ==========================================
`lastword.log.<id>`             `LASTWORD_LOG`               the truth; supervisors append
`lastword.status.<id>`          none (republished)           what everyone listens to
`lastword.report.<id>`          `LASTWORD_REPORT`            what happened
`lastword.job.<definition>`     `LASTWORD_JOB`               work for executors
`lastword.pulse.<executor>`     `LASTWORD_PULSE`             one beat per executor
`lastword.progress.<id>`        `LASTWORD_PROGRESS`          task k of n
`lastword.logline.<id>`         `LASTWORD_LOGLINE`           what the process printed
`lastword.refused.<id>`         `LASTWORD_REFUSED`           refused reports, kept as evidence
`lastword.definition.<name>`    `LASTWORD_DEFINITION`        what can be started, with its input schema
`lastword.command.<verb>`       none (request/reply)         start, claim, cancel, reconcile
`lastword.executor.<executor>`  none (request/reply)         "do you still run lease L?"
`lastword.metrics.<process>`    none                         each process's metrics, every few seconds
==============================  ===========================  ==========================================
"""

from typing import Final

from lastword.contracts.ids import is_token

__all__ = [
    "DEFINITION_STREAM",
    "DISCONNECTS",
    "HEALTH",
    "JOB_STREAM",
    "LOGLINE_STREAM",
    "LOG_STREAM",
    "PROGRESS_STREAM",
    "PULSE_STREAM",
    "REFUSED_STREAM",
    "REPORT_STREAM",
    "RESULT_BUCKET",
    "RESULT_OBJECTS",
    "BadToken",
    "command",
    "definition",
    "executor",
    "job",
    "last_token",
    "log",
    "logline",
    "metrics",
    "partition_of",
    "progress",
    "pulse",
    "refused",
    "report",
    "report_partition",
    "status",
]

LOG_STREAM: Final = "LASTWORD_LOG"
REPORT_STREAM: Final = "LASTWORD_REPORT"
JOB_STREAM: Final = "LASTWORD_JOB"
PULSE_STREAM: Final = "LASTWORD_PULSE"
PROGRESS_STREAM: Final = "LASTWORD_PROGRESS"
LOGLINE_STREAM: Final = "LASTWORD_LOGLINE"
REFUSED_STREAM: Final = "LASTWORD_REFUSED"
DEFINITION_STREAM: Final = "LASTWORD_DEFINITION"
RESULT_BUCKET: Final = "LASTWORD_RESULT"
RESULT_OBJECTS: Final = f"OBJ_{RESULT_BUCKET}"
"""What lies behind the bucket."""
HEALTH: Final = "$SYS.REQ.SERVER.PING.HEALTHZ"
"""Where a server's system account answers how the server is."""
DISCONNECTS: Final = "$SYS.ACCOUNT.*.DISCONNECT"
"""Where the server's system account tells whose connection has ended."""


class BadToken(ValueError):
    """A name that cannot stand as one token of a subject."""

    def __init__(self, text: str) -> None:
        shown = text if len(text) <= 80 else text[:77] + "..."
        super().__init__(f"{shown!r} is no name: use 1 to 64 letters, digits, '-' and '_'")
        self.text = text


def log(workflow_id: str | None = None) -> str:
    """Where supervisors append, and nobody listens: refused writes can be heard there too."""
    return f"lastword.log.{_token(workflow_id)}"


def status(workflow_id: str | None = None) -> str:
    """Where the server repeats each accepted record."""
    return f"lastword.status.{_token(workflow_id)}"


def report(workflow_id: str | None = None) -> str:
    """Where executors and auditors say what happened."""
    return f"lastword.report.{_token(workflow_id)}"


def report_partition(partition: int, workflow_id: str | None = None) -> str:
    """Where a report lies inside its stream, after the server's partitioning."""
    return f"lastword.report.{partition}.{_token(workflow_id)}"


def partition_of(stored_subject: str) -> int:
    """Return the partition in a stored report's subject."""
    return int(stored_subject.split(".")[2])


def job(definition_name: str | None = None) -> str:
    """Where work waits for executors that serve the definition."""
    return f"lastword.job.{_token(definition_name)}"


def pulse(executor_name: str | None = None) -> str:
    """Where an executor beats."""
    return f"lastword.pulse.{_token(executor_name)}"


def progress(workflow_id: str | None = None) -> str:
    """Where an executor says how far a workflow got."""
    return f"lastword.progress.{_token(workflow_id)}"


def logline(workflow_id: str | None = None) -> str:
    """Where an executor repeats what the process printed."""
    return f"lastword.logline.{_token(workflow_id)}"


def refused(workflow_id: str | None = None) -> str:
    """Where refused reports are kept."""
    return f"lastword.refused.{_token(workflow_id)}"


def definition(name: str | None = None) -> str:
    """Where executors announce what can be started."""
    return f"lastword.definition.{_token(name)}"


def command(verb: str) -> str:
    """Where a command is asked: `start`, `claim`, `cancel`, `reconcile`."""
    return f"lastword.command.{_token(verb)}"


def executor(executor_name: str | None = None) -> str:
    """Where an executor answers whether it still runs a lease."""
    return f"lastword.executor.{_token(executor_name)}"


def metrics(process: str | None = None) -> str:
    """Where a process tells its metrics, for whichever edge is scraped."""
    return f"lastword.metrics.{_token(process)}"


def last_token(subject: str) -> str:
    """Return the token that names the workflow, definition or executor."""
    return subject.rpartition(".")[2]


def _token(text: str | None) -> str:
    """Return the token for `text`, or the wildcard for None; a wildcard in a name from outside is refused."""
    if text is None:
        return "*"
    if not is_token(text):
        raise BadToken(text)
    return text
