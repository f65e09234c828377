"""Guessing from its source whether a target will import CrewAI, without importing anything.

The imports of its module are followed through the files beside it.  A wrong guess costs time (the process
imports CrewAI itself) or memory (it has it for nothing), never correctness.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from lastword.child.protocol import Target

__all__ = ["mentions_crewai"]

MAX_FILES = 200
"""How many files are looked into before the answer is yes."""


def mentions_crewai(target: Target, path: list[str]) -> bool:
    """Tell whether `target`, whose modules are found in its folder or on `path`, seems to import CrewAI."""
    if target.run is None:
        return True  # only CrewAI has projects
    base = Path(target.base_dir)
    folders = [base, base / "src", *map(Path, path)]
    module = target.run.partition(":")[0]
    root = next((folder for folder in folders if _file_of(module, folder)), None)
    if root is None:
        return False
    waiting, seen = [module], {module}
    while waiting:
        name = waiting.pop()
        if name.partition(".")[0] in {"crewai", "crewai_tools"} or len(seen) > MAX_FILES:
            return True
        file = _file_of(name, root)
        if file is None:
            continue
        found = set(_imports(file, name)) - seen
        seen |= found
        waiting += found
    return False


def _file_of(module: str, folder: Path) -> Path | None:
    stem = folder.joinpath(*module.split("."))
    candidates = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _imports(file: Path, module: str) -> Iterator[str]:
    """Yield the modules that a file imports anywhere, and the names that it takes from packages."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - (node.level - 1)] if node.level else []
            origin = ".".join(filter(None, [*parts, node.module or ""]))
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)
