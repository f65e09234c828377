"""`lastword logs`."""

import asyncio
from typing import TYPE_CHECKING, Final

import click
import msgspec
from rich.text import Text

from lastword.cli.errors import CommandFailed
from lastword.cli.exits import Exit
from lastword.cli.options import edge_options
from lastword.cli.session import Session
from lastword.contracts.messages import LogLine
from lastword.telemetry.inert import inert

if TYPE_CHECKING:
    from lastword.cli.client import EdgeClient

__all__ = ["logs"]

PAGE: Final = 1_000  # messages a request; the most that the edge gives
LOOK_S: Final = 0.5  # between two looks while following
_STYLES: Final = {"stderr": "yellow", "lastword": "dim"}


@click.command(short_help="Show what a workflow's process wrote.")
@click.argument("workflow_id", metavar="ID")
@click.option("-f", "--follow", "followed", is_flag=True, help="Go on until the workflow has ended.")
@edge_options
def logs(session: Session, workflow_id: str, followed: bool) -> Exit:  # noqa: FBT001  click's way
    """Show what a workflow's process wrote, oldest first; with --json one line of JSON each."""
    return session.run(lambda client: _show(session, client, workflow_id, followed=followed))


async def _show(session: Session, client: "EdgeClient", workflow_id: str, *, followed: bool) -> Exit:
    """Write page after page.

    The last page of an ended workflow has no cursor; at the end of a live one's the cursor stands still.
    """
    cursor: str | None = None
    reached = False
    while True:
        try:
            page = (await client.logs(workflow_id, cursor, PAGE)).value
        except CommandFailed as error:
            if error.exit is not Exit.UNREACHABLE or not (followed and reached):
                raise
            session.hint(f"cannot reach the server ({error}); trying again")
            await asyncio.sleep(LOOK_S)
            continue
        reached = True
        if page.dropped:
            session.err.print(f"{page.dropped} lines were left out: written faster than anyone could read")
        for line in page.items:
            _write(session, line)
        stands_still = page.next_cursor == (cursor or "0")
        if page.next_cursor is None or (stands_still and not followed):
            return Exit.SUCCESS
        if stands_still:
            await asyncio.sleep(LOOK_S)
        cursor = page.next_cursor


def _write(session: Session, line: LogLine) -> None:
    if session.as_json:
        session.document(msgspec.json.encode(line))
        return
    text = Text(f"{line.at.astimezone():%H:%M:%S} ", "dim")
    mark = "" if line.stream == "stdout" else f"[{inert(line.stream)}] "
    session.out.print(text.append(mark + inert(line.text), _STYLES.get(line.stream, "default")))
