"""Settings of the actors: `LASTWORD_SUPERVISOR__*`, `LASTWORD_EXECUTOR__*`, `LASTWORD_AUDITOR__*`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from lastword.contracts.ids import Seconds

__all__ = ["AuditorSettings", "DefinitionSettings", "ExecutorSettings", "SupervisorSettings"]

Positive = Annotated[float, Meta(gt=0)]


class DefinitionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[workflows.<name>]` of `lastword.toml`: what can be run. Exactly one of `run` and `project`."""

    run: str | None = None
    """`module:attribute`: a Crew, a Flow, a `@CrewBase` class, a function, or a factory of the first two."""
    project: str | None = None
    """Path of a CrewAI project folder, relative to `lastword.toml`."""
    python: str | None = None
    """Interpreter of the project's own environment; it starts slowly (3-7 s), being no fork."""
    description: str = ""
    """One sentence for the list of what can be started."""
    deadline_s: Positive | None = None
    """How long it may run before its process is killed. Unset: for ever."""
    queue_timeout_s: Positive | None = None
    """How long it may wait for an executor before it fails. Unset: for ever."""


class SupervisorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How reports become statuses."""

    partitions: Annotated[int, Meta(ge=1, le=64)] = 4
    """Parts of the report stream, each read by one supervisor at a time. Changing it migrates the stream."""
    max_in_flight: Annotated[int, Meta(ge=1)] = 256
    """Reports in hand at once and partition; more costs memory, fewer costs throughput."""
    project_every_s: Seconds = 0.02
    """How long the projection gathers records into one transaction; a list is at most this much behind."""


class ExecutorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How work is run."""

    name: str | None = None
    """First part of the executor's name. Unset: the host's name."""
    slots: Annotated[int, Meta(ge=1, le=1024)] = 8
    """How many workflows run at once; each is a process of some 90 MB with CrewAI."""
    heartbeat_interval_s: Positive = 3.0
    """Between two beats. A fifth of the auditor's timeout lets four beats be lost."""
    term_grace_s: Seconds = 1.0
    """Between a polite request to end and SIGTERM, and between SIGTERM and SIGKILL, when cancelled."""
    drain_s: Seconds = 0.0
    """How long a stopping executor lets work finish before it ends it with `shutdown`."""
    when_isolated: Literal["continue", "stop"] = "continue"
    """What to do when cut off from NATS for longer than the heartbeat timeout: finish the work, or end it."""
    serve: tuple[str, ...] = ()
    """Which definitions to serve. Empty: all that `lastword.toml` declares."""
    progress_interval_s: Positive = 0.1
    """At most one progress message per workflow in this time; the last one wins."""


class AuditorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How lost processes are found."""

    heartbeat_timeout_s: Annotated[float, Meta(ge=1)] = 15.0
    """Life of a beat. The server expires beats by whole seconds, so this is rounded up to one."""
    reconnect_window_s: Seconds = 1.5
    """How long an executor whose connection ended may take to come back before the verdict."""
    question_timeout_s: Positive = 0.5
    """How long an executor may take to answer whether it still runs a lease."""
    scan_interval_s: Positive = 3.0
    """Between two looks at everything, which find what no event announced."""
