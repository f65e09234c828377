"""`lastword watch`."""

import click

from lastword.cli.exits import Exit
from lastword.cli.follow import follow, interrupted
from lastword.cli.options import edge_options, patience_option
from lastword.cli.session import Session

__all__ = ["watch"]


@click.command(short_help="Watch a workflow to its end.")
@click.argument("workflow_id", metavar="ID")
@patience_option
@edge_options
def watch(session: Session, workflow_id: str, patience_s: float | None) -> Exit:
    """Watch a workflow to its end, and exit by it: 0 success, 1 failed, 3 cancelled.

    Ctrl-C stops watching; the workflow goes on. A server that goes away is waited for.
    """
    try:
        return session.run(lambda client: follow(session, client, workflow_id, patience_s=patience_s))
    except KeyboardInterrupt:
        return interrupted(session, workflow_id)
