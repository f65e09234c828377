"""What is committed is what the contracts say now."""

from pathlib import Path

import pytest

from lastword.contracts.events import Failed
from lastword.contracts.moves import MOVES
from lastword.contracts.statuses import Status
from tools import generate, tables


@pytest.mark.parametrize("path", generate.FILES, ids=lambda path: path.name)
def test_a_generated_file_is_not_stale(path: Path) -> None:
    """`make generate` after a change of the contracts, and commit what changes."""
    assert generate.FILES[path]() == path.read_text("utf-8")


def test_the_diagram_follows_the_table() -> None:
    """Each move is an arrow, and a changed table another picture."""
    diagram = tables.diagram()
    arrows = [line.strip() for line in diagram.splitlines() if " --> " in line]
    moves = {(status, then) for status, row in MOVES.items() for then in row.values()}
    assert len(moves) + sum(not row for row in MOVES.values()) == len(arrows)
    assert "running --> failed: Failed, Lost" in arrows
    assert "success --> [*]" in arrows
    assert diagram != tables.diagram({**MOVES, Status.SUCCESS: {Failed: Status.FAILED}})


def test_a_stale_file_is_named_and_then_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` fails and touches nothing; without it the file is made right, and all is well."""
    path = tmp_path / "docs" / "a.md"
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "FILES", {path: lambda: "new\n"})
    assert 1 == generate.main(["--check"])
    assert "docs/a.md is stale" in capsys.readouterr().err
    assert not path.exists()
    assert 0 == generate.main([])
    assert "new\n" == path.read_text()
    assert 0 == generate.main(["--check"])


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    """The rest of the page is written by people."""
    begin, end = "<!-- printed from X: begin -->", "<!-- printed from X: end -->"
    page = f"before\n{begin}\nold\n{end}\nafter\n"
    assert f"before\n{begin}\nnew\n{end}\nafter\n" == generate.splice(page, "new", "X")
    with pytest.raises(ValueError, match="expected one"):
        generate.splice("no markers", "new", "X")


def test_fields_are_described_by_their_docstrings() -> None:
    """Inherited ones as well: `finished_at` is told in `Ending`, and every end has it."""
    described = generate.render_schema()
    assert '"description": "The server\'s timestamp."' not in described  # `Entry` does not travel
    assert "When the process ended, by the executor's host. RFC 3339, UTC." in described
    assert described.count("What a reader of a success should know, such as tools that failed.") >= 3
