"""`lastword auth`: tokens made, listed and revoked; keys for NATS written."""

import asyncio
import json
import stat
from pathlib import Path

import pytest

from lastword.cli import invoke
from lastword.cli.exits import Exit
from lastword.contracts.permissions import User
from lastword.storage import upgrade


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a database at the newest revision."""
    asyncio.run(upgrade(f"sqlite:///{tmp_path}/.lastword/lastword.db"))
    return tmp_path


def test_a_token_is_shown_once_and_revoked_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output has the token alone, for scripts; no list shows it again."""
    made = ["auth", "create", "ci", "--role", "operator", "--expires", "90d"]
    assert Exit.SUCCESS == invoke(made, {}, folder)
    shown = capsys.readouterr()
    token = shown.out.strip()
    assert token.startswith("lw_")
    assert 1 == len(shown.out.splitlines())
    assert token not in shown.err
    assert Exit.SUCCESS == invoke(["auth", "list", "--json"], {}, folder)
    (listed,) = json.loads(capsys.readouterr().out)
    assert ("ci", "operator", None) == (listed["name"], listed["role"], listed["revoked_at"])
    assert "digest" not in listed
    assert Exit.SUCCESS == invoke(["auth", "list"], {}, folder)
    assert "never" in capsys.readouterr().out
    assert Exit.USAGE == invoke(made, {}, folder)
    assert "named 'ci' already" in capsys.readouterr().err
    assert Exit.SUCCESS == invoke(["auth", "revoke", "ci"], {}, folder)
    assert Exit.USAGE == invoke(["auth", "revoke", "ci"], {}, folder)
    assert "no token in use" in capsys.readouterr().err
    assert Exit.SUCCESS == invoke(["auth", "list"], {}, folder)
    assert "No token is in use." in capsys.readouterr().out
    assert Exit.SUCCESS == invoke(["auth", "list", "--all"], {}, folder)
    assert "revoked 20" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["create", "ci", "--expires", "soon"], "no span of time"),
        (["create", "ci", "--expires", "0d"], "no span of time"),
        (["create", ""], "printable"),
        (["create", "a\nb"], "printable"),
        (["create", "x" * 61], "printable"),
        (["create", "ci", "--role", "root"], "viewer"),
    ],
)
def test_what_cannot_be_used_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    """And nothing is made."""
    assert Exit.USAGE == invoke(["auth", *arguments], {}, folder)
    assert why in capsys.readouterr().err
    assert Exit.SUCCESS == invoke(["auth", "list", "--all"], {}, folder)
    assert "There are no tokens." in capsys.readouterr().out


def test_a_database_that_is_not_ready_names_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tokens need their table."""
    assert Exit.USAGE == invoke(["auth", "list"], {}, tmp_path)
    assert "lastword db upgrade" in capsys.readouterr().err


def test_keys_are_written_once_and_renewed_by_removing_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second run tells that all is as it should be; a file that holds no seed is named."""
    assert Exit.SUCCESS == invoke(["auth", "nats", "keys"], {}, tmp_path)
    assert len(User) + 1 == len(capsys.readouterr().out.splitlines())
    assert 0o700 == stat.S_IMODE((tmp_path / "keys").stat().st_mode)
    assert Exit.SUCCESS == invoke(["auth", "nats", "keys"], {}, tmp_path)
    assert "all is as it should be" in capsys.readouterr().out
    seed = tmp_path / "keys" / "edge.nk"
    before = seed.read_text("utf-8")
    seed.unlink()
    assert Exit.SUCCESS == invoke(["auth", "nats", "keys"], {}, tmp_path)
    assert 2 == len(capsys.readouterr().out.splitlines())
    assert before != seed.read_text("utf-8")
    seed.write_text("nonsense", "utf-8")
    assert Exit.USAGE == invoke(["auth", "nats", "keys"], {}, tmp_path)
    assert "holds no nkey seed" in capsys.readouterr().err


def test_the_secrets_of_compose_are_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run leaves them, and a file that holds no seed is blamed."""
    assert Exit.SUCCESS == invoke(["auth", "compose", "secrets"], {}, tmp_path)
    assert f"wrote {tmp_path}/secrets/operator-token" in capsys.readouterr().out
    assert Exit.SUCCESS == invoke(["auth", "compose", "secrets"], {}, tmp_path)
    assert f"{tmp_path}/secrets: all is as it should be\n" == capsys.readouterr().out
    (tmp_path / "secrets" / "edge.nk").write_text("no seed")
    assert Exit.USAGE == invoke(["auth", "compose", "secrets"], {}, tmp_path)
    assert "edge.nk" in capsys.readouterr().err
