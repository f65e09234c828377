"""`lastword backup` and `lastword restore`: everything that cannot be made again."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lastword.cli.edge import load_settings
from lastword.cli.errors import CommandFailed, ProblemReport
from lastword.cli.exits import Exit
from lastword.cli.session import Session

if TYPE_CHECKING:
    from lastword.settings import Settings
    from lastword.wiring.saved import Manifest

__all__ = ["backup", "restore"]

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(short_help="Save everything into a folder.")
@click.argument("folder", type=_FOLDER)
@click.pass_obj
def backup(session: Session, /, folder: Path) -> Exit:
    """Save everything that cannot be made again into a new FOLDER: log, results, output, definitions, tokens.

    It may run at any time; everything goes on meanwhile. NATS and the database are those of this folder's
    settings; of a NATS server of your own, be the user `backup`. The folder holds inputs, results and digests
    of tokens: keep it as safe as the data itself.
    """
    from lastword.wiring.backup import back_up as work

    manifest = _run(session, lambda settings: work(settings, session.folder / folder))
    session.out.print(f"saved {_describe(manifest)} in {folder}", soft_wrap=True)
    return Exit.SUCCESS


@click.command(short_help="Put back what was saved.")
@click.argument("folder", type=_FOLDER)
@click.option("--check", "only_check", is_flag=True, help="Read the back-up, and change nothing.")
@click.pass_obj
def restore(session: Session, /, folder: Path, only_check: bool) -> Exit:  # noqa: FBT001  click's way
    """Put the back-up in FOLDER into a NATS and a database that hold nothing, before anything is started.

    They are those of this folder's settings, of whichever kind: what was saved from one node and SQLite may
    be restored onto a cluster and PostgreSQL. Of a NATS server of your own, be the user `restore`. Everything
    is compared with the digests of the back-up, before and after.
    """
    from lastword.wiring.backup import restore as work
    from lastword.wiring.saved import check

    path = session.folder / folder

    async def read(_settings: "Settings") -> "Manifest":
        return check(path)

    manifest = _run(session, read if only_check else lambda settings: work(settings, path))
    said = "is whole" if only_check else "restored"
    session.out.print(f"{said}: {_describe(manifest)}, from lastword {manifest.version}", soft_wrap=True)
    if not only_check:
        session.hint("Next: start the supervisors, auditors, executors and edges.")
    return Exit.SUCCESS


def _run(session: Session, work: "Callable[[Settings], Awaitable[Manifest]]") -> "Manifest":
    """Do `work` with the settings of this folder; raise `CommandFailed` with what to do about it."""
    from lastword.bus import BusError
    from lastword.storage import DatabaseUnavailable, StorageError
    from lastword.telemetry.logs import configure_logs
    from lastword.wiring.saved import BackupError

    settings = load_settings(session.environ, session.folder)

    async def worked() -> Any:
        return await work(settings)

    close_logs = configure_logs(settings.log, "backup", stream=sys.stderr.buffer)
    try:
        manifest: Manifest = asyncio.run(worked())
    except (BackupError, BusError, StorageError, OSError) as error:
        failure = CommandFailed(ProblemReport(code="backup", title="It cannot be done", detail=str(error)))
        away = isinstance(error, BusError | DatabaseUnavailable)
        failure.exit = Exit.UNREACHABLE if away else Exit.USAGE
        raise failure from error
    finally:
        close_logs()
    return manifest


def _describe(manifest: "Manifest") -> str:
    size = sum(stream.saved.size for stream in manifest.streams) + manifest.database.size
    return (
        f"the log up to position {manifest.position} and all that goes with it ({size / 1e6:.1f} MB, "
        f"{manifest.made_at:%Y-%m-%d %H:%M:%S}Z)"
    )
