"""How a failure is told: a sentence, the fields, the remedy; or the problem as JSON."""

import click
import msgspec
from rich.text import Text

from lastword.cli.errors import BadUsage, CommandFailed, ProblemReport, Refused
from lastword.cli.exits import Exit
from lastword.cli.session import Session, as_line
from lastword.telemetry.inert import inert
from lastword.telemetry.secrets import without_secrets

__all__ = ["tell"]


def tell(error: Exception, session: Session) -> int:
    """Write `error` to standard error and return the exit code; re-raise what is no failure but a fault."""
    if isinstance(error, click.ClickException):
        return _tell_click(error, session)
    if isinstance(error, CommandFailed):
        _tell_failure(error, session)
        return error.exit
    session.err.print_exception(show_locals=False)
    session.err.print(f"This is a fault of lastword's command line (exit {Exit.BUG:d}); please report it.")
    return Exit.BUG


def _tell_click(error: click.ClickException, session: Session) -> int:
    if session.as_json:
        _tell_failure(BadUsage(error.format_message()), session)
    else:
        error.show(session.err.file)
    return Exit.USAGE


def _tell_failure(error: CommandFailed, session: Session) -> None:
    err = session.err
    problem = error.problem
    if session.as_json:
        raw = error.raw if error.raw is not None else msgspec.json.encode(problem)
        err.file.write(as_line(raw) + "\n")
        err.file.flush()
        return
    err.print(Text.assemble(("error: ", "bold red"), safe(_sentence(error, problem))))
    for field in problem.errors:
        if not (problem.detail and field.field in problem.detail and field.message in problem.detail):
            err.print(Text.assemble("  ", (safe(field.field), "bold"), f": {safe(field.message)}"))
    if problem.workflow is not None and problem.workflow.is_terminal:
        err.print(f"  See how it ended with `lastword show {problem.workflow.id}`.", style="dim")
    for hint in error.hints:
        err.print(Text(f"  {safe(hint)}"))


def safe(text: str) -> str:
    """Return text of others, inert and without secrets."""
    return inert(without_secrets(text))


def _sentence(error: CommandFailed, problem: ProblemReport) -> str:
    if not problem.detail:
        return problem.title or problem.code
    if isinstance(error, Refused) and problem.title:
        return f"{problem.title}: {problem.detail}"
    return problem.detail
