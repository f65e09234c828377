"""`lastword cancel`, `retry` and `reconcile`."""

from typing import TYPE_CHECKING

import click

from lastword.cli.exits import Exit
from lastword.cli.follow import follow, interrupted
from lastword.cli.options import edge_options, patience_option
from lastword.cli.page import headline
from lastword.cli.session import Session
from lastword.cli.start import begin
from lastword.cli.words import utc_now
from lastword.contracts.views import Workflow

if TYPE_CHECKING:
    from lastword.cli.client import EdgeClient, Reading

__all__ = ["cancel", "reconcile", "retry"]


@click.command(short_help="Ask for a workflow to end.")
@click.argument("workflow_id", metavar="ID")
@click.option("--wait", "waited", is_flag=True, help="Wait until it has ended; 0 then, however it ended.")
@patience_option
@edge_options
def cancel(session: Session, workflow_id: str, waited: bool, patience_s: float | None) -> Exit:  # noqa: FBT001  click's way
    """Ask for a workflow to end.

    Its process may finish before it hears of it, so that it ends as success or failed. What has ended
    already is refused (exit 5).
    """

    async def work(client: "EdgeClient") -> Exit:
        reading = await client.cancel(workflow_id)
        if waited:
            await follow(session, client, workflow_id, first=reading, patience_s=patience_s)
        else:
            _standing(session, reading)
        return Exit.SUCCESS

    try:
        return session.run(work)
    except KeyboardInterrupt:
        return interrupted(session, workflow_id)


@click.command(short_help="Start an ended workflow's work again.")
@click.argument("workflow_id", metavar="ID")
@click.option("--idempotency-key", "key", metavar="KEY", help="Repeating it never starts a second workflow.")
@click.option("--watch", "watched", is_flag=True, help="Watch the new one to its end, and exit by it.")
@patience_option
@edge_options
def retry(
    session: Session,
    workflow_id: str,
    key: str | None,
    watched: bool,  # noqa: FBT001  click's way
    patience_s: float | None,
) -> Exit:
    """Start an ended workflow's work again, with its inputs, as a new workflow."""
    return begin(
        session, lambda client: client.retry(workflow_id, key=key), watched=watched, patience_s=patience_s
    )


@click.command(short_help="Find out now whether a workflow's process lives.")
@click.argument("workflow_id", metavar="ID")
@edge_options
def reconcile(session: Session, workflow_id: str) -> Exit:
    """Ask now whether a workflow's process lives, and show how it stands after the answer."""

    async def work(client: "EdgeClient") -> Exit:
        _standing(session, await client.reconcile(workflow_id))
        return Exit.SUCCESS

    return session.run(work)


def _standing(session: Session, reading: "Reading[Workflow]") -> None:
    if session.as_json:
        session.document(reading.raw)
    else:
        session.out.print(headline(reading.value, utc_now()))
