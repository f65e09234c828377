"""What may be written in `LASTWORD_STORAGE__URL`, and what of it may be seen."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastword.storage.exceptions import BadDatabaseUrl
from lastword.storage.settings import StorageSettings
from lastword.storage.urls import PostgresServer, SqliteFile, database_url, parse_url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///lastword.db", "lastword.db"),
        ("sqlite:////srv/data/a b%20.db", "/srv/data/a b%20.db"),
        ("sqlite+aiosqlite:////srv/a.db", "/srv/a.db"),
    ],
)
def test_a_file_is_named_by_its_path(url: str, path: str) -> None:
    """Three slashes are relative to the working folder, four are absolute; nothing is unescaped."""
    assert SqliteFile(path=Path(path)) == parse_url(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_a_server_is_named_as_libpq_does(scheme: str) -> None:
    """The rest goes to the driver as it is, several hosts and TLS included."""
    rest = "ann@h1:5432,h2/name?sslmode=verify-full&sslrootcert=/etc/ca.pem"
    assert PostgresServer(dsn=f"postgresql://{rest}") == parse_url(f"{scheme}://{rest}")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("lastword.db", "it is no URL"),
        ("", "it is no URL"),
        ("mysql://ann@host/name", "'mysql' is no database that lastword knows"),
        ("sqlite://", "SQLite needs the path of a file"),
        ("sqlite:///", "SQLite needs the path of a file"),
        ("sqlite:///:memory:", "SQLite needs the path of a file"),
        ("sqlite://host/a.db", "SQLite needs the path of a file"),
        ("sqlite:///a.db?mode=ro", "SQLite needs the path of a file"),
    ],
)
def test_anything_else_is_refused(url: str, problem: str) -> None:
    """With the setting's name and what may be written instead."""
    with pytest.raises(BadDatabaseUrl, match=f"LASTWORD_STORAGE__URL.*{problem}.*sqlite:///path/to/file"):
        parse_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:pw@host/name", "postgresql://ann:***@host/name"),
        ("postgresql://ann:p:w@x@host:5/name", "postgresql://ann:***@host:5/name"),
        (
            "postgresql://host/name?user=ann&password=pw&ssl=on",
            "postgresql://host/name?user=ann&password=***&ssl=on",
        ),
        ("postgresql://host/name", "postgresql://host/name"),
    ],
)
def test_a_password_is_not_shown(url: str, shown: str) -> None:
    """Nor is one that nobody escaped."""
    assert f"the database {shown}" == parse_url(url).shown


@given(
    st.text(st.characters(codec="ascii", exclude_characters="\n"), min_size=6).map(lambda text: f"Q{text}Q")
)
def test_no_part_of_a_password_is_shown(password: str) -> None:
    """Whatever characters it has."""
    assert password not in parse_url(f"postgresql://ann:{password}@host/name").shown
    with pytest.raises(BadDatabaseUrl) as caught:
        parse_url(f"oracle://ann:{password}@host/name")
    assert password not in str(caught.value)


def test_without_a_setting_the_file_is_in_the_data_folder() -> None:
    """As `lastword up` has it."""
    assert "sqlite:///.lastword/lastword.db" == database_url(StorageSettings(), Path(".lastword"))
    assert "sqlite:////srv/lastword.db" == database_url(StorageSettings(), Path("/srv"))
    assert "postgresql://h/n" == database_url(StorageSettings(url="postgresql://h/n"), Path("/srv"))
