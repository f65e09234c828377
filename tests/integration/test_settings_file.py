"""Settings from `lastword.toml`: read from disk, overruled by variables, blamed by its path."""

from pathlib import Path

import pytest

from lastword.cli.edge import find_edge
from lastword.cli.errors import BadUsage
from lastword.settings import BadSetting, read_settings

GOOD = """
data_dir = "elsewhere"

[http]
port = 9000
allowed_hosts = ["a.example"]

[workflows.research-brief]
run = "examples.research:crew"
deadline_s = 900

[workflows.my-crew]
project = "./my_crew"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the path of a good `lastword.toml`."""
    path = tmp_path / "lastword.toml"
    path.write_text(GOOD)
    return path


def blame(file: Path, **variables: str) -> BadSetting:
    """Return the complaint that the file and the variables lead to."""
    with pytest.raises(BadSetting) as bad:
        read_settings({f"LASTWORD_{name}": text for name, text in variables.items()}, file.parent)
    return bad.value


def test_the_file_is_read(file: Path) -> None:
    """Sections, lists and definitions; what it does not say stays as it was."""
    settings = read_settings({}, file.parent)
    assert ("elsewhere", 9000, ("a.example",)) == (
        settings.data_dir,
        settings.http.port,
        settings.http.allowed_hosts,
    )
    assert "127.0.0.1" == settings.http.host
    assert ["research-brief", "my-crew"] == list(settings.workflows)
    assert ("examples.research:crew", 900.0) == (
        settings.workflows["research-brief"].run,
        settings.workflows["research-brief"].deadline_s,
    )


def test_modules_are_found_from_the_folder_of_the_file(file: Path) -> None:
    """Wherever the program was started from."""
    assert str(file.parent.resolve()) == read_settings({}, file.parent).base_dir
    assert str(file.parent.resolve()) == read_settings({"LASTWORD_CONFIG": str(file)}, Path("/")).base_dir


def test_a_variable_overrules_the_file(file: Path) -> None:
    """One value; its neighbours stay as the file says."""
    settings = read_settings({"LASTWORD_HTTP__PORT": "9001"}, file.parent)
    assert (9001, ("a.example",)) == (settings.http.port, settings.http.allowed_hosts)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    """Running on defaults instead would be a surprise in production."""
    path = tmp_path / "missing.toml"
    bad = blame(tmp_path / "lastword.toml", CONFIG=str(path))
    assert ("LASTWORD_CONFIG", f"there is no file {path}") == (bad.source, bad.problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[http\nport = 1", "line 1"),
        ("port 1", "line 1"),
        ("[http]\nport = 1\nport = 2\n", "line 3"),
        ("[http]\nprot = 1", "did you mean `http.port`"),
        ("[htpp]\nport = 1", "did you mean `http`"),
        ('[http]\nport = "x"', "$.http.port"),
        ("http = 3", "$.http"),
        ('[workflows.good]\nrun = "a:b"\n[workflows.bad]\nruns = "a:b"', "workflows.bad"),
        ("workflows = 3", "$.workflows"),
        ('[workflows."a b"]\nrun = "a:b"', "[workflows.a b]"),
        ("[workflows.brief]", "[workflows.brief]: give either `run` or `project`"),
        ("[auditor]\nheartbeat_timeout_s = 4", "auditor.heartbeat_timeout_s (4)"),
        ("[auditor]\nheartbeat_timeout_s = inf", "auditor.heartbeat_timeout_s"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong_in_it(file: Path, text: str, problem: str) -> None:
    """The path of the file, and the line or the setting."""
    file.write_text(text)
    bad = blame(file)
    assert str(file) == bad.source
    assert problem in bad.problem


def test_a_file_that_is_no_text_is_named(file: Path) -> None:
    """TOML is UTF-8."""
    file.write_bytes(b'data_dir = "\xff"')
    bad = blame(file)
    assert str(file) == bad.source
    assert "utf-8" in bad.problem


def test_a_folder_in_the_files_place_is_named(tmp_path: Path) -> None:
    """A path that cannot be read is an error, not an absent file."""
    (tmp_path / "lastword.toml").mkdir()
    bad = blame(tmp_path / "lastword.toml")
    assert (str(tmp_path / "lastword.toml"), "cannot be read: Is a directory") == (bad.source, bad.problem)


def test_a_variable_is_blamed_for_what_it_does_to_a_good_file(file: Path) -> None:
    """Where both have a part in it, both are named."""
    assert "LASTWORD_HTTP__PORT" == blame(file, HTTP__PORT="x").source
    assert f"{file}, LASTWORD_EXECUTOR__SERVE" == blame(file, EXECUTOR__SERVE="nobody").source


def test_a_variable_may_name_a_file_that_holds_the_value(tmp_path: Path) -> None:
    """As containers get their secrets; the end of the line is no part of them."""
    secret = tmp_path / "token"
    secret.write_text("s3cret \n")
    assert "s3cret " == read_settings({"LASTWORD_HTTP__TOKEN_FILE": str(secret)}, tmp_path).http.token
    secret.write_text("9001")
    assert 9001 == read_settings({"LASTWORD_HTTP__PORT_FILE": str(secret)}, tmp_path).http.port


def test_a_file_with_a_value_is_blamed_for_it(tmp_path: Path) -> None:
    """One that is not there, one that holds nothing usable, and one of two that say the same."""
    secret = tmp_path / "port"
    settings = tmp_path / "lastword.toml"
    missing = blame(settings, HTTP__PORT_FILE=str(secret))
    assert ("LASTWORD_HTTP__PORT_FILE", f"{secret} cannot be read: No such file or directory") == (
        missing.source,
        missing.problem,
    )
    secret.write_text("x")
    assert "LASTWORD_HTTP__PORT_FILE" == blame(settings, HTTP__PORT_FILE=str(secret)).source
    both = blame(settings, HTTP__PORT="9", HTTP__PORT_FILE=str(secret))
    assert "LASTWORD_HTTP__PORT_FILE" == both.source
    assert "LASTWORD_HTTP__PORT is set as well" in both.problem
    assert "did you mean" in blame(settings, HTTP__PROT_FILE=str(secret)).problem


def test_the_token_of_the_command_line_may_lie_in_a_file(tmp_path: Path) -> None:
    """As a container's secrets do; one that cannot be read is named."""
    path = tmp_path / "token"
    environ = {"LASTWORD_TOKEN_FILE": str(path)}
    with pytest.raises(BadUsage, match="LASTWORD_TOKEN_FILE"):
        find_edge(None, environ, tmp_path)
    path.write_text("of-the-file\n")
    assert "of-the-file" == find_edge("http://elsewhere", environ, tmp_path).token
    assert "of-the-file" == find_edge(None, environ, tmp_path).token
    assert "given" == find_edge(None, environ | {"LASTWORD_TOKEN": "given"}, tmp_path).token
