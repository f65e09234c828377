"""What clients see: a workflow as HTTP and the live streams show it, and the other bodies of the API.

`Workflow` is a record with its position and the overlays (heartbeat, progress), so that GET, WebSocket,
SSE and polling all carry the same JSON.
"""

from typing import Any, Literal

from msgspec import Struct, field

from lastword.contracts.events import Error, Instant, Progress, ResultReference, Usage
from lastword.contracts.ids import Count, DefinitionName, Position, Seconds, WorkflowId
from lastword.contracts.messages import Definition, LogLine, ProgressMade
from lastword.contracts.records import Entry
from lastword.contracts.statuses import LIVE, Status

__all__ = [
    "ClientConfig",
    "DefinitionPage",
    "ExecutorPage",
    "ExecutorView",
    "Heartbeat",
    "History",
    "Lag",
    "LogPage",
    "StartRequest",
    "Summary",
    "Transition",
    "TrendPoint",
    "Trends",
    "Vitals",
    "Workflow",
    "WorkflowPage",
    "view",
]

Heartbeat = Literal["fresh", "stale"]


class Workflow(Struct, frozen=True, kw_only=True):
    """A workflow, whole."""

    id: WorkflowId
    definition: DefinitionName
    status: Status
    is_terminal: bool = field(name="isTerminal")
    version: Count
    position: Position
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    updated_at: Instant
    last_heartbeat_at: Instant | None
    """The last beat that vouched for its process; null before the first."""
    heartbeat: Heartbeat | None
    """The server's judgement; null unless `running` or `cancelling`."""
    error: Error | None
    progress: Progress | None
    waiting_for: str | None
    executor: str | None
    title: str | None
    started_by: str | None
    warnings: tuple[str, ...]
    usage: Usage | None
    inputs: dict[str, Any]
    result: Any
    result_ref: ResultReference | None
    """Where a result of over 256 KiB lies; `GET /workflows/{id}/result` brings it."""
    retry_of: WorkflowId | None
    previous: Status | None
    cause: str
    actor: str
    deadline_s: Seconds | None
    queue_timeout_s: Seconds | None


class Transition(Struct, frozen=True, kw_only=True):
    """One status that a workflow has had."""

    version: Count
    position: Position
    status: Status
    previous: Status | None
    at: Instant
    cause: str
    actor: str


class History(Struct, frozen=True, kw_only=True):
    """All statuses of one workflow, oldest first."""

    items: tuple[Transition, ...]


class WorkflowPage(Struct, frozen=True, kw_only=True):
    """Some workflows, and where the next begin."""

    items: tuple[Workflow, ...]
    next_cursor: str | None
    position: Position
    """The list is true as of this position of the log."""


class LogPage(Struct, frozen=True, kw_only=True):
    """Lines that a workflow's process wrote, oldest first."""

    items: tuple[LogLine, ...]
    next_cursor: str | None
    dropped: Count = 0


class StartRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /workflows`."""

    definition: str
    inputs: dict[str, Any] = {}
    title: str | None = None
    started_by: str | None = None


class DefinitionPage(Struct, frozen=True, kw_only=True):
    """Everything that can be started, and what is broken."""

    items: tuple[Definition, ...]


class ExecutorView(Struct, frozen=True, kw_only=True):
    """An executor, as its pulse shows it."""

    executor: str
    state: str
    """`serving`, `draining`, `silent` (beats are missing), or `gone`."""
    host: str
    pid: int
    version: str
    started_at: Instant | None
    last_beat_at: Instant | None
    slots: Count
    running: tuple[str, ...]
    """The workflows that it vouches for."""
    definitions: tuple[str, ...]


class ExecutorPage(Struct, frozen=True, kw_only=True):
    """The executors heard of lately."""

    items: tuple[ExecutorView, ...]


class Summary(Struct, frozen=True, kw_only=True):
    """Counts for dashboards."""

    statuses: dict[str, int]
    """How many workflows stand at each status, zeros included."""
    stale: Count
    """How many of those `running` or `cancelling` have a stale heartbeat."""
    position: Position
    executors: Count


class Lag(Struct, frozen=True, kw_only=True):
    """How late the truth was told, in milliseconds, over the ends of some time."""

    count: Count
    """How many ends it was measured on."""
    p50_ms: float
    p99_ms: float
    worst_ms: float


class Vitals(Struct, frozen=True, kw_only=True):
    """What no record keeps, and an edge saw: gone with it, and measured by it alone."""

    stale: Count
    """The most stale heartbeats at once."""
    executors: Count
    """The fewest executors that beat at once."""
    slots: Count
    """How many workflows they could run together; the last value."""
    load: Count
    """The most workflows that they vouched for at once."""
    lag: Lag | None
    """From a terminal record's acceptance to its telling by this edge; null where nothing ended."""


class TrendPoint(Struct, frozen=True, kw_only=True):
    """One piece of time."""

    at: Instant
    """When it begins."""
    running: Count
    """How many executors held at its end."""
    started: Count
    ended: dict[str, int]
    """How many ended within it at each terminal status, zeros included."""
    failures: dict[str, int]
    """Why they failed, by the error's code; only what happened."""
    vitals: Vitals | None
    """Null where this edge did not run yet."""


class Trends(Struct, frozen=True, kw_only=True):
    """How the system has done, over equal pieces of time without gaps; the last one is not over yet."""

    step_s: Count
    points: tuple[TrendPoint, ...]
    position: Position
    """The counts are true as of this position of the log."""
    watched_since: Instant
    """Since when this edge has seen vitals."""
    lag: Lag | None
    """The same as in the points, over all of them."""


class ClientConfig(Struct, frozen=True, kw_only=True):
    """Flags and thresholds that clients go by."""

    version: str
    ws: bool
    sse: bool
    stale_after_s: Seconds
    heartbeat_interval_s: Seconds
    heartbeat_timeout_s: Seconds
    ping_s: Seconds
    poll_s: Seconds
    """How often to poll where both live rungs are off."""
    epoch: str
    canned_answers: bool = False
    """Whether the language model is the built-in one, whose answers mean nothing."""


def view(
    entry: Entry,
    *,
    made: ProgressMade | None = None,
    last_heartbeat_at: Instant | None = None,
    heartbeat: Heartbeat | None = None,
) -> Workflow:
    """Return `entry` as clients see it, under the overlays that fit its lease."""
    record = entry.record
    alive = record.status in LIVE
    if not alive or (made is not None and made.lease != entry.lease):
        made = None
    return Workflow(
        id=record.id,
        definition=record.definition,
        status=record.status,
        is_terminal=record.status.is_terminal,
        version=record.version,
        position=entry.position,
        created_at=record.created_at,
        started_at=record.started_at,
        finished_at=record.finished_at,
        updated_at=record.at,
        last_heartbeat_at=last_heartbeat_at,
        heartbeat=heartbeat if alive else None,
        error=record.error,
        progress=made.progress if made else record.progress,
        waiting_for=made.waiting_for if made else None,
        executor=record.executor,
        title=record.title,
        started_by=record.started_by,
        warnings=record.warnings,
        usage=made.usage if made else record.usage,
        inputs=record.inputs,
        result=record.result,
        result_ref=record.result_ref,
        retry_of=record.retry_of,
        previous=record.previous,
        cause=record.cause,
        actor=record.actor,
        deadline_s=record.deadline_s,
        queue_timeout_s=record.queue_timeout_s,
    )
