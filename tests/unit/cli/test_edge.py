"""Where the edge is."""

from pathlib import Path

import pytest

from lastword.cli.edge import find_edge
from lastword.cli.errors import BadUsage

NOWHERE = Path("/nowhere")


def test_the_option_counts_before_the_environment_and_that_before_the_default() -> None:
    """The nearest to the hand wins."""
    environ = {"LASTWORD_URL": "http://from-env:1/"}
    assert "http://from-option:2" == find_edge("http://from-option:2/", environ, NOWHERE).url
    assert "http://from-env:1" == find_edge(None, environ, NOWHERE).url
    assert "http://127.0.0.1:8484" == find_edge(None, {}, NOWHERE).url


def test_the_port_of_the_settings_is_the_default() -> None:
    """Whoever moved the server has said so there."""
    assert "http://127.0.0.1:9000" == find_edge(None, {"LASTWORD_HTTP__PORT": "9000"}, NOWHERE).url


def test_a_folder_with_work_of_its_own_where_nothing_runs_leads_to_a_guess(tmp_path: Path) -> None:
    """Another project's lastword may answer on the usual port; a port of one's own is no guess."""
    assert not find_edge(None, {}, tmp_path).is_guess
    (tmp_path / "lastword.toml").write_text('[workflows.add]\nrun = "work:add"\n', "utf-8")
    assert find_edge(None, {}, tmp_path).is_guess
    (tmp_path / "lastword.toml").unlink()
    (tmp_path / ".lastword").mkdir()
    assert find_edge(None, {}, tmp_path).is_guess
    assert find_edge(None, {"LASTWORD_HTTP__PORT": "0"}, tmp_path).is_guess
    for told in (
        {"LASTWORD_HTTP__PORT": "9000"},
        {"LASTWORD_BUS__URL": "nats://n1"},
        {"LASTWORD_URL": "http://e"},
    ):
        assert not find_edge(None, told, tmp_path).is_guess
    (tmp_path / ".lastword" / "run.json").write_text('{"http": "http://127.0.0.1:8484"}', "utf-8")
    assert not find_edge(None, {}, tmp_path).is_guess


def test_the_token_comes_from_its_variable_or_from_the_settings_of_the_same_server() -> None:
    """A token of this folder's server is not sent to another one."""
    settings = {"LASTWORD_HTTP__TOKEN": "of-the-settings"}
    assert "of-the-settings" == find_edge(None, settings, NOWHERE).token
    assert find_edge("http://elsewhere", settings, NOWHERE).token is None
    assert "given" == find_edge(None, settings | {"LASTWORD_TOKEN": "given"}, NOWHERE).token


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8484",
        "localhost",
        "ftp://host",
        "http://",
        "http://a b",
        "http://h:port",
        "http://h:0",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused_with_an_example(url: str) -> None:
    """Naming where it came from."""
    with pytest.raises(BadUsage, match="--url") as caught:
        find_edge(url, {}, NOWHERE)
    assert "http://127.0.0.1:8484" in caught.value.hints[0]


def test_a_bad_setting_is_named() -> None:
    """Rather than asking a server that the setting might have moved."""
    with pytest.raises(BadUsage, match="LASTWORD_HTTP__PORT"):
        find_edge(None, {"LASTWORD_HTTP__PORT": "many"}, NOWHERE)


def test_a_password_in_an_address_is_not_shown() -> None:
    """Errors repeat the address."""
    assert "http://me:***@host" == find_edge("http://me:hunter2@host", {}, NOWHERE).shown
