"""`lastword doctor`: look at everything that a person would look at, and say what to do."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import click
import msgspec
from rich.text import Text

from lastword.cli.checks.findings import Finding, Level
from lastword.cli.edge import load_settings
from lastword.cli.exits import Exit
from lastword.cli.options import edge_options
from lastword.cli.session import Session
from lastword.telemetry.inert import inert

if TYPE_CHECKING:
    from lastword.settings import Settings

__all__ = ["doctor"]

STYLES: Final = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red", Level.SKIP: "dim"}


@click.command(short_help="Look whether all is well, and say what to do.")
@edge_options
def doctor(session: Session) -> Exit:
    """Look at this folder's settings and all that they lead to: NATS, the database, definitions, the edge.

    It changes nothing. On a host of a real deployment it looks as that host's role may, and says what cannot
    be seen from there. Exit code 1 where something does not work.
    """
    settings = load_settings(session.environ, session.folder)
    settings = msgspec.structs.replace(settings, data_dir=str(session.folder / settings.data_dir))

    async def work() -> list[Finding]:
        found: list[Finding] = []
        async for finding in _examine(session, settings):
            found.append(finding)
            if not session.as_json:
                _print(session, finding)
        return found

    with _silence():
        found = asyncio.run(work())
    failed = sum(finding.level is Level.FAIL for finding in found)
    if session.as_json:
        session.out.file.write(json.dumps(msgspec.to_builtins(found)) + "\n")
    else:
        warned = sum(finding.level is Level.WARN for finding in found)
        session.err.print(f"{len(found)} looked at: {failed} failed, {warned} to be warned of")
    return Exit.FAILED if failed else Exit.SUCCESS


async def _examine(session: Session, settings: "Settings") -> AsyncIterator[Finding]:
    """Look at what others need first."""
    from lastword.cli.checks.database import examine_database
    from lastword.cli.checks.edge import examine_edge
    from lastword.cli.checks.host import examine_definitions, examine_folder
    from lastword.cli.checks.nats import Nats, open_nats

    yield examine_folder(settings.data)
    async with AsyncExitStack() as stack:
        nats = await open_nats(settings, stack)
        head = None
        if isinstance(nats, Nats):
            async for finding in nats.examine(settings):
                yield finding
            head = await nats.head()
        else:
            yield nats
        async for finding in examine_database(settings, head):
            yield finding
    async for finding in examine_definitions(settings):
        yield finding
    async with session.client() as client:
        async for finding in examine_edge(client):
            yield finding


def _print(session: Session, finding: Finding) -> None:
    line = Text(f"{finding.level:<5} ", style=STYLES[finding.level])
    line.append(f"{finding.check:<12} ", style="default")
    line.append(inert(finding.said), style="default")
    session.out.print(line, soft_wrap=True)
    if finding.remedy is not None:
        session.out.print(Text(f"{'':19}{inert(finding.remedy)}", style="dim"), soft_wrap=True)


@contextmanager
def _silence() -> Generator[None]:
    """Keep the log lines of what is tried out of what is said about it."""
    import structlog

    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
