"""What the first release sent at the least.

These lines are never edited: a decoder that refuses one of them would strand an older executor, or a record
that already lies in somebody's log.
"""

from typing import Final

from msgspec import Struct

from lastword.contracts.messages import (
    Accepted,
    Answer,
    Cancel,
    Claim,
    Definition,
    FieldError,
    Held,
    Job,
    Logged,
    LogLine,
    Problem,
    ProgressMade,
    Pulse,
    Question,
    Reconcile,
    RefusedReport,
    Reply,
    Report,
    Start,
)
from lastword.contracts.records import Record

__all__ = ["OLDEST"]

OLDEST: Final[list[tuple[type[Struct], bytes]]] = [
    (
        Report,
        (
            b'{"id":"w","event":{"event":"succeeded","lease":1,"finished_at":"2026-01-02T03:04:05Z"},'
            b'"event_id":"e","actor":"x","at":"2026-01-02T03:04:05Z"}'
        ),
    ),
    (
        Report,
        (
            b'{"id":"w","event":{"event":"failed","lease":1,"finished_at":"2026-01-02T03:04:05Z",'
            b'"error":{"code":"exception","message":"m"}},"event_id":"e","actor":"x","at":"2026-01-02T03:04:05Z"}'
        ),
    ),
    (
        Report,
        (
            b'{"id":"w","event":{"event":"cancelled","lease":1,"finished_at":"2026-01-02T03:04:05Z"},'
            b'"event_id":"e","actor":"x","at":"2026-01-02T03:04:05Z"}'
        ),
    ),
    (
        Report,
        (
            b'{"id":"w","event":{"event":"lost","lease":1,"error":{"code":"executor_lost","message":"m"}},'
            b'"event_id":"e","actor":"x","at":"2026-01-02T03:04:05Z"}'
        ),
    ),
    (
        Report,
        (
            b'{"id":"w","event":{"event":"queue_timed_out","error":{"code":"queue_timeout","message":"m"}},'
            b'"event_id":"e","actor":"x","at":"2026-01-02T03:04:05Z"}'
        ),
    ),
    (
        Report,
        (
            b'{"id":"w","event":{"event":"cancel_requested"},"event_id":"e","actor":"x",'
            b'"at":"2026-01-02T03:04:05Z"}'
        ),
    ),
    (
        RefusedReport,
        (
            b'{"id":"w","reason":"unknown","status":null,"position":null,"report":{"id":"w",'
            b'"event":{"event":"cancel_requested"},"event_id":"e","actor":"x","at":"2026-01-02T03:04:05Z"},'
            b'"at":"2026-01-02T03:04:05Z"}'
        ),
    ),
    (Job, b'{"id":"w","definition":"d","position":1}'),
    (Held, b'{"id":"w","lease":1}'),
    (Pulse, b'{"executor":"x","at":"2026-01-02T03:04:05Z"}'),
    (ProgressMade, b'{"id":"w","at":"2026-01-02T03:04:05Z","lease":1,"revision":1,"progress":{}}'),
    (LogLine, b'{"at":"2026-01-02T03:04:05Z","stream":"stdout","text":""}'),
    (Logged, b'{"id":"w","lines":[]}'),
    (Definition, b'{"name":"d","kind":"function","input_schema":{}}'),
    (Start, b'{"definition":"d"}'),
    (Claim, b'{"id":"w","executor":"x","event_id":"e"}'),
    (Cancel, b'{"id":"w"}'),
    (Reconcile, b'{"id":"w"}'),
    (Question, b'{"leases":[]}'),
    (Answer, b'{"executor":"x","held":[]}'),
    (FieldError, b'{"field":"f","message":"m"}'),
    (Problem, b'{"status":404,"code":"c","title":"t"}'),
    (
        Accepted,
        (
            b'{"position":1,"stored_at":"2026-01-02T03:04:05Z","record":{"id":"w","status":"pending",'
            b'"at":"2026-01-02T03:04:05Z","version":1,"definition":"d","previous":null,"cause":"submitted",'
            b'"actor":"a","event":"e","created_at":"2026-01-02T03:04:05Z"}}'
        ),
    ),
    (Reply, b"{}"),
    (
        Record,
        (
            b'{"id":"w","status":"pending","at":"2026-01-02T03:04:05Z","version":1,"definition":"d",'
            b'"previous":null,"cause":"submitted","actor":"a","event":"e","created_at":"2026-01-02T03:04:05Z"}'
        ),
    ),
]
