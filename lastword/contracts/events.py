"""What can happen to a workflow: one frozen Struct per event, past participles all.

Times arrive inside events; nothing here reads a clock.  Events of an executor's lease carry that lease
(the log position of the `running` record), so that a report under an older one can be told apart.
Senders, subjects and rates:

==================  ======================  ===========================  =====================
event               sent by                 on                           how often
==================  ======================  ===========================  =====================
`Submitted`         edge, CLI, NATS client  `lastword.command.start`     once per workflow
`Claimed`           executor                `lastword.command.claim`     once per workflow
`CancelRequested`   edge, CLI, NATS client  `lastword.command.cancel`    rarely
`Succeeded`         executor                `lastword.report.<id>`       at most once per lease
`Failed`            executor                `lastword.report.<id>`       at most once per lease
`Cancelled`         executor                `lastword.report.<id>`       at most once per lease
`Lost`              auditor                 `lastword.report.<id>`       rarely
`QueueTimedOut`     auditor                 `lastword.report.<id>`       rarely
==================  ======================  ===========================  =====================
"""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from lastword.contracts.ids import Count, DefinitionName, ExecutorName, Position, Seconds, WorkflowId
from lastword.contracts.statuses import ErrorCode

__all__ = [
    "CancelRequested",
    "Cancelled",
    "Claimed",
    "Ending",
    "Error",
    "Event",
    "Failed",
    "Instant",
    "Lost",
    "Progress",
    "QueueTimedOut",
    "ResultReference",
    "Submitted",
    "Succeeded",
    "TaskProgress",
    "Usage",
]

Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339, UTC.")]


class Error(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a workflow failed, for people (`message`) and programs (`code`)."""

    code: ErrorCode
    """The closed set that programs switch on."""
    message: str
    """One sentence for people; at most 16,384 characters."""
    exit_code: int | None = None
    """The process's exit code, where it exited."""
    signal: str | None = None
    """The name of the signal that ended the process, such as `SIGKILL`."""
    type: str | None = None
    """The exception's class, with its module."""
    traceback: str | None = None
    """The traceback's last 32,768 characters."""
    output: str | None = None
    """The last lines that a process wrote before it ended without a word."""


class TaskProgress(Struct, frozen=True, kw_only=True):
    """One task of a crew, or one method of a flow."""

    label: str
    """The task's name, or the first words of its description."""
    started_at: Instant | None = None
    """When it began, by the executor's host."""
    finished_at: Instant | None = None
    """When it ended, by the executor's host."""


class Progress(Struct, frozen=True, kw_only=True):
    """How far a workflow got: task `done` of `total`."""

    done: Count = 0
    """Tasks finished."""
    total: Count | None = None
    """Tasks in all; null where nobody knows (a flow, a function that did not say)."""
    label: str | None = None
    """What is being done now."""
    tasks: tuple[TaskProgress, ...] = ()
    """The tasks begun so far, in their order; at most 256."""


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens that the language models reported."""

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    total_tokens: Count = 0
    calls: Count = 0


class ResultReference(Struct, frozen=True, kw_only=True):
    """Where a result lies that is too large for the record (over 256 KiB)."""

    name: str
    """The object's name in the bucket `LASTWORD_RESULT`."""
    size: Count
    """Bytes of JSON."""
    digest: str
    """`SHA-256=` and the URL-safe base 64 of the bytes' digest."""


class Event(Struct, frozen=True, kw_only=True, tag_field="event", tag=True, omit_defaults=True):
    """Something that happened to one workflow."""


class Submitted(Event, kw_only=True, frozen=True, tag="submitted"):
    """Someone asked for a workflow, and the inputs were found good."""

    definition: DefinitionName
    inputs: dict[str, Any] = {}
    title: str | None = None
    started_by: str | None = None
    retry_of: WorkflowId | None = None
    deadline_s: Seconds | None = None
    queue_timeout_s: Seconds | None = None
    fingerprint: str | None = None
    """Digest of the request that an idempotency key stands for; a different one under the key conflicts."""


class Claimed(Event, kw_only=True, frozen=True, tag="claimed"):
    """An executor took the workflow; the record that says so is its lease."""

    executor: ExecutorName


class CancelRequested(Event, kw_only=True, frozen=True, tag="cancel_requested"):
    """Someone wants the workflow to end."""

    by: str | None = None


class Ending(Event, kw_only=True, frozen=True):
    """What an executor says when the process of its lease has ended."""

    lease: Position
    finished_at: Instant
    """When the process ended, by the executor's host."""
    warnings: tuple[str, ...] = ()
    """What a reader of a success should know, such as tools that failed."""
    usage: Usage | None = None
    progress: Progress | None = None


class Succeeded(Ending, kw_only=True, frozen=True, tag="succeeded"):
    """The process sent its result and ended."""

    result: Any = None
    result_ref: ResultReference | None = None


class Failed(Ending, kw_only=True, frozen=True, tag="failed"):
    """The process ended badly."""

    error: Error


class Cancelled(Ending, kw_only=True, frozen=True, tag="cancelled"):
    """The executor ended the process because the log said `cancelling`."""


class Lost(Event, kw_only=True, frozen=True, tag="lost"):
    """Nobody vouches for the process of this lease: an auditor's verdict."""

    lease: Position
    error: Error


class QueueTimedOut(Event, kw_only=True, frozen=True, tag="queue_timed_out"):
    """No executor took the workflow in time: an auditor's verdict."""

    error: Error
