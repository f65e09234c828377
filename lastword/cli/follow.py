"""Waiting for a workflow while somebody looks on."""

from contextlib import aclosing
from typing import TYPE_CHECKING

from lastword.cli.exits import Exit, exit_for
from lastword.cli.session import Session
from lastword.cli.views import view_for
from lastword.cli.watching import Seen, Watch
from lastword.cli.words import utc_now
from lastword.contracts.views import Workflow

if TYPE_CHECKING:
    from lastword.cli.client import EdgeClient, Reading

__all__ = ["follow", "interrupted"]


async def follow(
    session: Session,
    client: "EdgeClient",
    workflow_id: str,
    *,
    first: "Reading[Workflow] | None" = None,
    patience_s: float | None = None,
) -> Exit:
    """Show `workflow_id` to its end and return the exit code that tells it."""
    view = view_for(session, utc_now)
    ended = Exit.SUCCESS
    try:
        async with aclosing(Watch(client, workflow_id, patience_s=patience_s).sightings(first)) as sightings:
            async for sighting in sightings:
                view.show(sighting)
                if isinstance(sighting, Seen):
                    ended = exit_for(sighting.workflow.status)
    finally:
        view.close()
    return ended


def interrupted(session: Session, workflow_id: str) -> Exit:
    """Say, after Ctrl-C, that the workflow goes on, and how to come back to it."""
    session.err.print(f"no longer watching; {workflow_id} goes on")
    session.err.print(f"come back with: lastword watch {workflow_id}")
    return Exit.INTERRUPTED
