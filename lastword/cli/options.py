"""Options that several commands share, and how a command meets its session."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from lastword.cli.exits import Exit
from lastword.cli.session import Session

__all__ = ["edge_options", "patience_option"]

Body = Callable[..., Exit]


def edge_options(command: Body) -> Body:
    """Add `--url` and `--json`, which land in the session that the command gets first."""

    @click.option(
        "--url",
        metavar="URL",
        help="The server. Default: LASTWORD_URL, or what runs in this folder.",
    )
    @click.option(
        "--json", "as_json", is_flag=True, help="Write JSON alone; errors as problem JSON on standard error."
    )
    @click.pass_obj
    @wraps(command)
    def placed(session: Session, /, url: str | None, as_json: bool, **options: Any) -> Exit:  # noqa: FBT001  click's way
        session.url, session.as_json = url, as_json
        return command(session, **options)

    return placed


def patience_option(command: Body) -> Body:
    """Add `--patience`."""
    return click.option(
        "--patience",
        "patience_s",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        help="Give up (exit 4) after so long without the server. Default: never.",
    )(command)
