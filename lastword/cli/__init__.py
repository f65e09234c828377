"""The command line. Each command is loaded when it is called, so that `lastword list` loads no server."""

import errno
import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from lastword.cli.exits import Exit
from lastword.cli.session import Session

__all__ = ["COMMANDS", "invoke", "main"]


class Lazy(NamedTuple):
    """Where a command is, and its line in the list."""

    module: str
    name: str
    help: str


COMMANDS: Final[dict[str, Lazy]] = {
    "up": Lazy("lastword.cli.up", "up", "Run everything in this terminal."),
    "run": Lazy("lastword.cli.run", "run", "Run one role, for real deployments."),
    "start": Lazy("lastword.cli.start", "start", "Start a workflow."),
    "watch": Lazy("lastword.cli.watch", "watch", "Watch a workflow to its end."),
    "list": Lazy("lastword.cli.browse", "list_", "List workflows."),
    "show": Lazy("lastword.cli.browse", "show", "Show one workflow whole."),
    "logs": Lazy("lastword.cli.logs", "logs", "Show what a workflow's process wrote."),
    "cancel": Lazy("lastword.cli.steer", "cancel", "Ask for a workflow to end."),
    "retry": Lazy("lastword.cli.steer", "retry", "Start an ended workflow's work again."),
    "reconcile": Lazy("lastword.cli.steer", "reconcile", "Find out now whether a workflow's process lives."),
    "definitions": Lazy("lastword.cli.browse", "definitions", "List what can be started."),
    "executors": Lazy("lastword.cli.browse", "executors", "List who runs workflows."),
    "doctor": Lazy("lastword.cli.doctor", "doctor", "Look whether all is well, and say what to do."),
    "canary": Lazy("lastword.cli.canary", "canary", "Check from outside that clients are told the truth."),
    "db": Lazy("lastword.cli.db", "db", "Upgrade, downgrade or rebuild the database."),
    "backup": Lazy("lastword.cli.backup", "backup", "Save everything into a folder."),
    "restore": Lazy("lastword.cli.backup", "restore", "Put back what was saved."),
    "auth": Lazy("lastword.cli.auth", "auth", "Make and revoke tokens, and users of NATS."),
    "health": Lazy("lastword.cli.health", "health", "Tell whether a role of this folder works."),
    "version": Lazy("lastword.cli.version", "version", "Show the version."),
}
"""In the order in which a newcomer needs them."""


class Root(click.Group):
    """The group that loads a command when it is called, and lists all without loading any."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return all names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  as above
        """Return the command, loaded."""
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        command: click.Command = getattr(importlib.import_module(lazy.module), lazy.name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  as above
        """Write the list without loading anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; offer the nearest one for a name that is none."""
        import difflib

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


def _print_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  click's way
    if wanted:
        from lastword import __version__

        click.echo(f"lastword {__version__}")
        context.exit()


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Run CrewAI workflows, and keep what people see of them true.

    A first look: `lastword up --demo` in one terminal, and in a second one
    `lastword start research-brief -i topic="tidal power" --watch`.

    Exit codes: 0 done, or the workflow succeeded; 1 it failed; 3 it was
    cancelled; 2 bad usage; 4 the server cannot be reached; 5 it refused;
    130 interrupted.
    """


def invoke(arguments: Sequence[str], environ: Mapping[str, str], folder: Path, **session: Any) -> int:
    """Run one command and return its exit code; everything that it says is on the standard streams."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without UTF-8 gets escapes, and no crash
            stream.reconfigure(errors="backslashreplace")
    asked = Session(environ=environ, folder=folder, **session)
    asked.as_json = "--json" in arguments  # known before anything is parsed: usage errors are JSON too
    try:
        # Not `main.main`: it makes a reader that has gone exit code 1, which here is a failed workflow.
        with main.make_context("lastword", list(arguments), obj=asked) as context:
            code = main.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as done:  # after --help and --version
        return done.exit_code
    except (KeyboardInterrupt, click.Abort):
        asked.err.print("interrupted")
        return Exit.INTERRUPTED
    except OSError as error:
        # A terminal that was closed says EIO; rich's own error for a pipe has no number.
        if not isinstance(error, BrokenPipeError) and error.errno != errno.EIO:
            return _told(error, asked)
        # What is still buffered cannot be written, and the interpreter must not try at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.PIPE_CLOSED
    except Exception as error:  # noqa: BLE001  the border of the program, where 1 means a failed workflow
        return _told(error, asked)
    return int(code or 0)


def _told(error: Exception, session: Session) -> int:
    from lastword.cli.failures import tell

    return tell(error, session)
