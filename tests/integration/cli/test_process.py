"""The command line as a process: what it loads, and what its page says."""

import os
import subprocess
import sys
from pathlib import Path

from lastword.cli.reference import cli_page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
PROBE = """
import sys, lastword.__main__ as program
try:
    program.main()
except SystemExit:
    print(sorted({heavy} & set(sys.modules)), file=sys.stderr)
"""


def loaded(heavy: set[str], *arguments: str) -> str:
    """Return which of `heavy` a command has loaded by its end."""
    command = [sys.executable, "-c", PROBE.format(heavy=heavy), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()[-1]


def test_the_help_loads_neither_network_nor_screen() -> None:
    """It is what people wait for most often."""
    heavy = {"httpx", "rich", "litestar", "nats", "sqlalchemy", "crewai", "structlog", "msgspec", "asyncio"}
    assert "[]" == loaded(heavy, "--help")


def test_a_command_that_asks_a_server_loads_no_server() -> None:
    """Nor a database, nor CrewAI."""
    heavy = {"litestar", "nats", "sqlalchemy", "alembic", "uvicorn", "crewai"}
    assert "[]" == loaded(heavy, "list", "--url", "http://127.0.0.1:9")


def test_a_reader_that_has_gone_is_no_failed_workflow() -> None:
    """Exit 141, as of other programs in a pipe, and not a word."""
    command = [sys.executable, "-m", "lastword", "version"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        assert 141 == process.wait(30)
    assert b"" == said


def test_a_terminal_that_has_gone_is_a_reader_that_has_gone() -> None:
    """Exit 141, as of a pipe: the window was closed while something was still to be said."""
    reader, terminal = os.openpty()
    os.close(reader)
    command = [sys.executable, "-m", "lastword", "version"]
    with subprocess.Popen(command, stdout=terminal, stderr=subprocess.PIPE) as process:
        os.close(terminal)
        assert process.stderr is not None
        said = process.stderr.read()
        assert 141 == process.wait(30)
    assert b"" == said


def test_the_committed_page_is_the_generated_one() -> None:
    """`python -m lastword.cli.reference > docs/reference/cli.md` makes it so again."""
    assert cli_page() == PAGE.read_text("utf-8")
