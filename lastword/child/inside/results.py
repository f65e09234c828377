"""The result of the work as JSON.

A function's or a flow's return value goes as it is; a crew's output becomes
`{"raw": text, "json": object or null, "tasks": [{"name", "agent", "raw"}]}`, wherever in the value it stands.
Its `model_dump` is not used: it loses pydantic outputs and carries every prompt.
"""

import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import sys
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import fields
from typing import Any, cast

from lastword.child.inside.failures import NotJson
from lastword.contracts.nesting import MAX_NESTING, nesting_of

__all__ = ["as_json", "plain"]


def as_json(value: object) -> tuple[bytes, bool]:
    """Return `value` as compact JSON, and whether NaN or infinity had to become null; raise `NotJson`."""
    try:
        text, lossy = _as_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(error) from error
    if nesting_of(text) > MAX_NESTING:
        raise NotJson(ValueError(f"it is nested more than {MAX_NESTING} levels deep"))
    return text, lossy


def _as_json(value: object) -> tuple[bytes, bool]:
    try:
        return _dump(value), False
    except ValueError as error:
        if "Circular" in str(error):
            raise
        return _dump(_without_nan(json.loads(json.dumps(value, default=plain)))), True


def _dump(value: object) -> bytes:
    text = json.dumps(value, default=plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _without_nan(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in cast("list[object]", value)]
    return value


def plain(value: Any) -> Any:
    """Return something closer to JSON than `value`; raise TypeError where nothing is."""
    for is_kind, convert in _CONVERSIONS:
        if is_kind(value):
            return convert(value)
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} cannot be written as JSON")


def _is_crewai(name: str) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        kind: type | None = getattr(sys.modules.get("crewai"), name, None)
        return kind is not None and isinstance(value, kind)

    return check


def _has(name: str) -> Callable[[Any], bool]:
    def check(value: object) -> bool:
        return hasattr(type(value), name)

    return check


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _crew_output(output: Any) -> dict[str, Any]:
    return {
        "raw": output.raw,
        "json": output.to_dict() or None,
        "tasks": [_task_output(task) for task in output.tasks_output],
    }


def _task_output(output: Any) -> dict[str, Any]:
    return {"name": output.name, "agent": output.agent, "raw": output.raw}


_CONVERSIONS: list[tuple[Callable[[Any], bool], Callable[[Any], Any]]] = [
    (_is_crewai("CrewOutput"), _crew_output),
    (_is_crewai("TaskOutput"), _task_output),
    (_has("model_dump"), lambda value: value.model_dump(mode="json")),  # pydantic
    (
        _has("__dataclass_fields__"),
        lambda value: {one.name: getattr(value, one.name) for one in fields(value)},
    ),
    (_has("__struct_fields__"), lambda value: {one: getattr(value, one) for one in value.__struct_fields__}),
    (_is(enum.Enum), lambda value: value.value),
    (_is(dt.date, dt.time), lambda value: value.isoformat()),
    (_is(uuid.UUID, decimal.Decimal, pathlib.PurePath), str),
    (_is(set, frozenset, deque), list),
    (_has("tolist"), lambda value: value.tolist()),  # numpy's scalars and arrays
]
