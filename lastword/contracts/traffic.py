"""Who says what to whom on NATS: one row per subject, from which schemas and reference pages are made.

The subjects themselves are built in `subjects`, and the messages are the Structs of `messages` and `records`;
nothing is said twice here.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from lastword.contracts import subjects
from lastword.contracts.messages import (
    Answer,
    Cancel,
    Claim,
    Definition,
    Job,
    Logged,
    ProgressMade,
    Pulse,
    Question,
    Reconcile,
    RefusedReport,
    Reply,
    Report,
    Start,
)
from lastword.contracts.records import Record

__all__ = ["TRAFFIC", "Traffic"]

_ID: Final = "Names the message, so that the server drops a repetition."
_STORED: Final = {"Nats-Msg-Id": _ID}


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What travels on one subject."""

    name: str
    subject: str
    """With `*` in place of a name."""
    parameter: str = ""
    """What the `*` stands for."""
    message: Any
    """The Struct of the payload; `str` where it is text."""
    answer: Any = None
    """The Struct of the reply to a request."""
    stream: str | None = None
    senders: tuple[str, ...]
    """Roles; `server` is NATS itself, `client` anyone who is allowed to."""
    receivers: tuple[str, ...]
    summary: str
    headers: dict[str, str] = field(default_factory=dict[str, str])
    """NATS headers that mean something here."""

    @property
    def address(self) -> str:
        """The subject with its parameter named: `lastword.log.{id}`."""
        return self.subject.replace("*", f"{{{self.parameter}}}")


def _command(verb: str, message: Any, summary: str, *, senders: tuple[str, ...], server: str) -> Traffic:
    return Traffic(
        name=verb,
        subject=subjects.command(verb),
        message=message,
        answer=Reply,
        senders=senders,
        receivers=(server,),
        summary=summary,
    )


TRAFFIC: Final = (
    Traffic(
        name="status",
        subject=subjects.status(),
        parameter="id",
        message=Record,
        senders=("server",),
        receivers=("executor", "client"),
        summary="**Listen here**: each accepted record, repeated by the server from the log.",
        headers={
            "Nats-Sequence": "The record's position in the log.",
            "Nats-Last-Sequence": "The position of the record before it on this subject; 0 for the first.",
            "Nats-Stream": "The log's stream.",
            "Nats-Subject": "Where it was appended.",
            "Nats-Time-Stamp": "When the server stored it.",
        },
    ),
    Traffic(
        name="log",
        subject=subjects.log(),
        parameter="id",
        message=Record,
        stream=subjects.LOG_STREAM,
        senders=("supervisor",),
        receivers=("supervisor", "auditor", "edge"),
        summary="The truth. Follow the stream, and do not subscribe: refused writes can be heard here too.",
        headers={
            **_STORED,
            "Nats-Expected-Last-Subject-Sequence": "The append counts only after this very record.",
        },
    ),
    Traffic(
        name="report",
        subject=subjects.report(),
        parameter="id",
        message=Report,
        stream=subjects.REPORT_STREAM,
        senders=("executor", "auditor"),
        receivers=("supervisor",),
        summary="What happened.",
        headers=_STORED,
    ),
    Traffic(
        name="job",
        subject=subjects.job(),
        parameter="definition",
        message=Job,
        stream=subjects.JOB_STREAM,
        senders=("supervisor",),
        receivers=("executor",),
        summary="Work for executors.",
        headers=_STORED,
    ),
    Traffic(
        name="pulse",
        subject=subjects.pulse(),
        parameter="executor",
        message=Pulse,
        stream=subjects.PULSE_STREAM,
        senders=("executor",),
        receivers=("auditor", "supervisor", "edge", "client"),
        summary="One beat per executor and interval, which expires; an empty message marks that it did.",
        headers={
            "Nats-TTL": "How long the beat vouches for its leases.",
            "Nats-Marker-Reason": "On an empty message of the server's: the beat has expired.",
        },
    ),
    Traffic(
        name="progress",
        subject=subjects.progress(),
        parameter="id",
        message=ProgressMade,
        stream=subjects.PROGRESS_STREAM,
        senders=("executor",),
        receivers=("edge", "client"),
        summary="Task k of n, tokens; the last one wins.",
    ),
    Traffic(
        name="logline",
        subject=subjects.logline(),
        parameter="id",
        message=Logged,
        stream=subjects.LOGLINE_STREAM,
        senders=("executor",),
        receivers=("edge",),
        summary="What the process printed.",
    ),
    Traffic(
        name="refused",
        subject=subjects.refused(),
        parameter="id",
        message=RefusedReport,
        stream=subjects.REFUSED_STREAM,
        senders=("supervisor",),
        receivers=("client",),
        summary="Reports that changed nothing, kept a week.",
        headers=_STORED,
    ),
    Traffic(
        name="definition",
        subject=subjects.definition(),
        parameter="name",
        message=Definition,
        stream=subjects.DEFINITION_STREAM,
        senders=("executor",),
        receivers=("supervisor", "edge"),
        summary="What can be started, with its input schema.",
    ),
    Traffic(
        name="metrics",
        subject=subjects.metrics(),
        parameter="process",
        message=str,
        senders=("supervisor", "auditor", "executor", "edge"),
        receivers=("edge",),
        summary="A process's metrics as Prometheus' text, every few seconds.",
    ),
    _command("start", Start, "Run a workflow.", senders=("edge", "client"), server="supervisor"),
    _command("claim", Claim, "Take the lease of a job.", senders=("executor",), server="supervisor"),
    _command("cancel", Cancel, "End a workflow.", senders=("edge", "client"), server="supervisor"),
    _command(
        "reconcile",
        Reconcile,
        "Find out now whether a workflow's process lives.",
        senders=("edge", "client"),
        server="auditor",
    ),
    Traffic(
        name="question",
        subject=subjects.executor(),
        parameter="executor",
        message=Question,
        answer=Answer,
        senders=("auditor",),
        receivers=("executor",),
        summary="Do you still run these leases?",
    ),
)
"""Everything that lastword says on NATS."""
