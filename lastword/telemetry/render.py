"""How one log line looks: aligned and coloured for people, JSON for programs.

Both take structlog's event dictionary after the common processors and return one line, its end included.
Whatever the values hold, one event is one line: what could end a line or move a cursor is escaped, and a
traceback, the only thing that takes more lines, is set behind a bar that no forged line can step over.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, cast

import msgspec

from lastword.telemetry.inert import inert, shortened
from lastword.telemetry.secrets import HIDDEN, hides, without_secrets

__all__ = ["as_json", "as_text", "cleaned"]

MAX_VALUE: Final = 8_192  # characters of one value; a traceback ends with what matters, so its end is kept
MAX_SHOWN: Final = 240  # characters of one value on a terminal
MAX_DEPTH: Final = 4
MAX_ITEMS: Final = 64

_RESET: Final = "\x1b[0m"
_DIM: Final = "\x1b[2m"
_BOLD: Final = "\x1b[1m"
_LEVELS: Final = {"debug": ("·", _DIM), "warning": ("▲", "\x1b[33m"), "error": ("✖", "\x1b[31m")}
_ACTORS: Final = {
    "supervisor": "\x1b[36m",
    "executor": "\x1b[35m",
    "auditor": "\x1b[34m",
    "edge": "\x1b[32m",
    "nats": "\x1b[33m",
}
_STATUSES: Final = {
    "pending": "\x1b[37m",
    "running": "\x1b[34m",
    "cancelling": "\x1b[33m",
    "success": "\x1b[32m",
    "failed": "\x1b[31m",
    "cancelled": "\x1b[33m",
}
_FIRST: Final = ("workflow", "definition", "previous", "status", "cause")
"""Keys that are shown before the others, in this order: what a reader looks for."""


def cleaned(value: object, key: str = "", depth: int = 0) -> Any:
    """Return `value` as JSON can carry it: bounded, and without what is secret by name or by shape."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and abs(value) < 2**63:  # JSON's encoder takes no larger ones
        return value
    if hides(key):
        return HIDDEN
    if depth < MAX_DEPTH and (members := _members(value)) is not None:
        return {name: cleaned(item, name, depth + 1) for name, item in members[:MAX_ITEMS]}
    if depth < MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        items = list(cast("Iterable[object]", value))
        return [cleaned(item, key, depth + 1) for item in items[:MAX_ITEMS]]
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    if len(text) > MAX_VALUE:
        text = "…" + text[-MAX_VALUE:] if key == "exception" else shortened(text, MAX_VALUE)
    if not text.isascii():  # a lone surrogate, from a file's name, has no UTF-8
        text = text.encode("utf-8", "backslashreplace").decode()
    return without_secrets(text)


def _members(value: object) -> list[tuple[str, object]] | None:
    if isinstance(value, msgspec.Struct):
        return list(msgspec.structs.asdict(value).items())
    if isinstance(value, Mapping):
        return [(str(name), item) for name, item in cast("Mapping[object, object]", value).items()]
    return None


def as_json(event: Mapping[str, Any]) -> bytes:
    """Return the event as one line of JSON, time, level, role and event first."""
    head = {name: event[name] for name in ("at", "level", "role", "actor", "event") if name in event}
    body = {name: cleaned(value, name) for name, value in event.items() if name not in head}
    text = msgspec.json.encode(head | {"event": cleaned(event.get("event"))} | body, order=None).decode()
    if (
        not text.isprintable()
    ):  # compact JSON has control characters in strings alone, where \u means the same
        text = "".join(c if c.isprintable() else _json_escape(c) for c in text)
    return text.encode() + b"\n"


def as_text(event: Mapping[str, Any], *, now: datetime, colours: bool) -> str:
    """Return the event as one aligned line for a terminal: `now` in local time, who, what, and the keys."""

    def painted(text: str, colour: str) -> str:
        return f"{colour}{text}{_RESET}" if colours and colour else text

    keys = dict(event)
    role = str(keys.pop("role", ""))
    actor = inert(str(keys.pop("actor", "") or role))
    level = str(keys.pop("level", "info"))
    name = inert(shortened(str(cleaned(keys.pop("event", ""))), MAX_SHOWN))
    keys.pop("at", None)
    traceback = keys.pop("exception", None)
    mark, colour = _LEVELS.get(level, (" ", ""))
    kind = next((known for known in _ACTORS if actor.startswith(known)), "")
    parts = [
        painted(f"{now:%H:%M:%S}.{now.microsecond // 1000:03d}", _DIM),
        painted(mark, colour),
        painted(f"{shortened(actor, 12):<12}", _ACTORS.get(kind, "")),
        painted(f"{name:<26}", colour or _BOLD),
    ]
    for key in [*(k for k in _FIRST if k in keys), *(k for k in keys if k not in _FIRST)]:
        shown = _shown(cleaned(keys[key], key))
        paint = _STATUSES.get(shown, "") if key in {"status", "previous"} else ""
        parts.append(f"{painted(inert(key) + '=', _DIM)}{painted(shown, paint)}")
    line = " ".join(parts).rstrip() + "\n"
    if traceback is not None:
        text = inert(str(cleaned(traceback, "exception")), keep_lines=True)
        line += "".join(f"{painted('    │', _DIM)} {row}\n" for row in text.splitlines())
    return line


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = inert(shortened(text, MAX_SHOWN))
    return f'"{text}"' if not text or (isinstance(value, str) and " " in text) else text


def _json_escape(character: str) -> str:
    code = ord(character)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
