"""The log in memory is held to what the real one does."""

import pytest

from lastword.actors.ports import Ledger
from tests.ledger_suite import LedgerSuite
from tests.unit.actors.fakes import FakeLog


class TestFakeLog(LedgerSuite):
    """The whole suite, on the fake."""

    @pytest.fixture
    def ledger(self) -> Ledger:
        """Return a log in memory."""
        return FakeLog()
