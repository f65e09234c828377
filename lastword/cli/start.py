"""`lastword start`."""

import sys
from typing import TYPE_CHECKING

import click

from lastword.cli.exits import Exit
from lastword.cli.follow import follow, interrupted
from lastword.cli.inputs import parse_inputs
from lastword.cli.options import edge_options, patience_option
from lastword.cli.session import Session
from lastword.contracts.views import StartRequest, Workflow

if TYPE_CHECKING:
    from lastword.cli.client import EdgeClient, Reading

__all__ = ["announce", "begin", "start"]


@click.command(short_help="Start a workflow.")
@click.argument("definition")
@click.option("-i", "pairs", multiple=True, metavar="KEY=TEXT|KEY:=JSON", help="One input; repeatable.")
@click.option("--inputs", "file", metavar="FILE", help="Inputs from a JSON file; - is standard input.")
@click.option("--title", help="What people will call it.")
@click.option("--idempotency-key", "key", metavar="KEY", help="Repeating it never starts a second workflow.")
@click.option("--watch", "watched", is_flag=True, help="Watch it to its end, and exit by it.")
@patience_option
@edge_options
def start(
    session: Session,
    definition: str,
    pairs: tuple[str, ...],
    file: str | None,
    title: str | None,
    key: str | None,
    watched: bool,  # noqa: FBT001  click's way
    patience_s: float | None,
) -> Exit:
    """Start a workflow of DEFINITION.

    Without --watch it writes the new workflow's id: id=$(lastword start NAME) works in a script.
    """
    inputs = parse_inputs(pairs, file, session.folder, sys.stdin)
    request = StartRequest(definition=definition, inputs=inputs.values, title=title)
    return begin(
        session,
        lambda client: client.start(request, key=key, typed=inputs.typed),
        watched=watched,
        patience_s=patience_s,
    )


def begin(session: Session, ask: "Ask", *, watched: bool, patience_s: float | None) -> Exit:
    """Ask for a new workflow, and announce it or watch it."""
    begun: list[str] = []

    async def work(client: "EdgeClient") -> Exit:
        reading = await ask(client)
        begun.append(reading.value.id)
        if watched:
            return await follow(session, client, reading.value.id, first=reading, patience_s=patience_s)
        announce(session, reading)
        return Exit.SUCCESS

    try:
        return session.run(work)
    except KeyboardInterrupt:
        if not begun:
            session.err.print(
                "interrupted before the server answered; `lastword list` shows what was started"
            )
            return Exit.INTERRUPTED
        return interrupted(session, begun[0])


def announce(session: Session, reading: "Reading[Workflow]") -> None:
    """Write the new workflow: its id alone where a script reads, a sentence at a terminal."""
    workflow_id = reading.value.id
    if session.as_json:
        session.document(reading.raw)
    elif session.out.is_terminal:
        done = "had been started before" if reading.replayed else "started"
        session.out.print(f"{done}: {workflow_id}")
        session.hint(f"watch it: lastword watch {workflow_id}")
    else:
        session.out.print(workflow_id)


if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Ask = Callable[[EdgeClient], Awaitable[Reading[Workflow]]]
