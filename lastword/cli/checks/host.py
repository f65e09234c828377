"""This host: its data folder, and the definitions that its settings declare."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from lastword.child.pool import ChildPool
from lastword.child.protocol import Target
from lastword.cli.checks.findings import Finding, fail, fine, warn
from lastword.offline import provider_configured, serve
from lastword.settings import Settings

__all__ = ["examine_definitions", "examine_folder"]

LOW_BYTES: Final = 1 << 30
"""Free space under which there is a warning: a full disk stops the log."""


def examine_folder(data: Path) -> Finding:
    """Look whether the data folder can be written, and how much space is left."""
    check = "data folder"
    standing = next(folder for folder in (data, *data.absolute().parents) if folder.exists())
    if not standing.is_dir() or not os.access(standing, os.W_OK | os.X_OK):
        remedy = "Make it writable, or set LASTWORD_DATA_DIR to another folder."
        return fail(check, f"{data} cannot be written", remedy)
    free = shutil.disk_usage(standing).free
    if free < LOW_BYTES:
        return warn(check, f"{data} has {free >> 20} MiB left", "Make room: a full disk stops the log.")
    return fine(check, f"{data}, {free >> 30} GiB free")


async def examine_definitions(settings: Settings) -> AsyncIterator[Finding]:
    """Load each definition in a process of its own, as an executor does when it starts.

    Where no language model is configured, the built-in one stands in, as in `lastword up`.
    """
    if not settings.workflows:
        return
    offline = settings.llm.offline is not False and provider_configured(os.environ) is None
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(serve()) if offline else None
        pool = ChildPool()
        stack.push_async_callback(pool.close)
        for name, definition in settings.workflows.items():
            target = Target(
                run=definition.run,
                project=definition.project,
                python=definition.python,
                base_dir=settings.base_dir,
            )
            fallback = model.environment(os.environ) if model else {}
            found = await pool.describe(target, fallback_environment=fallback)
            if found.error is None:
                yield fine("definition", f"{name}: a {found.kind}")
            else:
                remedy = f"Mend it; {settings.base_dir} is where modules and projects are looked for."
                yield fail("definition", f"{name} cannot be loaded: {found.error}", remedy)
