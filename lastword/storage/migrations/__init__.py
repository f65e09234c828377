"""How the tables came to be, one revision after another; run by `schema`, with Alembic.

A revision, once released, is never edited: it must do tomorrow what it did when a user's database went
through it.  Revisions therefore spell out their tables, statuses and JSON themselves and import nothing
of lastword but what is in this folder.
"""

from typing import Final

__all__ = ["HEAD", "REVISIONS", "VERSION_TABLE"]

REVISIONS: Final = ("0001", "0002", "0003")
"""All revisions, oldest first. Named here so that opening a database need not load Alembic."""
HEAD: Final = REVISIONS[-1]
"""The revision that this program needs."""
VERSION_TABLE: Final = "lastword_version"
"""Where the revision is kept: not `alembic_version`, which may be that of the application beside us."""
