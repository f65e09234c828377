"""Programs for those who work on lastword; no part of the package."""
