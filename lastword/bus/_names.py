"""Which stream this is: the one that was followed until now, or another under the same subject.

A stream is known by when it was made.  One that is restored from a backup says that it was made when the lost
one was, and is another all the same: positions beyond the backup are given out a second time.  Whoever
notices that renames it, by a count in its metadata that is part of the name.
"""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["name_of", "renamed"]

RENAMED: Final = "lastword.renamed"


def name_of(info: Mapping[str, Any]) -> str:
    """Return a stream's name for itself, by what the server says of it.

    >>> name_of({"created": "2026-01-02T03:04:05Z", "config": {}})
    '2026-01-02T03:04:05Z'
    """
    count = _count(info)
    return f"{info['created']}#{count}" if count else str(info["created"])


def renamed(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration by which the stream gets another name; the same whoever asks.

    >>> renamed({"created": "x", "config": {"name": "S", "metadata": {"a": "b"}}})
    {'name': 'S', 'metadata': {'a': 'b', 'lastword.renamed': '1'}}
    """
    config: dict[str, Any] = info["config"]
    return {**config, "metadata": {**(config.get("metadata") or {}), RENAMED: str(_count(info) + 1)}}


def _count(info: Mapping[str, Any]) -> int:
    metadata: Mapping[str, str] = info["config"].get("metadata") or {}
    return int(metadata.get(RENAMED, 0))
