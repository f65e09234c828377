"""Imports what is not there."""

import there_is_no_such_module  # type: ignore[import-not-found]  # noqa: F401  # pyright: ignore[reportMissingImports, reportUnusedImport]
