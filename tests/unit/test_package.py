"""What `import lastword` gives, and what it costs."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import lastword

ROOT = Path(__file__).parents[2]


@pytest.fixture
def heard() -> Iterator[list[tuple[float, float | None, str | None]]]:
    """Listen to what is reported."""
    reports: list[tuple[float, float | None, str | None]] = []

    def hear(done: float, total: float | None, label: str | None) -> None:
        reports.append((done, total, label))

    lastword.listen(hear)
    yield reports
    lastword.listen(None)


def test_progress_outside_of_a_workflow_does_nothing() -> None:
    """So that the same code runs by hand."""
    lastword.progress(1, 2, "three")


def test_progress_is_heard(heard: list[tuple[float, float | None, str | None]]) -> None:
    """As it was told."""
    lastword.progress(1)
    lastword.progress(1, 2, "three")
    assert [(1, None, None), (1, 2, "three")] == heard


def test_the_version_is_the_package_s() -> None:
    """It stands in two places, since an interpreter without the package's metadata needs it too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["version"] == lastword.__version__


def test_importing_it_imports_next_to_nothing() -> None:
    """A workflow's own code imports it, perhaps under an interpreter that has nothing else."""
    program = (
        "import sys; before = set(sys.modules); import lastword;"
        "found = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(found - sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "['lastword']" == done.stdout.strip()


def test_the_inside_imports_the_standard_library_alone() -> None:
    """An interpreter of a project's own has no msgspec; of lastword, the rule for nesting is all it loads."""
    program = (
        "import sys; before = set(sys.modules); import lastword.child.inside.forkserver;"
        "found = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(found - sys.stdlib_module_names - {'lastword'}));"
        "print(sorted(n for n in sys.modules if n.startswith('lastword.') and '.inside' not in n))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(ROOT)!r}); {program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = "['lastword.child', 'lastword.contracts', 'lastword.contracts.nesting']"
    assert ["[]", loaded] == done.stdout.split("\n")[:2]
