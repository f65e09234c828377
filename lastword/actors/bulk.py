"""Leaving out what is bulky, where a message would be too large to carry.

What a status says matters more than what comes with it: a report that nobody can store would come again for
ever, and hold up whatever waits behind it.
"""

from typing import Any, Final

import msgspec

from lastword.contracts.events import Ending, Error, Event, Failed, Lost, QueueTimedOut, Succeeded
from lastword.contracts.messages import Report
from lastword.contracts.records import Record

__all__ = ["record_without_bulk", "report_without_bulk"]

LEFT_OUT: Final = "Inputs, progress and result were left out: the record would have been too large."
MESSAGE: Final = 2_000  # characters that stay of an error's message
TRACE: Final = 8_000  # characters that stay of the end of its traceback, and of the output


def record_without_bulk(record: Record) -> Record:
    """Return the record with the same status and cause, in some 100 KiB at most."""
    return msgspec.structs.replace(
        record,
        result=None,
        progress=None,
        inputs={},
        warnings=(LEFT_OUT,),
        error=_trimmed(record.error) if record.error is not None else None,
    )


def report_without_bulk(report: Report) -> Report:
    """Return the report of the same event, in some 100 KiB at most."""
    return msgspec.structs.replace(report, event=_event_without_bulk(report.event))


def _event_without_bulk(event: Event) -> Any:
    changes: dict[str, Any] = {}
    if isinstance(event, Ending):
        changes |= {"warnings": (LEFT_OUT,), "progress": None}
    if isinstance(event, Succeeded):
        changes["result"] = None
    if isinstance(event, Failed | Lost | QueueTimedOut):
        changes["error"] = _trimmed(event.error)
    return msgspec.structs.replace(event, **changes)


def _trimmed(error: Error) -> Error:
    return msgspec.structs.replace(
        error,
        message=error.message[:MESSAGE],
        signal=error.signal[:MESSAGE] if error.signal else None,
        type=error.type[:MESSAGE] if error.type else None,
        traceback=error.traceback[-TRACE:] if error.traceback else None,
        output=error.output[-TRACE:] if error.output else None,
    )
