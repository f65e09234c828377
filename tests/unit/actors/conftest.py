"""Actors are tested in virtual time: see `tests.unit.virtual_time`."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from tests.unit.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each asynchronous test of this folder on a loop whose clock jumps."""
    return {"virtual": VirtualTimeLoop}
