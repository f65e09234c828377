"""What can go wrong between the command line and the edge.

CommandFailed       has an exit code, a problem for programs and a remedy for people
├── BadUsage        the command line or the settings cannot be used
├── Unreachable     nobody answers at the address, or not as lastword does
└── Refused         the server answered with a problem
"""

import difflib
from typing import Any

from msgspec import Struct

from lastword.cli.exits import Exit
from lastword.contracts.messages import FieldError
from lastword.contracts.views import Workflow

__all__ = ["BadUsage", "CommandFailed", "ProblemReport", "Refused", "Unreachable"]


class ProblemReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem as the server tells it (RFC 9457); lenient, because a proxy may have written it."""

    status: int = 0
    """The HTTP status; 0 where there was no answer."""
    code: str = ""
    title: str = ""
    detail: str = ""
    errors: tuple[FieldError, ...] = ()
    known: tuple[str, ...] = ()
    retry_after_s: float | None = None
    workflow: Workflow | None = None


class CommandFailed(Exception):
    """A command did not do what was asked."""

    exit = Exit.BUG

    def __init__(
        self, problem: ProblemReport, *, hints: tuple[str, ...] = (), raw: bytes | None = None
    ) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem
        self.hints = hints
        """What to do about it, one sentence each."""
        self.raw = raw
        """The server's own JSON, where there is one."""


class BadUsage(CommandFailed):
    """What was typed or set cannot be used; nothing was asked of the server."""

    exit = Exit.USAGE

    def __init__(self, detail: str, *hints: str) -> None:
        problem = ProblemReport(code="bad_usage", title="The command cannot be used like this", detail=detail)
        super().__init__(problem, hints=hints)


class Unreachable(CommandFailed):
    """Nobody at `url` answers as lastword does; `source` says why it was asked at all."""

    exit = Exit.UNREACHABLE

    def __init__(self, url: str, source: str, reason: str) -> None:
        detail = f"no lastword answers at {url} ({source}): {reason}"
        problem = ProblemReport(code="unreachable", title="The server cannot be reached", detail=detail)
        hints = ("Start one with `lastword up`, or name another with --url or LASTWORD_URL.",)
        super().__init__(problem, hints=hints)
        self.url = url
        self.reason = reason


class Refused(CommandFailed):
    """The server answered with a problem."""

    exit = Exit.REFUSED

    def __init__(self, problem: ProblemReport, raw: bytes | None = None, **asked: Any) -> None:
        super().__init__(problem, hints=_remedies(problem, asked), raw=raw)
        if problem.status in {502, 503, 504}:
            self.exit = Exit.UNREACHABLE


def _remedies(problem: ProblemReport, asked: dict[str, Any]) -> tuple[str, ...]:
    """Say what to do, from what was asked and what is known."""
    hints: list[str] = []
    if problem.known:
        near = difflib.get_close_matches(str(asked.get("definition", "")), problem.known, n=1)
        if near:
            hints.append(f"Did you mean {near[0]}?")
        if not all(name in problem.detail for name in problem.known):
            hints.append(f"There are: {', '.join(problem.known)}.")
    elif problem.code == "unknown_definition":
        hints.append("None are known: declare [workflows.<name>] in lastword.toml, and run an executor.")
    typed = asked.get("typed", frozenset[str]())
    for error in problem.errors:
        name = error.field.removeprefix("inputs.")
        if name in typed:
            hints.append(
                f"`-i {name}=…` gives text; write `-i {name}:=…` for a number, true, a list or an object."
            )
    if problem.status == 401:
        hints.append("Set LASTWORD_TOKEN to a token of this server.")
    if problem.code == "unknown_workflow":
        hints.append("See what there is with `lastword list`.")
    if problem.retry_after_s is not None:
        hints.append(f"Try again in {problem.retry_after_s:g} s.")
    return tuple(hints)
