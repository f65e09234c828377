"""What travels on the subjects, besides the log's records: one Struct per message.

Payloads are one line of compact JSON.  Fields are only ever added, with a default; a decoder ignores
fields that it does not know, so an old and a new version of each actor work side by side.
"""

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from lastword.contracts.events import (
    Cancelled,
    CancelRequested,
    Failed,
    Instant,
    Lost,
    Progress,
    QueueTimedOut,
    Succeeded,
    Usage,
)
from lastword.contracts.ids import Count, DefinitionName, ExecutorName, Position, Seconds, WorkflowId
from lastword.contracts.moves import Refusal
from lastword.contracts.records import Record
from lastword.contracts.statuses import Status

__all__ = [
    "MAX_DEFINITIONS",
    "MAX_LEASES",
    "Accepted",
    "Answer",
    "Cancel",
    "Claim",
    "Definition",
    "FieldError",
    "Held",
    "Job",
    "LogLine",
    "Logged",
    "Problem",
    "ProgressMade",
    "Pulse",
    "Question",
    "Reconcile",
    "RefusedReport",
    "Reply",
    "Report",
    "ReportedEvent",
    "Start",
]

MAX_DEFINITIONS: Final = 1_000
"""Definitions that are known at once; a new name beyond them is not taken."""

MAX_LEASES: Final = 4_096
"""Leases of one executor. More than it has slots: processes that have ended may wait for their record."""

Label = Annotated[str, Meta(max_length=255)]
"""A name or an id, of which no honest one is longer."""

ReportedEvent = Succeeded | Failed | Cancelled | Lost | QueueTimedOut | CancelRequested


class Report(Struct, frozen=True, kw_only=True):
    """What happened to a workflow.

    Subject: `lastword.report.<id>`. Sender: executors, auditors. Rate: about one per workflow.
    """

    id: WorkflowId
    event: ReportedEvent
    event_id: Label
    """Also the `Nats-Msg-Id`: a repetition is dropped by the server, or recognised by the supervisor."""
    actor: Label
    at: Instant
    """When the sender said it, by its own clock; shown, never compared."""


class RefusedReport(Struct, frozen=True, kw_only=True):
    """A report that changed nothing, kept for a week as evidence.

    Subject: `lastword.refused.<id>`. Sender: supervisors.
    """

    id: WorkflowId
    reason: Refusal
    status: Status | None
    """The status that stood; null where there was no such workflow."""
    position: Position | None
    report: Report
    at: Instant


class Job(Struct, frozen=True, kw_only=True):
    """Work for an executor: enough to claim it. The inputs come with the claim's answer.

    Subject: `lastword.job.<definition>`. Sender: supervisors. Rate: one per workflow.
    """

    id: WorkflowId
    definition: DefinitionName
    position: Position
    """The position of the `pending` record."""


class Held(Struct, frozen=True, kw_only=True):
    """A lease whose process the executor has just seen alive, or whose outcome it has yet to deliver."""

    id: WorkflowId
    lease: Position


class Pulse(Struct, frozen=True, kw_only=True):
    """One beat of an executor.

    Subject: `lastword.pulse.<executor>`, one kept, gone after the heartbeat timeout.
    Rate: one per `executor.heartbeat_interval_s`.
    """

    executor: ExecutorName
    at: Instant
    state: Label = "serving"
    """`serving`, `draining` (takes no more), or `gone` (said goodbye)."""
    beat: Count = 0
    """Counts the beats."""
    leases: Annotated[tuple[Held, ...], Meta(max_length=MAX_LEASES)] = ()
    slots: Count = 0
    """How many workflows it runs at once, at most."""
    definitions: Annotated[tuple[Label, ...], Meta(max_length=MAX_DEFINITIONS)] = ()
    """What it serves."""
    host: Label = ""
    pid: int = 0
    started_at: Instant | None = None
    version: Label = ""
    """Of lastword."""


class ProgressMade(Struct, frozen=True, kw_only=True):
    """How far a workflow got. Throttled; the last one wins.

    Subject: `lastword.progress.<id>`. Sender: executors. Rate: at most a few per second and workflow.
    """

    id: WorkflowId
    at: Instant
    lease: Position
    revision: Count
    """Grows with each message of one lease."""
    progress: Progress
    usage: Usage | None = None
    waiting_for: str | None = None
    """What a person is asked; null while nobody is."""


class LogLine(Struct, frozen=True, kw_only=True):
    """One line that a workflow's process wrote, or one thing that lastword has to say about it."""

    at: Instant
    stream: str
    """`stdout`, `stderr` or `lastword`."""
    text: str
    """Without the line's end; at most 8,192 characters."""


class Logged(Struct, frozen=True, kw_only=True):
    """Some lines of a workflow's output, in order.

    Subject: `lastword.logline.<id>`. Sender: executors. Rate: at most ten a second and workflow.
    """

    id: WorkflowId
    lines: tuple[LogLine, ...]
    dropped: Count = 0
    """Lines left out just before these, because the process wrote faster than anyone could read."""


class Definition(Struct, frozen=True, kw_only=True):
    """What can be started.

    Subject: `lastword.definition.<name>`. Sender: executors, when they start.
    """

    name: DefinitionName
    kind: str
    """`crew`, `flow`, `function`, or `broken`."""
    input_schema: dict[str, Any]
    """JSON Schema 2020-12 of the inputs."""
    description: str = ""
    deadline_s: Seconds | None = None
    queue_timeout_s: Seconds | None = None
    source: str = ""
    """What `lastword.toml` says: `module:attribute`, or a project folder."""
    error: str | None = None
    """Why it is broken."""
    announced_by: str = ""
    announced_at: Instant | None = None


class Start(Struct, frozen=True, kw_only=True):
    """Command: run a workflow. Subject: `lastword.command.start`."""

    definition: str
    inputs: dict[str, Any] = {}
    title: str | None = None
    started_by: str | None = None
    retry_of: str | None = None
    idempotency_key: str | None = None
    """At most 255 characters; the same key and caller always name the same workflow."""


class Claim(Struct, frozen=True, kw_only=True):
    """Command: give me the lease of a pending workflow. Subject: `lastword.command.claim`."""

    id: WorkflowId
    executor: ExecutorName
    event_id: Label
    """The same in each try, so that a lost answer can be asked for again."""


class Cancel(Struct, frozen=True, kw_only=True):
    """Command: end a workflow. Subject: `lastword.command.cancel`."""

    id: str
    by: str | None = None


class Reconcile(Struct, frozen=True, kw_only=True):
    """Command: find out now whether a workflow's process lives. Subject: `lastword.command.reconcile`."""

    id: str


class Question(Struct, frozen=True, kw_only=True):
    """Asked of an executor: do you still run these leases? Subject: `lastword.executor.<executor>`."""

    leases: tuple[Held, ...]


class Answer(Struct, frozen=True, kw_only=True):
    """The leases of the question that the executor vouches for."""

    executor: ExecutorName
    held: tuple[Held, ...]


class FieldError(Struct, frozen=True, kw_only=True):
    """What is wrong with one field of the input."""

    field: str
    """A path, such as `inputs.topic`."""
    message: str


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a command or request was not carried out: RFC 9457, with a stable `code`."""

    status: int
    """The HTTP status."""
    code: str
    """For programs; stable. Such as `unknown_workflow`."""
    title: str
    """The same for every problem of this code."""
    detail: str = ""
    """What is wrong in this case, and what to do."""
    type: str = "about:blank"
    instance: str | None = None
    errors: tuple[FieldError, ...] = ()
    known: tuple[str, ...] = ()
    """What could have been asked for instead."""
    retry_after_s: int | None = None
    workflow: Record | None = None
    """How the workflow stands, where that is the reason."""
    position: Position | None = None


class Accepted(Struct, frozen=True, kw_only=True):
    """A command's answer: how the workflow stands after it."""

    position: Position
    stored_at: Instant
    record: Record
    created: bool = False
    """Whether this very command made it so."""


class Reply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a command is answered with: exactly one of the two."""

    accepted: Accepted | None = None
    problem: Problem | None = None
