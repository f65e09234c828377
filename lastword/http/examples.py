"""Examples for the API's description: one workflow, as clients see it at different times."""

from typing import Any, Final

__all__ = ["HISTORY", "PAGE", "START", "WORKFLOW"]

START: Final[dict[str, Any]] = {
    "definition": "research-brief",
    "inputs": {"topic": "tidal power"},
    "title": "Tidal power, for Monday",
}
WORKFLOW: Final[dict[str, Any]] = {
    "id": "research-brief-7c2k9d4m",
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
