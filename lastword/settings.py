"""All settings, read once: defaults, then `lastword.toml`, then `LASTWORD_*`.

`LASTWORD_HTTP__PORT=9000` sets `port` of `[http]`; two underscores go one level down.  A variable with
`_FILE` behind its name gives the path of a file that holds the value: so containers get their secrets.  A
name nobody knows or a value of the wrong kind stops the start with the path of the culprit.
"""

import difflib
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
from msgspec import Struct

from lastword.actors.settings import (
    AuditorSettings,
    DefinitionSettings,
    ExecutorSettings,
    SupervisorSettings,
)
from lastword.bus.settings import BusSettings
from lastword.contracts.ids import Seconds, is_token
from lastword.http.settings import HttpSettings
from lastword.storage.settings import StorageSettings

__all__ = ["BadSetting", "LlmSettings", "LogSettings", "Settings", "read_settings"]

PREFIX = "LASTWORD_"
OWN_VARIABLES = frozenset({"LASTWORD_URL", "LASTWORD_TOKEN", "LASTWORD_TOKEN_FILE", "LASTWORD_CONFIG"})
"""Variables of the command line, not of the settings."""
FROM_FILE = "_FILE"
"""What follows the name of a variable that gives the path of a file with the value."""
LISTS = frozenset({"serve", "allowed_hosts", "allowed_origins", "trusted_proxies"})
"""Settings that a variable gives as words between commas."""


class BadSetting(Exception):
    """A setting that cannot be used, and what to do about it."""

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(f"{source}: {problem}")
        self.source = source
        self.problem = problem


class LlmSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The language model of `lastword up`."""

    offline: bool | None = None
    """Whether the built-in model answers. Unset: where no provider is configured in the environment."""
    delay_s: Seconds = 0.3
    """How long the built-in model takes for an answer, so that there is something to watch."""


class LogSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important line that is shown."""
    format: Literal["auto", "text", "json"] = "auto"
    """`auto` is text on a terminal and JSON elsewhere."""


SECTIONS: Mapping[str, type[Struct]] = {
    "bus": BusSettings,
    "storage": StorageSettings,
    "supervisor": SupervisorSettings,
    "executor": ExecutorSettings,
    "auditor": AuditorSettings,
    "http": HttpSettings,
    "llm": LlmSettings,
    "log": LogSettings,
    "workflows[...]": DefinitionSettings,
}
"""The sections, by the path that msgspec gives them in its errors."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    data_dir: str = ".lastword"
    """Folder for the embedded server's data, the database and run.json."""
    bus: BusSettings = BusSettings()
    storage: StorageSettings = StorageSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    executor: ExecutorSettings = ExecutorSettings()
    auditor: AuditorSettings = AuditorSettings()
    http: HttpSettings = HttpSettings()
    llm: LlmSettings = LlmSettings()
    log: LogSettings = LogSettings()
    workflows: dict[str, DefinitionSettings] = {}
    base_dir: str = "."
    """Folder of `lastword.toml`, from which modules and projects are found. Set by the reader."""

    @property
    def data(self) -> Path:
        """The data folder."""
        return Path(self.data_dir)

    @property
    def stale_after_s(self) -> float:
        """Age of a beat, in seconds, from which a heartbeat is stale."""
        given = self.http.stale_after_s
        return given if given is not None else 3 * self.executor.heartbeat_interval_s


def read_settings(environ: Mapping[str, str], folder: Path) -> Settings:
    """Read `lastword.toml` in `folder` and the variables; raise `BadSetting` naming the culprit."""
    path = Path(environ.get("LASTWORD_CONFIG", folder / "lastword.toml"))
    tree = _read(path)
    sources = [] if tree is None else [str(path)]
    if tree is None:
        if "LASTWORD_CONFIG" in environ:
            raise BadSetting("LASTWORD_CONFIG", f"there is no file {path}")
        tree = {}
    tree.setdefault("base_dir", str(path.parent.resolve()))
    settings = _convert(tree, str(path))
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in OWN_VARIABLES:
            variable, text = _given(name, environ)
            _put(tree, variable.removeprefix(PREFIX).lower().split("__"), text, name)
            settings = _convert(tree, name)  # one at a time, so that the culprit is known
            sources.append(name)
    _check(settings, ", ".join(sources))
    return settings


def _read(path: Path) -> dict[str, Any] | None:
    """Return what the file says, or None where there is no file."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadSetting(str(path), f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(str(path), str(error)) from error


def _given(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the variable that is meant, and its value, which a variable `..._FILE` has in a file."""
    variable = name.removesuffix(FROM_FILE)
    if variable == name:
        return name, environ[name]
    if variable in environ:
        raise BadSetting(name, f"{variable} is set as well; give one of them")
    try:
        return variable, Path(environ[name]).read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise BadSetting(name, f"{environ[name]} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadSetting(name, f"{environ[name]} is no text") from error


def _put(tree: dict[str, Any], path: list[str], text: str, variable: str) -> None:
    """Set one value of the tree, making sections on the way."""
    node = tree
    for step in path[:-1]:
        below: Any = node.setdefault(step, {})
        if not isinstance(below, dict):
            raise BadSetting(variable, f"`{step}` is a value, not a section")
        node = cast("dict[str, Any]", below)
    value: Any = text
    if path[-1] in LISTS:
        value = [part.strip() for part in text.split(",") if part.strip()]
    node[path[-1]] = value


def _convert(tree: dict[str, Any], source: str) -> Settings:
    try:
        return msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        problem = f"{error}{_hint(str(error))}"
        raise BadSetting(source, problem.replace("workflows[...]", _broken_definition(tree))) from error


def _broken_definition(tree: dict[str, Any]) -> str:
    """Return the path of the first definition that cannot be read; msgspec does not say which."""
    definitions: Any = tree.get("workflows")
    if isinstance(definitions, dict):
        for name, definition in cast("dict[str, Any]", definitions).items():
            try:
                msgspec.convert(definition, DefinitionSettings, strict=False)
            except msgspec.ValidationError:
                return f"workflows.{name}"
    return "workflows[...]"


def _hint(message: str) -> str:
    """Offer a known name for an unknown one: the same elsewhere, or the nearest in its section, or any."""
    if "unknown field" not in message:
        return ""
    _, unknown, *rest = message.split("`")
    section = rest[1].removeprefix("$.") if len(rest) > 1 else ""
    own = SECTIONS.get(section, Settings).__struct_fields__
    known = {(place, name) for place, struct in SECTIONS.items() for name in struct.__struct_fields__}
    names = {name for _, name in known}
    if unknown in names:
        near = [unknown]
    elif near := difflib.get_close_matches(unknown, own, n=1):
        known = {(section, near[0])}
    else:
        near = difflib.get_close_matches(unknown, sorted(names), n=1)
    paths = sorted(f"`{place}.{name}`" if place else f"`{name}`" for place, name in known if name in near)
    return f" (did you mean {' or '.join(paths)}?)" if paths else ""


def _check(settings: Settings, source: str) -> None:
    """Refuse what each setting alone cannot show."""
    for section in SECTIONS.keys() & set(Settings.__struct_fields__):
        for name, value in msgspec.structs.asdict(getattr(settings, section)).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise BadSetting(source, f"{section}.{name}: {value} is no number of seconds")
    for name, definition in settings.workflows.items():
        _check_definition(name, definition, source)
    interval = settings.executor.heartbeat_interval_s
    timeout = settings.auditor.heartbeat_timeout_s
    if timeout < 2 * interval:
        raise BadSetting(
            source,
            f"auditor.heartbeat_timeout_s ({timeout:g}) must be at least twice "
            f"executor.heartbeat_interval_s ({interval:g}), or one lost beat fails a healthy workflow",
        )
    for name in settings.executor.serve:
        if name not in settings.workflows:
            known = ", ".join(sorted(settings.workflows)) or "none"
            raise BadSetting(source, f"executor.serve names {name!r}; [workflows] has: {known}")


def _check_definition(name: str, definition: DefinitionSettings, source: str) -> None:
    """Refuse a definition that cannot be found or named."""
    where = f"[workflows.{name}]"
    if not is_token(name) or len(name) > 48:
        raise BadSetting(source, f"{where}: a name has 1 to 48 letters, digits, '-' and '_'")
    if (definition.run is None) == (definition.project is None):
        raise BadSetting(source, f"{where}: give either `run` or `project`")
    if definition.run is not None:
        module, colon, attribute = definition.run.partition(":")
        if not (module and colon and attribute) or ":" in attribute:
            raise BadSetting(source, f"{where}: `run` is written module:attribute, not {definition.run!r}")
