"""docs/how-to/adopt.md, step by step: a table from before lastword, seen by everyone, and given back."""

import re
import sqlite3
from pathlib import Path
from typing import Final

import pytest

from lastword.cli import invoke
from lastword.cli.exits import Exit
from tests.integration.system.harness import System

GUIDE: Final = Path(__file__).parents[3] / "docs" / "how-to" / "adopt.md"

pytestmark = pytest.mark.slow


def rows(path: Path) -> list[tuple[object, ...]]:
    """Return what the table `workflows` holds."""
    with sqlite3.connect(path) as connection:
        return connection.execute("select id, name, status, started_at from workflows order by id").fetchall()


def test_the_worked_example_of_the_guide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The rows are listed and shown with what they said; the way back gives the table that was found."""
    (script,) = re.findall(r"<<'SQL'\n(.*?)\nSQL\n", GUIDE.read_text("utf-8"), re.DOTALL)
    path = tmp_path / "company.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(script)
    before = rows(path)
    system = System(tmp_path, LASTWORD_STORAGE__URL=f"sqlite:///{path}")

    def say(*arguments: str) -> tuple[int, str]:
        code = invoke(arguments, system.environ, tmp_path)
        return code, capsys.readouterr().out

    assert "never been here" in say("db", "current")[1]
    assert Exit.SUCCESS == say("db", "upgrade")[0]
    try:
        system.start().await_definitions("add")
        added = system.begin("add", a=1)
        system.await_end(added)
        _, listed = say("list")
        for part in ("43\t✗ failed (executor_lost)", "42\t✗ failed (exception)", "41\t✓ success", added):
            assert part in listed
        code, shown = say("show", "43")
        assert Exit.SUCCESS == code
        assert "Its status was 'running'" in shown
        assert Exit.FAILED == say("watch", "43")[0]
    finally:
        system.stop()
    assert Exit.SUCCESS == say("db", "downgrade", "0001", "--yes")[0]
    assert before == [row for row in rows(path) if row[0] in {41, 42, 43}]
