"""What witnesses saw of one campaign. All times are `CLOCK_MONOTONIC` of the one machine, in seconds."""

from typing import Final

from msgspec import Struct

__all__ = ["SLACK_S", "Acknowledged", "Client", "Faulted", "History", "Lived", "Recorded", "Told"]

SLACK_S: Final = 7.0
"""What a machine with two cores under a campaign may add to a bound."""


class Lived(Struct, frozen=True, kw_only=True):
    """The process of a workflow: what it said of itself, and what the kernel said of it."""

    workflow: str
    pid: int
    began_s: float
    word: str | None = None
    """How it was about to end, written just before: `returns`, `raises`, `exits 3`, `dies SIGSEGV`."""
    ended_s: float | None = None
    """When its pidfd told of its end; None where it never did."""


class Faulted(Struct, frozen=True, kw_only=True):
    """One fault that struck."""

    kind: str
    """What was done, and to what: `kill executor`, `cut executor`."""
    target: str
    """A process's name, such as `x0-3` (the third executor in the first place), or a workflow's id."""
    began_s: float
    ended_s: float
    """When it was over and its victim, if it has one, ran again."""


class Acknowledged(Struct, frozen=True, kw_only=True):
    """A command that was answered with success."""

    verb: str
    workflow: str
    at_s: float


class Recorded(Struct, frozen=True, kw_only=True):
    """One record of the log, as far as it is judged."""

    position: int
    workflow: str
    status: str
    how: str
    """The way of ending that was ordered, from the workflow's inputs."""
    stored_s: float
    """The server's timestamp, on the campaign's clock."""
    lease: int | None = None
    executor: str | None = None
    code: str | None = None
    cause: str = ""


class Told(Struct, frozen=True, kw_only=True, array_like=True):
    """One thing that a client was told."""

    at_s: float
    kind: str
    workflow: str
    position: int
    status: str | None


class Client(Struct, frozen=True, kw_only=True):
    """What one client was told, in order, over all its connections."""

    name: str
    wire: str
    promised: bool
    """Whether it must have been told how everything that it followed ended; a plain subscriber need not."""
    follows: tuple[str, ...] | None
    """Workflows; None for all of the campaign."""
    told: tuple[Told, ...]


class History(Struct, frozen=True, kw_only=True):
    """Everything."""

    lived: tuple[Lived, ...]
    faults: tuple[Faulted, ...]
    acknowledged: tuple[Acknowledged, ...]
    log: tuple[Recorded, ...]
    clients: tuple[Client, ...]
    database: str
    """The digest of the database at the end."""
    replay: str
    """The digest of a database that follows the same log."""
    stale: tuple[int, ...] = ()
    """How many stale heartbeats each edge shows at the end."""
    denied: tuple[str, ...] = ()
    """What processes asked of NATS and may not."""
    slack_s: float = SLACK_S
    """What the machine that it was played on may add to a bound."""
