"""What the edge remembers, and what it forgets."""

import pytest

from lastword.contracts.events import Progress
from lastword.contracts.messages import ProgressMade
from lastword.http.memory import Memory
from tests.samples import second


def made(workflow_id: str, label: str, revision: int = 1) -> ProgressMade:
    """Return how far a workflow got."""
    return ProgressMade(
        id=workflow_id, at=second(1), lease=1, revision=revision, progress=Progress(label=label)
    )


def test_progress_has_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever forges it can name any workflow, and say much; the newest stays."""
    monkeypatch.setattr("lastword.http.memory.PROGRESS_CHARS", 250)
    memory = Memory(set[str]())
    for name in ("w-1", "w-2", "w-3"):
        assert memory.keep_progress(made(name, "x" * 100))
    assert memory.progress_of("w-1") is None
    assert memory.progress_of("w-3") is not None
    assert memory.keep_progress(made("w-3", "y" * 100, revision=2))  # in place of its own
    assert memory.progress_of("w-2") is not None
    memory.drop_progress("w-2")
    memory.drop_progress("w-3")
    assert 0 == memory._progress_chars
