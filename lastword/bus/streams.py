"""The streams: what each keeps, and how an existing one is brought to what this version needs.

`ensure_streams` creates what is missing and updates what may be updated in place.  A stream that cannot
become what is needed stops the start with the name of the setting; nothing is deleted, ever.  Each stream
carries the version of its layout in its metadata, so that an older lastword refuses to work on a newer
layout instead of quietly taking features away.
"""

import asyncio
from typing import Any, Final, cast

import structlog

from lastword.bus.connection import Bus
from lastword.bus.exceptions import StreamMismatch, Unavailable
from lastword.bus.settings import BusSettings
from lastword.contracts import subjects
from lastword.contracts.ids import Seconds

__all__ = ["LAYOUT", "MAX_MESSAGE", "ensure_streams", "stream_configs"]

log = structlog.get_logger(__name__)

LAYOUT: Final = 1
"""Version of what follows; raised when a stream's meaning changes."""

NANOSECONDS: Final = 1_000_000_000
DUPLICATE_WINDOW_S: Final = 120  # the server's default; a message id is remembered this long
MARKER_TTL_S: Final = 120  # how long an expiry marker itself is kept
PULSE_BYTES: Final = 67_108_864  # beats are of some 500 bytes, and one is kept of each executor
PROGRESS_BYTES: Final = 67_108_864  # in the server's memory
REPORTS: Final = 8_192
"""Reports that wait. Senders keep theirs and try again, so that behind a storm nobody waits for all of it."""
REPORTS_EACH: Final = 16
"""Reports of one workflow that wait; it has about one in its life. Of many thousands under one subject the
server removes some thirty a second (measured), since it looks for the next of the subject each time."""
REFUSED_EACH: Final = 100  # refused reports that are kept of one workflow
MAX_MESSAGE: Final = 1_048_576
"""The largest message that our streams take, headers included, in bytes: the server's default max_payload."""


def stream_configs(*, replicas: int, partitions: int, settings: BusSettings) -> tuple[dict[str, Any], ...]:
    """Return the wanted configuration of each stream, as JetStream's API takes it."""

    def stream(name: str, subject: str, **rest: Any) -> dict[str, Any]:
        return {
            "name": name,
            "subjects": [subject],
            "retention": "limits",
            "storage": "file",
            "discard": "old",
            "num_replicas": replicas,
            "allow_direct": True,
            "duplicate_window": DUPLICATE_WINDOW_S * NANOSECONDS,
            "max_msg_size": MAX_MESSAGE,
            "metadata": {"lastword.layout": str(LAYOUT)},
            **rest,
        }

    return (
        stream(
            subjects.LOG_STREAM,
            subjects.log(),
            deny_delete=True,
            deny_purge=True,
            republish={"src": subjects.log(), "dest": "lastword.status.{{wildcard(1)}}"},
        ),
        stream(
            subjects.REPORT_STREAM,
            "lastword.report.*",
            retention="workqueue",
            discard="new",
            discard_new_per_subject=True,
            max_msgs=REPORTS,
            max_msgs_per_subject=REPORTS_EACH,
            max_bytes=settings.stream_max_bytes,
            subject_transform={
                "src": "lastword.report.*",
                "dest": f"lastword.report.{{{{partition({partitions},1)}}}}.{{{{wildcard(1)}}}}",
            },
        ),
        stream(subjects.JOB_STREAM, subjects.job(), retention="workqueue"),
        stream(
            subjects.PULSE_STREAM,
            subjects.pulse(),
            max_msgs_per_subject=1,
            max_bytes=PULSE_BYTES,
            max_age=_nanoseconds(24 * 3600.0),  # one that was published without an expiry of its own
            allow_msg_ttl=True,
            subject_delete_marker_ttl=MARKER_TTL_S * NANOSECONDS,
        ),
        stream(
            subjects.PROGRESS_STREAM,
            subjects.progress(),
            storage="memory",
            max_bytes=PROGRESS_BYTES,
            max_msgs_per_subject=1,
            max_age=_nanoseconds(24 * 3600.0),
        ),
        stream(
            subjects.LOGLINE_STREAM,
            subjects.logline(),
            max_msgs_per_subject=settings.logline_max_lines,
            max_age=_nanoseconds(settings.logline_max_age_s),
            max_bytes=settings.stream_max_bytes,
        ),
        stream(
            subjects.REFUSED_STREAM,
            subjects.refused(),
            max_msgs_per_subject=REFUSED_EACH,
            max_age=_nanoseconds(settings.refused_max_age_s),
            max_bytes=settings.stream_max_bytes,
        ),
        stream(
            subjects.DEFINITION_STREAM,
            subjects.definition(),
            max_msgs_per_subject=1,
            max_bytes=settings.stream_max_bytes,
        ),
    )


async def ensure_streams(bus: Bus, *, partitions: int, patience_s: Seconds = 30.0) -> None:
    """Create or update every stream, waiting for a cluster's leader if need be.

    Raises `StreamMismatch`, or `Unavailable` when JetStream does not answer within `patience_s`.
    """
    wanted = stream_configs(replicas=bus.settings.replicas, partitions=partitions, settings=bus.settings)
    for config in wanted:
        await _patiently(bus, config, patience_s)
    await _patiently(bus, _bucket_config(bus.settings), patience_s)


async def _patiently(bus: Bus, config: dict[str, Any], patience_s: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + patience_s
    while True:
        try:
            await _ensure(bus, config)
        except Unavailable:
            if loop.time() > until:
                raise
            await asyncio.sleep(0.2)
        else:
            return


async def _ensure(bus: Bus, wanted: dict[str, Any]) -> None:
    name = wanted["name"]
    info = await bus.ask_api(f"STREAM.INFO.{name}")
    if "error" in info:
        error = info["error"]
        if error.get("code") == 404 and error.get("err_code") == 10059:
            await _create(bus, wanted)
            return
        if error.get("code") == 503 and error.get("err_code") not in {10039, 10076}:
            raise Unavailable(f"stream {name}", error.get("description", ""))
        raise StreamMismatch(name, f"JetStream says: {error.get('description')}")
    standing: dict[str, Any] = info["config"]
    labels: dict[str, str] = standing.get("metadata") or {}
    layout = int(labels.get("lastword.layout", 0))
    if layout > LAYOUT:
        raise StreamMismatch(
            name, f"its layout {layout} is newer than this version's {LAYOUT}; upgrade lastword"
        )
    if all(_same(standing.get(key), value) for key, value in wanted.items()):
        return
    changed = sorted(key for key, value in wanted.items() if not _same(standing.get(key), value))
    waiting = int(info["state"]["messages"])
    if "subject_transform" in changed and waiting:
        # They would stay in partitions that nobody reads any more.
        raise StreamMismatch(
            name,
            f"supervisor.partitions has changed while {waiting} reports wait in it; "
            "let supervisors with the old number handle them first",
        )
    # Settings that we do not speak of stay as they are, whoever made them.
    metadata = {**labels, **wanted["metadata"]}
    answer = await bus.ask_api(f"STREAM.UPDATE.{name}", {**standing, **wanted, "metadata": metadata})
    if "error" in answer:
        error = answer["error"]
        if error.get("code") == 503:  # no leader, just now
            raise Unavailable(f"stream {name}", error.get("description", ""))
        raise StreamMismatch(name, f"{', '.join(changed)}: {error.get('description')}")
    log.info("stream.updated", stream=name, changed=changed)


async def _create(bus: Bus, wanted: dict[str, Any]) -> None:
    answer = await bus.ask_api(f"STREAM.CREATE.{wanted['name']}", wanted)
    if "error" not in answer:
        log.info("stream.created", stream=wanted["name"])
        return
    error = answer["error"]
    # No leader just now; made by another in between (10058); too few nodes are up for all copies (10005).
    if error.get("code") == 503 or error.get("err_code") in {10058, 10005}:
        raise Unavailable(f"stream {wanted['name']}", error.get("description", ""))
    raise StreamMismatch(wanted["name"], str(error.get("description")))


def _same(standing: Any, wanted: Any) -> bool:
    """Whether what stands already says what is wanted; the server adds keys of its own."""
    if isinstance(wanted, dict) and isinstance(standing, dict):
        mine, theirs = cast("dict[str, Any]", wanted), cast("dict[str, Any]", standing)
        return all(_same(theirs.get(key), value) for key, value in mine.items())
    return bool(standing == wanted or (not standing and not wanted))


def _bucket_config(settings: BusSettings) -> dict[str, Any]:
    """Return the object store for large results: the layout that every NATS client understands (ADR-20)."""
    bucket = subjects.RESULT_BUCKET
    return {
        "name": subjects.RESULT_OBJECTS,
        "subjects": [f"$O.{bucket}.C.>", f"$O.{bucket}.M.>"],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "num_replicas": settings.replicas,
        "max_bytes": settings.result_max_bytes or -1,
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "duplicate_window": DUPLICATE_WINDOW_S * NANOSECONDS,
        "metadata": {"lastword.layout": str(LAYOUT)},
    }


def _nanoseconds(seconds: float) -> int:
    return int(seconds * NANOSECONDS)
