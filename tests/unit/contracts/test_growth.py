"""Messages only ever gain fields that may be left out: today's schema against that of the first release.

`first_release.schema.json` is what `docs/reference/messages.schema.json` says then.  Once that is out it is
never edited: an executor of that version may still run somewhere, and its records lie in every log.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import pytest

from lastword.contracts.schemas import json_schema

FIRST: Final[dict[str, Any]] = msgspec.json.decode(
    Path(__file__).with_name("first_release.schema.json").read_bytes()
)
PROSE: Final = frozenset({"description", "title", "examples", "$schema", "x-subjects"})
"""Keywords that bind nobody."""


def breaches(first: Any, now: Any, where: str = "$") -> list[str]:
    """Return what an older version would stumble over, by its place in the schema."""
    if isinstance(first, dict) and isinstance(now, dict):
        before, after = cast("dict[str, Any]", first), cast("dict[str, Any]", now)
        found: list[str] = []
        for key in sorted((before.keys() | after.keys()) - PROSE):
            place = f"{where}.{key}"
            if key in {"properties", "$defs"}:
                old, new = before.get(key, {}), after.get(key, {})
                found += [f"{place}.{name} is gone" for name in old.keys() - new.keys()]
                for name in old.keys() & new.keys():
                    found += breaches(old[name], new[name], f"{place}.{name}")
            elif key == "required":
                # More would refuse old senders, fewer would be missed by old receivers.
                if set(before.get(key, ())) != set(after.get(key, ())):
                    found.append(f"{place} is another")
            elif key not in before or key not in after:
                found.append(f"{place} has {'gone' if key in before else 'come'}")
            else:
                found += breaches(before[key], after[key], place)
        return found
    return [] if first == now else [f"{where} is another"]


def test_messages_have_only_gained_fields_that_may_be_left_out() -> None:
    """Old senders are understood, and old receivers find all that they know."""
    assert [] == breaches(FIRST, _today())


def test_new_subjects_may_come_and_none_may_change() -> None:
    """What travelled on a subject travels there for ever."""
    first, now = FIRST["x-subjects"], _today()["x-subjects"]
    assert {name: now.get(name) for name in first} == first


def _today() -> dict[str, Any]:
    """Return the schema as JSON has it."""
    schema: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(json_schema()))
    return schema


def _gain(schema: dict[str, Any]) -> None:
    schema["$defs"]["Pulse"]["properties"]["added_later"] = {"type": "integer", "default": 0}
    schema["$defs"]["AddedLater"] = {"type": "object"}


def _lose(schema: dict[str, Any]) -> None:
    del schema["$defs"]["Pulse"]["properties"]["slots"]


def _demand(schema: dict[str, Any]) -> None:
    schema["$defs"]["Job"]["properties"]["added_later"] = {"type": "integer"}
    schema["$defs"]["Job"]["required"].append("added_later")


def _leave_out(schema: dict[str, Any]) -> None:
    schema["$defs"]["Job"]["required"].remove("position")


def _retype(schema: dict[str, Any]) -> None:
    schema["$defs"]["Held"]["properties"]["lease"] = {"type": "string"}


def _tighten(schema: dict[str, Any]) -> None:
    schema["$defs"]["LogLine"]["properties"]["text"]["maxLength"] = 10


def _new_value(schema: dict[str, Any]) -> None:
    schema["$defs"]["Status"]["enum"].append("paused")


def _forget(schema: dict[str, Any]) -> None:
    del schema["$defs"]["Question"]


@pytest.mark.parametrize(
    ("change", "caught"),
    [
        (_gain, []),
        (_lose, ["$.$defs.Pulse.properties.slots is gone"]),
        (_demand, ["$.$defs.Job.required is another"]),
        (_leave_out, ["$.$defs.Job.required is another"]),
        (
            _retype,
            [
                "$.$defs.Held.properties.lease.minimum has gone",
                "$.$defs.Held.properties.lease.type is another",
            ],
        ),
        (_tighten, ["$.$defs.LogLine.properties.text.maxLength has come"]),
        (_new_value, ["$.$defs.Status.enum is another"]),
        (_forget, ["$.$defs.Question is gone"]),
    ],
)
def test_what_breaks_an_upgrade_is_caught(
    change: Callable[[dict[str, Any]], None], caught: list[str]
) -> None:
    """Each kind of change that strands somebody; and growth is none."""
    schema = copy.deepcopy(FIRST)
    change(schema)
    assert caught == breaches(FIRST, schema)
