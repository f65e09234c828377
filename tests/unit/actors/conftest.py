"""Actors are tested in virtual time: see `tests.unit.virtual_time`."""

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
from structlog.testing import capture_logs

from tests.unit.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each asynchronous test of this folder on a loop whose clock jumps."""
    return {"virtual": VirtualTimeLoop}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep what actors log: rendering the tracebacks of failures on purpose takes longer than the tests."""
    with capture_logs():
        yield
