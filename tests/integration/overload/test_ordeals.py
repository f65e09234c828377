"""The ordeals of `make overload`, small: nothing is lost, memory has bounds, and all is quick again."""

from collections.abc import Iterator

import pytest

from tests.overload.ordeals import ORDEALS
from tests.overload.stage import Stage, open_stage

SHARES = {"idle": 0.05, "deaf": 0.1, "crowd": 0.02, "inputs": 0.02, "results": 0.04}
SHARE = 0.01


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give one system for all of them: what one leaves behind, the next finds."""
    with open_stage(tmp_path_factory.mktemp("overload"), LASTWORD_HTTP__STALL_S="2") as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ORDEALS)
def test_an_ordeal_leaves_no_trace(stage: Stage, name: str) -> None:
    """As each of them says."""
    assert [] == ORDEALS[name](stage, SHARES.get(name, SHARE)).faults
