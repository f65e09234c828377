"""How things are said: statuses, times, durations, sizes, inputs. Pure; shared by every view."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, cast

from lastword.contracts.events import Error
from lastword.contracts.messages import Definition
from lastword.contracts.statuses import Status
from lastword.contracts.views import Workflow
from lastword.telemetry.inert import inert, shortened

__all__ = [
    "Sign",
    "clock",
    "duration",
    "error_facts",
    "inputs_of",
    "sign_of",
    "span_s",
    "utc_now",
    "value_text",
]


class Sign(NamedTuple):
    """How a state looks; label, mark and colour always go together, so that none is needed alone."""

    label: str
    mark: str
    style: str


_SIGNS: Final = {
    Status.PENDING: Sign("pending", "○", "default"),
    Status.RUNNING: Sign("running", "●", "blue"),
    Status.CANCELLING: Sign("cancelling", "◌", "yellow"),
    Status.SUCCESS: Sign("success", "✓", "green"),
    Status.FAILED: Sign("failed", "✗", "red"),
    Status.CANCELLED: Sign("cancelled", "–", "yellow"),  # noqa: RUF001  a dash, as in the browser app
}


def sign_of(workflow: Workflow) -> Sign:
    """Return how the workflow stands, doubt and waiting included; doubt outranks waiting."""
    sign = _SIGNS[workflow.status]
    if workflow.heartbeat == "stale":
        return Sign(f"{sign.label}, in doubt", "?", "yellow")
    if workflow.waiting_for is not None and not workflow.is_terminal:
        return Sign("waiting for a person", "◔", "magenta")
    if workflow.status is Status.SUCCESS and workflow.warnings:
        count = len(workflow.warnings)
        return Sign(f"success, {count} warning{'s' if count > 1 else ''}", "✓", "green")
    return sign


def duration(seconds: float) -> str:
    """Say a span of time: `850 ms`, `12.3 s`, `4 m 10 s`, `2 h 5 m`, `3 d 4 h`."""
    seconds = max(seconds, 0.0)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} m"
    return f"{hours // 24} d {hours % 24} h"


def clock(at: datetime | None, now: datetime) -> str:
    """Say a moment in local time: the time alone where it is less than a day away, else the date too."""
    if at is None:
        return "never"
    local = at.astimezone()
    return f"{local:%H:%M:%S}" if abs(now - at) < timedelta(hours=20) else f"{local:%Y-%m-%d %H:%M}"


def span_s(workflow: Workflow, now: datetime) -> float | None:
    """Return how long the process has run, in seconds; None before it began.

    `now` is the server's, as near as we know it: two hosts' clocks are never compared.  In doubt, the span
    ends at the last beat, the last moment of which anything is known.
    """
    if workflow.started_at is None:
        return None
    until = workflow.finished_at
    if until is None and workflow.heartbeat == "stale":
        until = workflow.last_heartbeat_at
    return max(((until or now) - workflow.started_at).total_seconds(), 0.0)


def value_text(value: Any) -> str:
    """Say a JSON value: text as it is, everything else as JSON, lists and objects on lines of their own."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return inert(text, keep_lines=True)


def error_facts(error: Error) -> str:
    """Say how a workflow failed: the code, and what goes with it."""
    facts: list[str] = [str(error.code)]
    if error.signal is not None:
        facts.append(f"signal {error.signal}")
    if error.exit_code is not None:
        facts.append(f"exit code {error.exit_code}")
    if error.type is not None and not error.message.startswith(error.type.rpartition(".")[2]):
        facts.append(error.type)
    return inert(", ".join(facts))


def inputs_of(definition: Definition) -> str:
    """Say which inputs a definition takes, like a function's head: `topic: string, depth: integer = 3`."""
    schema = definition.input_schema
    required = schema.get("required") or ()
    parts: list[str] = []
    for name, told in _mapping(schema.get("properties")).items():
        field = _mapping(told)
        default = f" = {json.dumps(field['default'])}" if "default" in field else ""
        optional = "" if name in required or default else "?"
        parts.append(f"{name}{optional}: {_kind(field)}{default}")
    return shortened(inert(", ".join(parts)), 200)


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def _kind(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " | ".join(json.dumps(value) for value in field["enum"])
    if "type" in field:
        kinds = _list(field["type"]) or [field["type"]]
        return " | ".join(str(kind) for kind in kinds)
    options = _list(field.get("anyOf") or field.get("oneOf"))
    return " | ".join(_kind(_mapping(option)) for option in options) or "any"


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return [*cast("Iterable[Any]", value)] if isinstance(value, list) else []
