"""One running system per module where tests only watch, one per test where they break it.

Whatever a test does, no process may have asked NATS for what its user may not do.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.backends import Backend
from tests.integration.system.harness import System


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> Iterator[System]:
    """Give a system with the plain functions, shared by a module's tests."""
    system = backend.system(tmp_path_factory.mktemp("shared"))
    try:
        yield system.start().await_definitions("add", "steps", "raises", "dies", "late")
        assert [] == system.logged("bus.permission_denied")
    finally:
        system.destroy()


@pytest.fixture
def system(tmp_path: Path, backend: Backend) -> Iterator[System]:
    """Give a system of the test's own, not started."""
    system = backend.system(tmp_path)
    try:
        yield system
        assert [] == system.logged("bus.permission_denied")
    finally:
        system.destroy()
