"""What revision 0002 makes of a row from before lastword; docs/decisions/0004-legacy-rows.md says why.

The log has no record of such a row, so one is made up from what the row says, at position 0, where the log
has none.  Two rules govern it:

* *Nothing is claimed that nobody knows.*  An end that was recorded stands, without a time of its own.  A row
  that was not at its end is no longer `running` or `pending`: those mean that an executor vouches for a
  process, or that one will take the work, and neither is so.  It has `failed` with `executor_lost`, which is
  what lastword says of any process that nobody vouches for.
* *Nothing is lost.*  The table as it was found is kept (see the revision), and what is changed here to fit
  (an id that is no NATS token, a name that is no definition's) is told in the row's title or message.

Pure; part of a released revision, so never edited.
"""

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

__all__ = ["instant_of", "row_of", "status_of", "token_of"]

SUCCESS: Final = frozenset(
    {"complete", "completed", "done", "finished", "ok", "passed", "succeeded", "success", "successful"}
)
CANCELLED: Final = frozenset({"cancel", "canceled", "cancelled", "revoked", "skipped", "stopped"})
FAILED: Final = {
    "aborted": "exception",
    "crashed": "abrupt_exit",
    "dead": "abrupt_exit",
    "error": "exception",
    "errored": "exception",
    "exception": "exception",
    "expired": "deadline_exceeded",
    "fail": "exception",
    "failed": "exception",
    "failure": "exception",
    "killed": "abrupt_exit",
    "terminated": "abrupt_exit",
    "timed_out": "deadline_exceeded",
    "timedout": "deadline_exceeded",
    "timeout": "deadline_exceeded",
}
"""Words for a bad end, and the nearest `error.code`."""

ACTOR: Final = "migration-0002"
MAX_TITLE: Final = 512  # characters


def row_of(legacy: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the row of `workflows` for a legacy row with `id`, `name`, `status` and `started_at`."""
    workflow_id = token_of(legacy["id"], 64)
    name = _text(legacy["name"])
    definition = token_of(name or "unknown", 48)
    title = name if definition != name else None
    if workflow_id != _text(legacy["id"]):
        title = f"{name} ({_text(legacy['id'])})"
    title = title[:MAX_TITLE] if title else None
    status, error = status_of(legacy["status"])
    started_at = instant_of(legacy["started_at"])
    record = {
        "id": workflow_id,
        "status": status,
        "at": _written(now),
        "version": 1,
        "definition": definition,
        "previous": None,
        "cause": "imported",
        "actor": ACTOR,
        "event": ACTOR,
        "created_at": _written(started_at or now),
        "started_at": _written(started_at) if started_at else None,
        "error": error,
        "title": title,
    }
    parts = (workflow_id, title, definition, error["message"] if error else None)
    return {
        "id": workflow_id,
        "name": definition,
        "status": status,
        "started_at": started_at,
        "version": 1,
        "position": 0,
        "stored_at": now,
        "created_at": started_at or now,
        "updated_at": now,
        "error_code": error["code"] if error else None,
        "title": title,
        "search": "\x1f".join(_folded(part) for part in parts if part),
        "record": json.dumps(record, ensure_ascii=False, separators=(",", ":")),
    }


def status_of(found: Any) -> tuple[str, dict[str, str] | None]:
    """Return the status that a free text stands for, and the error where it is `failed`."""
    text = _text(found).strip()
    word = re.sub(r"[\s-]+", "_", text.rpartition(".")[2].casefold())  # also `WorkflowStatus.RUNNING`
    if word in SUCCESS:
        return "success", None
    if word in CANCELLED:
        return "cancelled", None
    if word in FAILED:
        message = f"Recorded as {text!r} before lastword took over the table; the cause was not recorded."
        return "failed", {"code": FAILED[word], "message": message}
    message = (
        f"Its status was {text!r} when lastword took over the table. No executor vouches for its process, "
        "so it counts as lost."
    )
    return "failed", {"code": "executor_lost", "message": message}


def instant_of(found: Any) -> datetime | None:
    """Return the UTC time that a value of any type stands for, or None where it is not clear.

    Naive times are taken for UTC, numbers for seconds since 1970 (milliseconds, if that would be after the
    year 5000), and text for ISO 8601 or such a number.
    """
    match found:
        case datetime():
            at = found
        case date():
            at = datetime(found.year, found.month, found.day, tzinfo=UTC)
        case bool() | None:
            return None
        case int() | float() if math.isfinite(found):
            seconds = found / 1000 if abs(found) > 1e11 else float(found)
            if abs(seconds) > 1e11:
                return None
            at = datetime.fromtimestamp(seconds, UTC)
        case str():
            try:
                at = datetime.fromisoformat(found.strip())
            except ValueError:
                return instant_of(float(found)) if re.fullmatch(r"\s*\d{9,13}(\.\d*)?\s*", found) else None
        case _:
            return None
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        return None


def token_of(found: Any, longest: int) -> str:
    """Return `found` if it can stand in a NATS subject, else what is left of it, and a digest."""
    text = _text(found)
    if re.fullmatch(rf"[A-Za-z0-9_-]{{1,{longest}}}", text):
        return text
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{kept[: longest - 9]}-{digest}".lstrip("-")


def _text(found: Any) -> str:
    if found is None:
        return ""
    text = found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return plain.replace("\x1f", " ")
