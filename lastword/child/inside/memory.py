"""Opening CrewAI's memory when it is first used, not when a flow is made.

Every flow gets a memory, and a memory opens its store at once: 2.6-4 s for the import of LanceDB, which most
flows never use, and which cannot be imported beforehand since it starts threads, and threads do not survive
a fork.  CrewAI lets an application choose the store; the one chosen here becomes the usual one at first use.
"""

import threading
from typing import Any

__all__ = ["LazyStorage", "open_lazily"]

_USUAL = "lancedb"


def open_lazily() -> None:
    """Let every memory of this process open its store at first use. A work's own factory replaces this."""
    from crewai.memory.storage.factory import set_memory_storage_factory

    def choose(spec: str) -> Any:
        return LazyStorage() if spec == _USUAL else None

    set_memory_storage_factory(choose)


class LazyStorage:
    """Becomes CrewAI's usual store when something is asked of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._store: Any = None

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._store is None:
                from crewai.memory.storage.lancedb_storage import LanceDBStorage

                self._store = LanceDBStorage()
        return getattr(self._store, name)

    def close(self) -> None:
        """Close the store, if it was ever opened."""
        if self._store is not None:
            self._store.close()
