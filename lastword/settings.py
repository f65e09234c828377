"""All settings, read once: defaults, then `lastword.toml`, then `LASTWORD_*`.

`LASTWORD_HTTP__PORT=9000` sets `port` of `[http]`; two underscores go one level down.  A name nobody
knows or a value of the wrong kind stops the start with the path of the culprit.
"""

import difflib
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
from lastword.contracts.ids import is_token
from lastword.http.settings import HttpSettings
from lastword.storage.settings import StorageSettings

__all__ = ["BadSetting", "LlmSettings", "LogSettings", "Settings", "read_settings"]

PREFIX = "LASTWORD_"
OWN_VARIABLES = frozenset({"LASTWORD_URL", "LASTWORD_TOKEN", "LASTWORD_CONFIG"})
"""Variables of the command line, not of the settings."""


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
    delay_s: float = 0.3
    """How long the built-in model takes for an answer, so that there is something to watch."""


class LogSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important line that is shown."""
    format: Literal["auto", "text", "json"] = "auto"
    """`auto` is text on a terminal and JSON elsewhere."""


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
    tree: dict[str, Any] = {}
    source = "defaults"
    if path.is_file():
        source = str(path)
        try:
            tree = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadSetting(source, str(error)) from error
    elif "LASTWORD_CONFIG" in environ:
        raise BadSetting("LASTWORD_CONFIG", f"there is no file {path}")
    tree.setdefault("base_dir", str(path.parent.resolve()))
    _convert(tree, source)
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in OWN_VARIABLES:
            _put(tree, name.removeprefix(PREFIX).lower().split("__"), environ[name], name)
            _convert(tree, name)
    settings = _convert(tree, source)
    _check(settings, source)
    return settings


def _put(tree: dict[str, Any], path: list[str], text: str, variable: str) -> None:
    node = tree
    for step in path[:-1]:
        node = cast("dict[str, Any]", node.setdefault(step, {}))
        if not isinstance(node, dict):  # pyright: ignore[reportUnnecessaryIsInstance]  the file may hold anything
            raise BadSetting(variable, f"`{step}` is a value, not a section")
    value: Any = text
    if path[-1] in {"serve", "allowed_hosts", "allowed_origins"}:
        value = [part.strip() for part in text.split(",") if part.strip()]
    node[path[-1]] = value


def _convert(tree: dict[str, Any], source: str) -> Settings:
    try:
        return msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise BadSetting(source, f"{error}{_hint(str(error))}") from error


def _hint(message: str) -> str:
    """Offer the nearest known name for an unknown one."""
    parts = message.split("`")
    if "unknown field" not in message or len(parts) < 2:
        return ""
    known = sorted({name for struct in _structs() for name in struct.__struct_fields__})
    near = difflib.get_close_matches(parts[1], known, n=1)
    return f" (did you mean `{near[0]}`?)" if near else ""


def _structs() -> tuple[type[Struct], ...]:
    return (
        Settings,
        BusSettings,
        StorageSettings,
        SupervisorSettings,
        ExecutorSettings,
        AuditorSettings,
        HttpSettings,
        LlmSettings,
        LogSettings,
        DefinitionSettings,
    )


def _check(settings: Settings, source: str) -> None:
    """Refuse what each setting alone cannot show."""
    for name, definition in settings.workflows.items():
        where = f"[workflows.{name}]"
        if not is_token(name) or len(name) > 48:
            raise BadSetting(source, f"{where}: a name has 1 to 48 letters, digits, '-' and '_'")
        if (definition.run is None) == (definition.project is None):
            raise BadSetting(source, f"{where}: give either `run` or `project`")
        if definition.run is not None and definition.run.count(":") != 1:
            raise BadSetting(source, f"{where}: `run` is written module:attribute, not {definition.run!r}")
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
