"""What the live streams carry, the same JSON on WebSocket and SSE, tagged by `type`.

Each frame that speaks of a workflow carries all of it: the last message wins, and duplicates and late
ones drop out by `position`.
"""

from msgspec import Struct

from lastword.contracts.events import Instant, Progress, Usage
from lastword.contracts.ids import Count, Position, Seconds, WorkflowId
from lastword.contracts.messages import LogLine
from lastword.contracts.statuses import Status
from lastword.contracts.views import Heartbeat, Workflow

__all__ = [
    "Beat",
    "Changed",
    "End",
    "Frame",
    "Hello",
    "Output",
    "OutputFrame",
    "Ping",
    "Progressed",
    "Rejected",
    "Resync",
    "Snapshot",
    "WorkflowFrame",
]


class _Frame(Struct, frozen=True, kw_only=True, tag_field="type", tag=True):
    """One frame."""


class Hello(_Frame, kw_only=True, frozen=True, tag="hello"):
    """The first frame of every stream, always."""

    epoch: str
    """Names the log: after a change of epoch no position means anything."""
    position: Position
    recovered: bool
    """Whether what was missed since the position that the client named follows."""
    ping_s: Seconds
    """Silence of much more than this means that the link is lost."""


class Snapshot(_Frame, kw_only=True, frozen=True, tag="snapshot"):
    """How a workflow stands: at the start, and in place of what a slow client missed."""

    workflow: Workflow


class Changed(_Frame, kw_only=True, frozen=True, tag="status"):
    """A status was accepted."""

    previous: Status | None
    changed: tuple[str, ...]
    """The fields that differ from the record before."""
    workflow: Workflow


class Progressed(_Frame, kw_only=True, frozen=True, tag="progress"):
    """A workflow got further."""

    id: WorkflowId
    position: Position
    revision: Count
    progress: Progress
    usage: Usage | None
    waiting_for: str | None
    workflow: Workflow


class Beat(_Frame, kw_only=True, frozen=True, tag="heartbeat"):
    """A workflow's heartbeat became stale, or fresh again; not with each beat."""

    id: WorkflowId
    position: Position
    heartbeat: Heartbeat
    last_heartbeat_at: Instant | None
    workflow: Workflow


class Ping(_Frame, kw_only=True, frozen=True, tag="ping"):
    """The link lives, and the log has come this far."""

    position: Position


class Resync(_Frame, kw_only=True, frozen=True, tag="resync"):
    """Something was missed that cannot be made up: forget what you hold; snapshots follow."""

    reason: str
    """`epoch` (another log), `overload`, `too_long_ago`."""


class End(_Frame, kw_only=True, frozen=True, tag="end"):
    """The workflow has ended and its terminal status was sent; once per workflow and connection."""

    id: WorkflowId
    position: Position


class Output(_Frame, kw_only=True, frozen=True, tag="output"):
    """Lines that a workflow's process wrote; only on the streams of output."""

    id: WorkflowId
    cursor: str
    """Resume after this; it counts the messages of output, not the positions of the log."""
    lines: tuple[LogLine, ...]
    dropped: Count = 0
    """Lines left out just before these."""


class Rejected(_Frame, kw_only=True, frozen=True, tag="problem"):
    """A message of the client's was not followed; the stream goes on."""

    code: str
    """`malformed_message`, `unknown_workflow`, `too_many_ids`, `wrong_mode`."""
    detail: str
    ids: tuple[str, ...] = ()
    """The workflows that it is about."""


WorkflowFrame = Hello | Snapshot | Changed | Progressed | Beat | Ping | Resync | End
"""What a stream of workflows says of itself; `Rejected` answers a client, and so goes over WebSocket only."""
OutputFrame = Hello | Output | Ping | Resync | End
"""What a stream of output says of itself."""
Frame = Hello | Snapshot | Changed | Progressed | Beat | Ping | Resync | End | Output | Rejected
