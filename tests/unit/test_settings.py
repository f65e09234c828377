"""Settings from variables: what is read, and who is blamed for what cannot be."""

from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from lastword.settings import SECTIONS, BadSetting, Settings, read_settings

NOWHERE = Path("/nonexistent/folder")


def read(**variables: str) -> Settings:
    """Read settings from `LASTWORD_*` variables alone; names are given without the prefix."""
    return read_settings({f"LASTWORD_{name}": text for name, text in variables.items()}, NOWHERE)


def blame(**variables: str) -> BadSetting:
    """Return the complaint that the variables lead to."""
    with pytest.raises(BadSetting) as bad:
        read(**variables)
    return bad.value


def test_without_any_variable_the_defaults_stand() -> None:
    """Other programs' variables are none of our business."""
    settings = read_settings({"PATH": "/bin", "HTTP__PORT": "1", "lastword_http__port": "2"}, NOWHERE)
    assert Settings(base_dir=str(NOWHERE)) == settings


def test_the_defaults_are_those_of_the_manual() -> None:
    """Names and numbers that others rely on."""
    settings = read()
    assert (".lastword", "127.0.0.1", 8484) == (settings.data_dir, settings.http.host, settings.http.port)
    assert (None, None) == (settings.bus.url, settings.storage.url)
    assert (3.0, 15.0) == (settings.executor.heartbeat_interval_s, settings.auditor.heartbeat_timeout_s)
    assert Path(".lastword") == settings.data


@pytest.mark.parametrize(
    ("variable", "text", "section", "name", "value"),
    [
        ("HTTP__PORT", "9000", "http", "port", 9000),
        ("HTTP__HOST", "0.0.0.0", "http", "host", "0.0.0.0"),  # noqa: S104  nothing is bound here
        ("HTTP__WS", "false", "http", "ws", False),
        ("HTTP__SSE", "0", "http", "sse", False),
        ("HTTP__STALE_AFTER_S", "4.5", "http", "stale_after_s", 4.5),
        ("HTTP__ALLOWED_HOSTS", "a.example, b.example,", "http", "allowed_hosts", ("a.example", "b.example")),
        ("HTTP__ALLOWED_ORIGINS", "", "http", "allowed_origins", ()),
        ("BUS__URL", "nats://n1:4222,nats://n2:4222", "bus", "url", "nats://n1:4222,nats://n2:4222"),
        ("STORAGE__URL", "postgresql://u:p@h/d", "storage", "url", "postgresql://u:p@h/d"),
        ("EXECUTOR__HEARTBEAT_INTERVAL_S", "1", "executor", "heartbeat_interval_s", 1.0),
        ("EXECUTOR__WHEN_ISOLATED", "stop", "executor", "when_isolated", "stop"),
        ("AUDITOR__HEARTBEAT_TIMEOUT_S", "6", "auditor", "heartbeat_timeout_s", 6.0),
        ("LOG__LEVEL", "debug", "log", "level", "debug"),
        ("LLM__OFFLINE", "true", "llm", "offline", True),
    ],
)
def test_a_variable_sets_its_setting(
    variable: str, text: str, section: str, name: str, value: object
) -> None:
    """Two underscores go one level down, and text becomes what the setting is."""
    assert value == getattr(getattr(read(**{variable: text}), section), name)


def test_a_variable_without_a_section_sets_what_has_none() -> None:
    """`LASTWORD_DATA_DIR` is one that others rely on."""
    assert "/var/lib/lastword" == read(DATA_DIR="/var/lib/lastword").data_dir


def test_variables_can_declare_a_workflow() -> None:
    """A container needs no file for one."""
    settings = read(WORKFLOWS__BRIEF__RUN="a.b:c", WORKFLOWS__BRIEF__DEADLINE_S="9", EXECUTOR__SERVE="brief")
    assert ("a.b:c", 9.0) == (settings.workflows["brief"].run, settings.workflows["brief"].deadline_s)
    assert ("brief",) == settings.executor.serve


def test_the_command_lines_own_variables_are_no_settings() -> None:
    """Where the edge is, and the token for it, are for `lastword list` and the like."""
    assert read() == read(URL="http://127.0.0.1:1", TOKEN="hunter2")


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("HTTP__PROT", "`http.port`"),
        ("HTPP__PORT", "`http`"),
        ("PORT", "`bus.port` or `http.port`"),
        ("SLOTS", "`executor.slots`"),
        ("EXECUTOR__HEARTBEAT_INTERVAL", "`executor.heartbeat_interval_s`"),
        ("EXECUTOR__HEARTBEAT_TIMEOUT_S", "`auditor.heartbeat_timeout_s`"),
        ("WORKFLOWS__BRIEF__RUM", "`workflows.brief.run`"),
    ],
)
def test_an_unknown_name_gets_the_nearest_known_one(variable: str, hint: str) -> None:
    """A slip of the finger costs one look, not a search through the manual."""
    bad = blame(**{variable: "1"})
    assert f"LASTWORD_{variable}" == bad.source
    assert hint in bad.problem


@pytest.mark.parametrize("variable", ["ZZZZZZ", "HTTP__ZZZZZZ", "__", "HTTP__"])
def test_an_unknown_name_like_no_other_gets_no_hint(variable: str) -> None:
    """A guess that helps nobody is left out; the culprit is not."""
    bad = blame(**{variable: "1"})
    assert f"LASTWORD_{variable}" == bad.source
    assert "unknown field" in bad.problem
    assert "did you mean" not in bad.problem


@pytest.mark.parametrize(
    ("variable", "text", "path"),
    [
        ("HTTP__PORT", "eighty", "$.http.port"),
        ("HTTP__PORT", "65536", "$.http.port"),
        ("HTTP__PORT", "-1", "$.http.port"),
        ("HTTP__WS", "yes", "$.http.ws"),
        ("HTTP__PING_S", "0", "$.http.ping_s"),
        ("HTTP__PING_S", "nan", "$.http.ping_s"),
        ("HTTP__MAX_STREAMS", "0", "$.http.max_streams"),
        ("HTTP", "on", "$.http"),
        ("HTTP__PORT__X", "1", "$.http.port"),
        ("BUS__PORT", "70000", "$.bus.port"),
        ("BUS__REPLICAS", "6", "$.bus.replicas"),
        ("STORAGE__POOL_SIZE", "0", "$.storage.pool_size"),
        ("SUPERVISOR__PARTITIONS", "65", "$.supervisor.partitions"),
        ("EXECUTOR__SLOTS", "0", "$.executor.slots"),
        ("EXECUTOR__WHEN_ISOLATED", "panic", "$.executor.when_isolated"),
        ("EXECUTOR__HEARTBEAT_INTERVAL_S", "0", "$.executor.heartbeat_interval_s"),
        ("AUDITOR__HEARTBEAT_TIMEOUT_S", "0.5", "$.auditor.heartbeat_timeout_s"),
        ("LLM__DELAY_S", "-1", "$.llm.delay_s"),
        ("LOG__LEVEL", "loud", "$.log.level"),
        ("WORKFLOWS__BRIEF__DEADLINE_S", "soon", "$.workflows.brief.deadline_s"),
    ],
)
def test_a_bad_value_names_the_variable_and_the_path(variable: str, text: str, path: str) -> None:
    """Who set it, and what it was meant for."""
    bad = blame(**{variable: text})
    assert f"LASTWORD_{variable}" == bad.source
    assert f"`{path}`" in bad.problem
    assert f"{bad.source}: {bad.problem}" == str(bad)


def test_the_culprit_is_found_among_good_ones() -> None:
    """The first bad variable is named, not the last one or all of them."""
    assert "LASTWORD_HTTP__PORT" == blame(BUS__PORT="4222", HTTP__PORT="x", LOG__LEVEL="info").source


def test_a_value_cannot_be_a_section_as_well() -> None:
    """Two variables that contradict each other."""
    bad = blame(HTTP__PORT="1", HTTP__PORT__X="2")
    assert ("LASTWORD_HTTP__PORT__X", "`port` is a value, not a section") == (bad.source, bad.problem)


@pytest.mark.parametrize(
    "variable", ["AUDITOR__HEARTBEAT_TIMEOUT_S", "HTTP__PING_S", "BUS__APPEND_TIMEOUT_S"]
)
def test_for_ever_is_no_number_of_seconds(variable: str) -> None:
    """An infinite timeout would crash whoever rounds it; there is a word for each thing that never ends."""
    bad = blame(**{variable: "inf"})
    assert f"LASTWORD_{variable}" == bad.source
    assert variable.lower().replace("__", ".") in bad.problem


def test_a_timeout_must_leave_room_for_a_lost_beat() -> None:
    """Both settings are named, with what they are and why that cannot be."""
    bad = blame(AUDITOR__HEARTBEAT_TIMEOUT_S="5", EXECUTOR__HEARTBEAT_INTERVAL_S="2.6")
    assert "LASTWORD_AUDITOR__HEARTBEAT_TIMEOUT_S, LASTWORD_EXECUTOR__HEARTBEAT_INTERVAL_S" == bad.source
    assert "auditor.heartbeat_timeout_s (5)" in bad.problem
    assert "executor.heartbeat_interval_s (2.6)" in bad.problem
    assert (
        5.0
        == read(
            AUDITOR__HEARTBEAT_TIMEOUT_S="5", EXECUTOR__HEARTBEAT_INTERVAL_S="2.5"
        ).auditor.heartbeat_timeout_s
    )


def test_serving_what_is_not_declared_lists_what_is() -> None:
    """Including when nothing is."""
    assert "executor.serve names 'b'; [workflows] has: a" == (
        blame(EXECUTOR__SERVE="a,b", WORKFLOWS__A__RUN="m:a").problem
    )
    assert blame(EXECUTOR__SERVE="b").problem.endswith("[workflows] has: none")


@pytest.mark.parametrize("run", ["research", "research:", ":crew", "a:b:c", ":", ""])
def test_a_module_and_an_attribute_are_both_needed(run: str) -> None:
    """The message shows how it is written, and what was written instead."""
    bad = blame(WORKFLOWS__BRIEF__RUN=run)
    assert f"[workflows.brief]: `run` is written module:attribute, not {run!r}" == bad.problem


def test_a_workflow_is_either_run_or_a_project() -> None:
    """Not both, and not neither."""
    for given in ({"RUN": "a:b", "PROJECT": "./p"}, {"DESCRIPTION": "what?"}):
        bad = blame(**{f"WORKFLOWS__BRIEF__{name}": text for name, text in given.items()})
        assert "[workflows.brief]: give either `run` or `project`" == bad.problem


@pytest.mark.parametrize("name", ["A B", "A.B", "A*", "X" * 49, "Ä"])
def test_a_workflows_name_must_fit_a_subject(name: str) -> None:
    """It becomes a token, and the beginning of every id."""
    bad = blame(**{f"WORKFLOWS__{name}__RUN": "a:b"})
    assert f"[workflows.{name.lower()}]: a name has 1 to 48 letters" in bad.problem


def test_a_secret_is_not_repeated_in_a_complaint() -> None:
    """Complaints are printed, logged and pasted into tickets."""
    for misspelt in ("HTTP__TOKEN__X", "BUS__PASWORD", "LASTWORD_TOKEN"):
        assert "hunter2" not in str(blame(**{misspelt: "hunter2"}))


def test_staleness_follows_the_heartbeat_unless_it_is_set() -> None:
    """Three beats missed, by default."""
    assert 9.0 == read().stale_after_s
    assert 6.0 == read(EXECUTOR__HEARTBEAT_INTERVAL_S="2").stale_after_s
    assert 5.0 == read(HTTP__STALE_AFTER_S="5").stale_after_s


def test_every_section_is_known_to_the_hints() -> None:
    """A section that is added must be told to those who misspell its settings."""
    fields = msgspec.structs.asdict(Settings())
    sections = {name: type(value) for name, value in fields.items() if isinstance(value, Struct)}
    assert sections == {name: struct for name, struct in SECTIONS.items() if name != "workflows[...]"}
