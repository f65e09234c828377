"""What every log must do, the real one and the one in memory: actors rely on no more."""

from abc import ABC, abstractmethod

import msgspec
import pytest

from lastword.actors.ports import Ledger
from lastword.bus import Conflict, TooLarge
from lastword.contracts.records import Record, advance
from lastword.contracts.statuses import Status
from tests.samples import PATHS, event_of, second

__all__ = ["LedgerSuite"]


def _record(workflow_id: str = "w-1", *, event: str = "e-1", title: str | None = None) -> Record:
    submitted = event_of(PATHS[Status.PENDING][0], title=title)
    return advance(None, submitted, workflow_id=workflow_id, event_id=event, actor="ada", at=second(0))


def _next(record: Record, event: str) -> Record:
    return msgspec.structs.replace(record, status=Status.CANCELLED, version=2, event=event)


class LedgerSuite(ABC):
    """Inherited by the tests of each log."""

    @pytest.fixture
    @abstractmethod
    def ledger(self) -> Ledger:
        """Return an empty log that takes messages of at most 1 MiB."""

    async def test_nothing_is_there_at_first(self, ledger: Ledger) -> None:
        """An unknown workflow is None, and is left out among several."""
        assert await ledger.read("w-1") is None
        assert {} == await ledger.read_many(["w-1", "w-2"])

    async def test_what_was_appended_is_read(self, ledger: Ledger) -> None:
        """The entry that an append returns is what stands, by position and record."""
        appended = await ledger.append(_record(), expected=0)
        read = await ledger.read("w-1")
        assert read is not None
        assert (appended.position, appended.record) == (read.position, read.record)
        assert {"w-1": read} == await ledger.read_many(["w-1", "w-2"])

    async def test_positions_grow_over_all_workflows(self, ledger: Ledger) -> None:
        """There is one order of all records."""
        first = await ledger.append(_record("w-1", event="e-1"), expected=0)
        other = await ledger.append(_record("w-2", event="e-2"), expected=0)
        second_one = await ledger.append(_next(first.record, "e-3"), expected=first.position)
        assert first.position < other.position < second_one.position

    async def test_an_old_expectation_is_refused(self, ledger: Ledger) -> None:
        """Whoever decided upon what stands no more changes nothing."""
        first = await ledger.append(_record(), expected=0)
        with pytest.raises(Conflict):
            await ledger.append(_record(event="e-2"), expected=0)
        moved = await ledger.append(_next(first.record, "e-3"), expected=first.position)
        with pytest.raises(Conflict):
            await ledger.append(_next(first.record, "e-4"), expected=first.position)
        standing = await ledger.read("w-1")
        assert standing is not None
        assert moved.position == standing.position

    async def test_the_same_record_again_is_answered_with_the_one_that_landed(self, ledger: Ledger) -> None:
        """A writer that got no answer may try again: by its event it is recognised."""
        first = await ledger.append(_record(), expected=0)
        again = await ledger.append(_record(), expected=0)
        assert first.position == again.position

    async def test_a_record_that_landed_and_was_overtaken_has_landed(self, ledger: Ledger) -> None:
        """A writer that got no answer learns so, although another record has followed since."""
        first = await ledger.append(_record(), expected=0)
        await ledger.append(_next(first.record, "e-2"), expected=first.position)
        again = await ledger.append(_record(), expected=0)
        assert (first.position, first.record) == (again.position, again.record)

    async def test_an_overtaken_record_of_an_earlier_handling_is_a_conflict(self, ledger: Ledger) -> None:
        """The same event, decided upon anew from an old memory: how it stood then is no answer now."""
        first = await ledger.append(_record(), expected=0)
        await ledger.append(_next(first.record, "e-2"), expected=first.position)
        with pytest.raises(Conflict):
            await ledger.append(msgspec.structs.replace(_record(), at=second(1)), expected=0)

    async def test_a_record_that_cannot_be_carried_is_refused(self, ledger: Ledger) -> None:
        """What is over the limit is said to be, and nothing is written."""
        with pytest.raises(TooLarge):
            await ledger.append(_record(title="x" * 1_100_000), expected=0)
        assert await ledger.read("w-1") is None
