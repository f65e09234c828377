"""Commands that work on the database itself, and not through an edge."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lastword.cli.edge import load_settings
from lastword.cli.errors import CommandFailed, ProblemReport
from lastword.cli.exits import Exit
from lastword.cli.session import Session

if TYPE_CHECKING:
    from lastword.storage.settings import StorageSettings

__all__ = ["ask_storage"]


def ask_storage(
    session: Session, work: "Callable[[StorageSettings, Path], Awaitable[Any]]", *, code: str, title: str
) -> Any:
    """Do `work` with the settings of the database and the data folder.

    Where the database cannot be used, raises `CommandFailed` with the problem's `code` and `title`.
    """
    from lastword.storage import DatabaseUnavailable, StorageError

    settings = load_settings(session.environ, session.folder)

    async def worked() -> Any:
        return await work(settings.storage, session.folder / settings.data)

    try:
        return asyncio.run(worked())
    except StorageError as error:
        failure = CommandFailed(ProblemReport(code=code, title=title, detail=str(error)))
        failure.exit = Exit.UNREACHABLE if isinstance(error, DatabaseUnavailable) else Exit.USAGE
        raise failure from error
