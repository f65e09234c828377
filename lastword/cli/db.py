"""`lastword db`: the database's revision, and its contents."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lastword.cli.edge import load_settings
from lastword.cli.errors import CommandFailed, ProblemReport
from lastword.cli.exits import Exit
from lastword.cli.session import Session
from lastword.cli.stored import ask_storage

if TYPE_CHECKING:
    from lastword.storage.settings import StorageSettings

__all__ = ["db"]


@click.group(short_help="Upgrade, downgrade or rebuild the database.")
def db() -> None:
    """Bring the database of this folder's settings to another revision."""


@db.command(short_help="Bring the database to the newest revision.")
@click.argument("revision", default="head")
@click.pass_obj
def upgrade(session: Session, /, revision: str) -> Exit:
    """Bring the database to REVISION, the newest unless named; make it where there is none."""
    from lastword.storage import upgrade as work

    return _moved(session, lambda url: work(url, revision))


@db.command(short_help="Take the database back to an older revision.")
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def downgrade(session: Session, /, revision: str, yes: bool) -> Exit:  # noqa: FBT001  click's way
    """Take the database back to REVISION, such as 0001 or base; what newer ones added is lost."""
    from lastword.storage import downgrade as work

    if not yes:
        click.confirm(
            f"Take the database back to {revision} and lose what newer revisions added?", abort=True
        )
    return _moved(session, lambda url: work(url, revision))


@db.command(short_help="Show the database's revision.")
@click.pass_obj
def current(session: Session, /) -> Exit:
    """Show the revision that the database is at."""
    session.out.print(_run(session, _revision) or "none: lastword has never been here")
    return Exit.SUCCESS


@db.command(short_help="Write the database anew from the log.")
@click.pass_obj
def rebuild(session: Session, /) -> Exit:
    """Write the database anew from the log, which is the truth; the old rows are seen until it is done.

    Rows from before lastword stay. It may run beside supervisors, which wait for it.
    """
    from lastword.bus import BusError
    from lastword.wiring.roles import rebuild as work

    settings = load_settings(session.environ, session.folder)

    async def worked(_url: str) -> int:
        return await work(settings)

    try:
        position = _run(session, worked)
    except BusError as error:
        problem = ProblemReport(code="log", title="The log cannot be read", detail=str(error))
        failure = CommandFailed(problem)
        failure.exit = Exit.UNREACHABLE
        raise failure from error
    session.out.print(f"the database was written anew, up to position {position}")
    return Exit.SUCCESS


def _moved(session: Session, work: Callable[[str], Awaitable[str | None]]) -> Exit:
    async def both(url: str) -> tuple[str | None, str | None]:
        return await work(url), await _revision(url)

    before, after = _run(session, both)
    session.out.print(f"the database is at {after or 'base'} (it was at {before or 'base'})")
    return Exit.SUCCESS


async def _revision(url: str) -> str | None:
    from lastword.storage import current_revision

    return await current_revision(url)


def _run(session: Session, work: Callable[[str], Awaitable[Any]]) -> Any:
    """Do `work` on the database that the settings name; raise `CommandFailed` where it cannot be used."""
    from lastword.storage import database_url

    def worked(storage: "StorageSettings", data: Path) -> Awaitable[Any]:
        return work(database_url(storage, data))

    return ask_storage(session, worked, code="database", title="The database cannot be used")
