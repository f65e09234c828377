"""What a program loads with the storage: SQLAlchemy and Alembic take a second together."""

import subprocess
import sys

SETTINGS = "import lastword.settings"
OPENING = "from lastword.storage import WorkflowStore, open_database, rebuild"


def test_settings_are_read_without_the_database() -> None:
    """Each command reads all settings, and most need no database."""
    assert not {"sqlalchemy", "alembic", "aiosqlite", "asyncpg"} & _loaded_by(SETTINGS)


def test_a_database_is_opened_without_alembic() -> None:
    """Only migrating needs it."""
    loaded = _loaded_by(OPENING)
    assert "sqlalchemy" in loaded
    assert not {"alembic", "asyncpg"} & loaded


def _loaded_by(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(done.stdout.split())
