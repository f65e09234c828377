"""From what `lastword.toml` names to something that can be called.

`run = "module:attribute"` is a Crew, a Flow (instance or class), a `@CrewBase` class, a function, or a
factory: a function that says it returns a Crew or a Flow (`-> Crew`), or that plainly builds one.
`project = "folder"` is laid out as `crewai create` does: JSON (`crew.jsonc` with `agents/`), classic YAML
(`src/<package>/crew.py` with `config/*.yaml`), or a flow (`src/<package>/main.py`, `flow.yaml`).

Loading runs the user's code at import, so it happens in a process of its own and never in the executor.
"""

import importlib
import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lastword.child.inside.failures import LoadFailed
from lastword.child.inside.schema import Inputs, for_crew, for_flow, for_function

__all__ = ["Loaded", "load"]


@dataclass
class Loaded:
    """Something that can be run."""

    kind: str
    """`crew`, `flow` or `function`."""
    subject: Any
    """A Crew, a Flow or a function."""
    inputs: Inputs
    description: str = ""
    defaults: dict[str, Any] = field(default_factory=dict[str, Any])
    """Inputs that the project itself gives where none are given."""


def load(*, run: str | None, project: str | None, base_dir: str) -> Loaded:
    """Load a target; raise `LoadFailed`, or whatever the user's code raises."""
    if run is not None:
        return _understand(_find(run), run)
    folder = (Path(base_dir) / (project or ".")).resolve()
    if not folder.is_dir():
        raise LoadFailed(f"there is no folder {folder}")
    return _load_project(folder)


def _find(run: str) -> Any:
    module_name, _, path = run.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise LoadFailed(
                f"there is no module {error.name!r}, neither beside lastword.toml nor among what is installed"
            ) from error
        raise
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise LoadFailed(f"{module_name!r} has no {path!r}") from error
    return found


def _understand(found: Any, source: str) -> Loaded:
    if inspect.isclass(found):
        return _understand_class(found, source)
    if _is_crew(found):
        return _crew(found, "")
    if _is_flow(found):
        return _flow(found, "")
    if not callable(found):
        kind = type(found).__qualname__
        raise LoadFailed(
            f"{source} is a {kind}; it should be a Crew, a Flow, a @CrewBase class or a function"
        )
    return _understand_function(found, source)


def _understand_class(found: Any, source: str) -> Loaded:
    if _is_flow_class(found):
        return _flow(found(), _first_paragraph(found))
    if callable(getattr(found, "crew", None)):  # @CrewBase
        return _crew(found().crew(), _first_paragraph(found))
    raise LoadFailed(f"{source} is a class, but neither a Flow nor a @CrewBase")


def _understand_function(function: Callable[..., Any], source: str) -> Loaded:
    description = _first_paragraph(function)
    if not _is_factory(function):
        return Loaded("function", function, for_function(function), description)
    takes = for_function(function)
    if any(one.required for one in takes.fields.values()):
        # What it builds is seen only once it is called with inputs, so others may be wanted by that.
        kind = "flow" if "Flow" in str(_returns(function)) else "crew"
        return Loaded(
            kind, function, Inputs(takes.fields, others=True, definitions=takes.definitions), description
        )
    made = function()
    if inspect.iscoroutine(made):
        made.close()
        return Loaded("function", function, takes, description)
    if not (_is_crew(made) or _is_flow(made)):
        raise LoadFailed(f"{source} was taken for a factory, but returned a {type(made).__qualname__}")
    loaded = _understand(made, source)
    loaded.description = description
    return loaded


def _crew(crew: Any, description: str, defaults: dict[str, Any] | None = None) -> Loaded:
    given = defaults or {}
    prepared = bool(getattr(crew, "before_kickoff_callbacks", None))
    inputs = for_crew(crew.fetch_inputs(), given, prepared=prepared)
    return Loaded("crew", crew, inputs, description, dict(given))


def _flow(flow: Any, description: str) -> Loaded:
    state = getattr(flow, "_state", None)
    return Loaded("flow", flow, for_flow(flow.state if state is None else state), description)


def _load_project(folder: Path) -> Loaded:
    section, package = _read_pyproject(folder)
    definition = section.get("definition")
    if definition is None:
        names = ("crew.jsonc", "crew.json", "flow.yaml", "flow.yml")
        definition = next((name for name in names if (folder / name).is_file()), None)
    if definition is not None:
        return _load_definition(folder / definition)
    tried: list[str] = []
    for name in _candidates(folder, package, section.get("type")):
        tried.append(name)
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                continue
            raise
        found = _class_of(module)
        if found is not None:
            return _understand(found, f"{name}:{found.__qualname__}")
    looked = f" (looked into {', '.join(tried)})" if tried else ""
    raise LoadFailed(
        f"{folder} is no CrewAI project: it has no crew.jsonc, no flow.yaml, no @CrewBase and no Flow{looked}"
    )


def _load_definition(path: Path) -> Loaded:
    if not path.is_file():
        raise LoadFailed(f"pyproject.toml names {path.name}, which does not exist")
    if path.suffix in {".yaml", ".yml"}:
        from crewai import Flow

        return _flow(Flow.from_declaration(path=path), "")
    from crewai.project.crew_loader import load_crew

    crew, defaults = load_crew(path)
    return _crew(crew, "", defaults)


def _read_pyproject(folder: Path) -> tuple[dict[str, Any], str | None]:
    """Return `[tool.crewai]` and the project's name as a package."""
    path = folder / "pyproject.toml"
    if not path.is_file():
        return {}, None
    try:
        import tomllib
    except ImportError:  # Python 3.10, where CrewAI brings tomli
        tomllib = importlib.import_module("tomli")
    try:
        tree: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise LoadFailed(f"{path}: {error}") from error
    name = tree.get("project", {}).get("name")
    return tree.get("tool", {}).get("crewai", {}), name.replace("-", "_") if isinstance(name, str) else None


def _candidates(folder: Path, package: str | None, kind: str | None) -> list[str]:
    packages = [package] if package else []
    for source in (folder / "src", folder):
        if source.is_dir():
            packages += sorted(entry.name for entry in source.iterdir() if (entry / "__init__.py").is_file())
    modules = ("main", "flow", "crew") if kind == "flow" else ("crew", "main", "flow")
    names = [f"{name}.{module}" for name in dict.fromkeys(packages) for module in modules]
    return [*names, *(module for module in modules if (folder / f"{module}.py").is_file())]


def _class_of(module: types.ModuleType) -> type | None:
    """Return the crew's or flow's class that a module defines; the last one, as `crewai run` would."""
    found: type | None = None
    for value in vars(module).values():
        if not inspect.isclass(value) or value.__module__ != module.__name__:
            continue
        if getattr(value, "is_crew_class", False) or _is_flow_class(value):
            found = value
    return found


def _is_factory(function: Callable[..., Any]) -> bool:
    returns = _returns(function)
    if returns is not inspect.Signature.empty:
        return _is_crew_class(returns) or _is_flow_class(returns)
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or any("kickoff" in name for name in code.co_names):
        return False
    if any(one.required for one in for_function(function).fields.values()):
        return False
    names: dict[str, Any] = getattr(inspect.unwrap(function), "__globals__", {})
    built = [names.get(name) for name in code.co_names]
    return any(
        _is_crew_class(one) or _is_flow_class(one) or getattr(one, "is_crew_class", False) for one in built
    )


def _returns(function: Callable[..., Any]) -> Any:
    try:
        return typing.get_type_hints(function).get("return", inspect.Signature.empty)
    except (NameError, TypeError, AttributeError):  # a name known to type checkers only
        return inspect.Signature.empty


def _crewai(name: str) -> Any:
    """Return a class of CrewAI's, if it is imported at all; nothing can be an instance of it otherwise."""
    import sys

    return getattr(sys.modules.get("crewai"), name, None)


def _is_crew_class(value: object) -> bool:
    crew = _crewai("Crew")
    return crew is not None and inspect.isclass(value) and issubclass(value, crew)


def _is_flow_class(value: object) -> bool:
    flow = _crewai("Flow")
    return flow is not None and inspect.isclass(value) and issubclass(value, flow)


def _is_crew(value: object) -> bool:
    crew = _crewai("Crew")
    return crew is not None and isinstance(value, crew)


def _is_flow(value: object) -> bool:
    flow = _crewai("Flow")
    return flow is not None and isinstance(value, flow)


def is_runnable(value: object) -> bool:
    """Tell whether a function's return value is itself something to run."""
    return _is_crew(value) or _is_flow(value)


def _first_paragraph(value: object) -> str:
    documentation = getattr(value, "__doc__", None)
    if not isinstance(documentation, str):
        return ""
    return " ".join(inspect.cleandoc(documentation).partition("\n\n")[0].split())[:500]
