"""Examples for the API's descriptions: one workflow, as clients see it at different times."""

import json
from typing import Any, Final

__all__ = [
    "CANCEL",
    "CONFIG",
    "DEFINITIONS",
    "EXECUTORS",
    "HEALTH",
    "HELLO",
    "HISTORY",
    "LOGS",
    "METRICS",
    "PAGE",
    "PRINTED",
    "RESULT",
    "SESSION",
    "SIGN_IN",
    "START",
    "SUMMARY",
    "TOLD",
    "TRENDS",
    "WORKFLOW",
    "WORKFLOW_ID",
]

WORKFLOW_ID: Final = "research-brief-7c2k9d4m"

START: Final[dict[str, Any]] = {
    "definition": "research-brief",
    "inputs": {"topic": "tidal power"},
    "title": "Tidal power, for Monday",
}
WORKFLOW: Final[dict[str, Any]] = {
    "id": WORKFLOW_ID,
    "definition": "research-brief",
    "status": "running",
    "isTerminal": False,
    "version": 2,
    "position": 4711,
    "created_at": "2026-01-05T09:00:00.000000Z",
    "started_at": "2026-01-05T09:00:00.031000Z",
    "finished_at": None,
    "updated_at": "2026-01-05T09:00:00.031000Z",
    "last_heartbeat_at": "2026-01-05T09:00:03.040000Z",
    "heartbeat": "fresh",
    "error": None,
    "progress": {
        "done": 1,
        "total": 3,
        "label": "Write the brief",
        "tasks": [
            {
                "label": "Find sources",
                "started_at": "2026-01-05T09:00:00.500000Z",
                "finished_at": "2026-01-05T09:00:02.100000Z",
            }
        ],
    },
    "waiting_for": None,
    "executor": "tower-3f9a",
    "title": "Tidal power, for Monday",
    "started_by": None,
    "warnings": [],
    "usage": None,
    "inputs": {"topic": "tidal power"},
    "result": None,
    "result_ref": None,
    "retry_of": None,
    "previous": "pending",
    "cause": "claimed",
    "actor": "tower-3f9a",
    "deadline_s": 900.0,
    "queue_timeout_s": None,
}
PAGE: Final[dict[str, Any]] = {"items": [WORKFLOW], "next_cursor": None, "position": 4711}
HISTORY: Final[dict[str, Any]] = {
    "items": [
        {
            "version": 1,
            "position": 4709,
            "status": "pending",
            "previous": None,
            "at": "2026-01-05T09:00:00.000000Z",
            "cause": "submitted",
            "actor": "supervisor",
        },
        {
            "version": 2,
            "position": 4711,
            "status": "running",
            "previous": "pending",
            "at": "2026-01-05T09:00:00.031000Z",
            "cause": "claimed",
            "actor": "tower-3f9a",
        },
    ]
}
CANCEL: Final[dict[str, Any]] = {"by": "ada"}
RESULT: Final[dict[str, Any]] = {"brief": "Tides turn twice a day."}
LOGS: Final[dict[str, Any]] = {
    "items": [{"at": "2026-01-05T09:00:02.100000Z", "stream": "stdout", "text": "Found 12 sources"}],
    "next_cursor": "381",
    "dropped": 0,
}
DEFINITIONS: Final[dict[str, Any]] = {
    "items": [
        {
            "name": "research-brief",
            "kind": "crew",
            "input_schema": {
                "type": "object",
                "properties": {"topic": {"type": "string"}},
                "required": ["topic"],
            },
            "description": "Finds sources and writes a brief.",
            "deadline_s": 900.0,
            "queue_timeout_s": None,
            "source": "examples.research:crew",
            "error": None,
            "announced_by": "tower-3f9a",
            "announced_at": "2026-01-05T08:55:00.000000Z",
        }
    ]
}
EXECUTORS: Final[dict[str, Any]] = {
    "items": [
        {
            "executor": "tower-3f9a",
            "state": "serving",
            "host": "tower",
            "pid": 4242,
            "version": "0.1.0",
            "started_at": "2026-01-05T08:55:00.000000Z",
            "last_beat_at": "2026-01-05T09:00:03.040000Z",
            "slots": 8,
            "running": [WORKFLOW_ID],
            "definitions": ["research-brief"],
        }
    ]
}
SUMMARY: Final[dict[str, Any]] = {
    "statuses": {"pending": 0, "running": 1, "cancelling": 0, "success": 40, "failed": 2, "cancelled": 1},
    "stale": 0,
    "position": 4711,
    "executors": 1,
}
CONFIG: Final[dict[str, Any]] = {
    "version": "0.1.0",
    "ws": True,
    "sse": True,
    "stale_after_s": 9.0,
    "heartbeat_interval_s": 3.0,
    "heartbeat_timeout_s": 15.0,
    "ping_s": 15.0,
    "poll_s": 2.0,
    "epoch": "jvkppdsu",
    "canned_answers": False,
}
_LAG: Final[dict[str, Any]] = {"count": 12, "p50_ms": 2.1, "p99_ms": 4.0, "worst_ms": 4.2}
TRENDS: Final[dict[str, Any]] = {
    "step_s": 60,
    "points": [
        {
            "at": "2026-11-22T10:00:00Z",
            "running": 3,
            "started": 4,
            "ended": {"success": 11, "failed": 1, "cancelled": 0},
            "failures": {"abrupt_exit": 1},
            "vitals": {"stale": 0, "executors": 2, "slots": 16, "load": 3, "lag": _LAG},
        }
    ],
    "position": 4711,
    "watched_since": "2026-11-22T08:00:00Z",
    "lag": _LAG,
}
HEALTH: Final[dict[str, Any]] = {
    "ready": True,
    "checks": {"nats": True, "feed_synced": True, "not_draining": True},
}
SESSION: Final[dict[str, Any]] = {"role": "operator", "required": True}
SIGN_IN: Final[dict[str, Any]] = {"token": "the operator's token"}
METRICS: Final = "# TYPE lastword_edge_position gauge\nlastword_edge_position 4711.0\n"

HELLO: Final[dict[str, Any]] = {
    "type": "hello",
    "epoch": "jvkppdsu",
    "position": 4711,
    "recovered": False,
    "ping_s": 15.0,
}
_SNAPSHOT: Final[dict[str, Any]] = {"type": "snapshot", "workflow": WORKFLOW}
_OUTPUT: Final[dict[str, Any]] = {
    "type": "output",
    "id": WORKFLOW_ID,
    "cursor": "381",
    "lines": LOGS["items"],
    "dropped": 0,
}


def _event(frame: dict[str, Any], resume: str) -> dict[str, Any]:
    return {"event": frame["type"], "id": resume, "data": json.dumps(frame, separators=(",", ":"))}


TOLD: Final = _event(_SNAPSHOT, "jvkppdsu:4711")
"""An event of a stream of workflows."""
PRINTED: Final = _event(_OUTPUT, "381")
"""An event of a stream of output."""
