"""What the folder offers."""

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

import lastword.storage
from lastword.storage import exceptions
from lastword.storage.migrations import HEAD, REVISIONS


def test_every_public_name_is_there() -> None:
    """They are loaded when first used, so a slip would otherwise show only then."""
    assert sorted(lastword.storage.__all__) == lastword.storage.__all__
    for name in lastword.storage.__all__:
        assert name == getattr(lastword.storage, name).__name__
    assert set(exceptions.__all__) <= set(lastword.storage.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lastword.storage.nothing


def test_the_named_revisions_are_the_migrations() -> None:
    """`HEAD` is written by hand, and must be what Alembic finds."""
    folder = Path(lastword.storage.migrations.__file__ or "").parent
    scripts = ScriptDirectory(str(folder))
    assert list(REVISIONS) == [script.revision for script in scripts.walk_revisions()][::-1]
    assert [HEAD] == scripts.get_heads()
