"""What an executor asks of a workflow's process, and what that process says and how it ended.

A process speaks in lines of JSON on a private pipe (`Spoken`); its side is written with the standard library
alone (`lastword.child.inside`), since it may run under an interpreter that has no msgspec.
What it prints comes over two more pipes.  `Child.messages` gives both to the executor as `Message`s.

Nothing of this travels on NATS: these types may change with any release.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from lastword.contracts.events import Error, Progress, Usage
from lastword.contracts.ids import Count, Seconds
from lastword.contracts.messages import LogLine
from lastword.contracts.statuses import ErrorCode

__all__ = [
    "Described",
    "Description",
    "Ended",
    "Final",
    "Lines",
    "Message",
    "Progressed",
    "Raised",
    "Returned",
    "Said",
    "Spoken",
    "Started",
    "Stopped",
    "Target",
    "Waiting",
    "Work",
]

Kind = Literal["crew", "flow", "function"]


class Target(Struct, frozen=True, kw_only=True):
    """What is to be run: the part of a definition's settings that a process needs."""

    run: str | None = None
    """`module:attribute`; exactly one of `run` and `project` is given."""
    project: str | None = None
    """A CrewAI project folder, relative to `base_dir`."""
    python: str | None = None
    """Interpreter of the project's own environment, relative to `base_dir`. Unset: lastword's own."""
    base_dir: str = "."
    """Folder from which modules and projects are found."""


class Work(Struct, frozen=True, kw_only=True):
    """One workflow to run in a process of its own."""

    workflow_id: str
    target: Target
    inputs: dict[str, Any] = {}
    run_dir: str
    """Folder for what CrewAI stores in this run (`CREWAI_STORAGE_DIR`); made if absent, never removed."""
    environment: dict[str, str] = {}
    """Variables set in the process before anything of the target is imported."""
    fallback_environment: dict[str, str] = {}
    """Variables set only where neither the process's environment nor the project's `.env` configures a
    provider of language models: the place for the offline model's variables."""
    fallback_unless: tuple[str, ...] = ()
    """What configures a provider: patterns such as `OPENAI_API_KEY=?*`, matched against `NAME=value`."""
    max_result_bytes: int = 16 * 1024 * 1024
    """Bytes of JSON beyond which a result is refused and the run fails."""
    progress_interval_s: Seconds = 0.05
    """The process sends at most one progress message in this time; the last one wins."""


class Description(Struct, frozen=True, kw_only=True):
    """What a target turned out to be, found by loading it in a process of its own."""

    kind: Literal["crew", "flow", "function", "broken"]
    input_schema: dict[str, Any]
    """JSON Schema 2020-12 of the inputs, always of type `object`."""
    description: str = ""
    """First paragraph of the docstring, where there is one."""
    error: str | None = None
    """Why it is broken: the last lines of the traceback."""
    uses_crewai: bool = False
    """Whether loading it imported CrewAI."""


# What a process says: one line of JSON each, told apart by `says`.


class _Line(Struct, frozen=True, kw_only=True, tag_field="says", tag=str.lower):
    """One line of the private pipe."""


class Started(_Line, frozen=True, kw_only=True):
    """The target is loaded, its inputs are good, and it is about to be called. At most once."""

    kind: Kind
    heeds_cancel: bool = False
    """Whether the process stops politely when asked: between the steps of agents. A function does not."""


class Progressed(_Line, frozen=True, kw_only=True):
    """How far the work got, and what it has used so far. Only the latest is kept for a slow reader."""

    progress: Progress
    usage: Usage | None = None


class Waiting(_Line, frozen=True, kw_only=True):
    """The work waits for a person, or (null) no longer does. Only the latest is kept for a slow reader."""

    waiting_for: str | None = None


class Said(_Line, frozen=True, kw_only=True):
    """Something worth a line of the log; the executor sees it among `Lines`, with stream `lastword`."""

    at: float
    """Seconds since the epoch, by the process's clock."""
    text: str


class Described(_Line, frozen=True, kw_only=True):
    """The answer of a process that was only asked what its target is."""

    description: Description


class _Ending(_Line, frozen=True, kw_only=True):
    """The explicit last word of a process; without one there is no success."""

    warnings: tuple[str, ...] = ()
    usage: Usage | None = None
    progress: Progress | None = None


class Returned(_Ending, frozen=True, kw_only=True):
    """The work is done, and this is its result."""

    result: msgspec.Raw = msgspec.Raw(b"null")
    """JSON as it came, so that 16 MiB need not be decoded to be passed on: `bytes(result)` is the text,
    `msgspec.json.decode(result)` the value."""


class Raised(_Ending, frozen=True, kw_only=True):
    """The work failed and could say how."""

    error: Error
    """`exception`, `invalid_inputs`, `spawn_failed` or `exit_without_result` (`SystemExit` in the work)."""


class Stopped(_Ending, frozen=True, kw_only=True):
    """The work ended between two steps because it was asked to (`Child.cancel`)."""


Final = Returned | Raised | Stopped
Spoken = Started | Progressed | Waiting | Said | Described | Final


class Lines(Struct, frozen=True, kw_only=True):
    """Lines of the log in order: printed (`stdout`, `stderr`) or said (`lastword`)."""

    lines: tuple[LogLine, ...]
    """At most 512, and at most 128 KiB of text."""
    dropped: Count = 0
    """Lines left out just before these, because the process wrote faster than they were taken."""


Message = Started | Progressed | Waiting | Lines


class Ended(Struct, frozen=True, kw_only=True):
    """How a process ended. Everything it had written is read, and its process group is dead."""

    finished_at: datetime
    """Wall clock, UTC, when the kernel said that it had ended."""
    ended_at_s: Annotated[float, Meta(description="time.monotonic()")]
    """The same instant on the monotonic clock."""
    exit_code: int | None = None
    """Exactly one of this and `signal` is given."""
    signal: str | None = None
    """Name of the signal that ended it, such as `SIGKILL`."""
    final: Final | None = None
    """Its last word; None where it ended without one."""
    last_lines: tuple[str, ...] = ()
    """The last 20 lines that it printed."""
    progress: Progress | None = None
    """How far it had got: of the last word, or the latest before."""
    usage: Usage | None = None
    """What it had used: of the last word, or the latest before."""
    warnings: tuple[str, ...] = ()
    """What a reader of a success should know."""
    note: str | None = None
    """What else is known about the end, such as that the fork server died with it."""

    @property
    def error(self) -> Error | None:
        """Return what went wrong, or None where the work returned.

        It does not know why a process was ended: who killed it for a deadline, a shutdown or a cancel
        says so instead.
        """
        match self.final:
            case Returned():
                return None
            case Raised(error=error):
                return error
            case _:
                return self._abrupt()

    def _abrupt(self) -> Error:
        output = "\n".join(self.last_lines) or None
        if self.signal is not None:
            how = self.note or f"the process was ended by {self.signal}"
            return Error(code=ErrorCode.ABRUPT_EXIT, message=how, signal=self.signal, output=output)
        if self.exit_code == 0:
            how = "the process ended with exit code 0 but without a result"
            return Error(code=ErrorCode.EXIT_WITHOUT_RESULT, message=how, exit_code=0, output=output)
        how = self.note or f"the process ended with exit code {self.exit_code}"
        return Error(code=ErrorCode.ABRUPT_EXIT, message=how, exit_code=self.exit_code, output=output)
