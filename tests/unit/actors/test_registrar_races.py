"""Several registrars over one log that conflicts and leaves them guessing: a search for bad orders."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from lastword.actors.registrar import Registrar
from lastword.bus import AppendUncertain
from lastword.contracts.events import Ending, Event, Lost
from lastword.contracts.moves import EVENTS, MOVES, IllegalMove
from lastword.contracts.records import Entry, Record
from tests.samples import event_of
from tests.unit.actors.fakes import FakeLog, fresh_metrics, now
from tests.unit.virtual_time import VirtualTimeLoop

WORKFLOWS = ("w-1", "w-2")
REGISTRARS = 3
TAG = {str(kind.__struct_config__.tag): kind for kind in EVENTS}

workflows = st.sampled_from(WORKFLOWS)
registrars = st.integers(0, REGISTRARS - 1)
kinds = st.sampled_from(EVENTS)
leases = st.one_of(st.just("stands"), st.integers(0, 12))
troubles = st.sampled_from(["ok", "conflict", "lost", "landed"])


class Races(RuleBasedStateMachine):
    """Says events, old and new, to any of the registrars, one by one and several at once."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.log = FakeLog()
        self.registrars = [Registrar(self.log, fresh_metrics(), now=now) for _ in range(REGISTRARS)]
        self.said: list[tuple[str, Event, str]] = []
        self.accepted: dict[str, Entry] = {}
        """By the event's id, the entry that it led to, once a registrar said that it had been accepted."""

    def teardown(self) -> None:
        """Close the loop."""
        self.runner.close()

    @initialize()
    def begin(self) -> None:
        """Let there be workflows."""
        for name in WORKFLOWS:
            self.say(0, name, "submitted", "stands")

    @rule(troubles=st.lists(troubles, max_size=3))
    def trouble(self, troubles: list[str]) -> None:
        """Make the next appends go wrong."""
        self.log.troubles.extend(troubles)

    @rule(
        registrar=registrars,
        name=workflows,
        kind=st.sampled_from(sorted(TAG)),
        lease=leases,
    )
    def say(self, registrar: int, name: str, kind: str, lease: Any) -> None:
        """Say something new."""
        self.said.append((name, self._event(name, TAG[kind], lease), f"e-{len(self.said)}"))
        self.runner.run(self._hear(registrar, len(self.said) - 1))

    @rule(registrar=registrars, data=st.data())
    def repeat(self, registrar: int, data: st.DataObject) -> None:
        """Say something once more, to whomever."""
        self.runner.run(self._hear(registrar, data.draw(st.integers(0, len(self.said) - 1))))

    @rule(said=st.lists(st.tuples(registrars, workflows, kinds, leases), min_size=2, max_size=5))
    def say_at_once(self, said: list[tuple[int, str, type[Event], Any]]) -> None:
        """Say several things to several registrars at the same time."""

        async def all_at_once() -> None:
            first = len(self.said)
            for _, name, kind, lease in said:
                self.said.append((name, self._event(name, kind, lease), f"e-{len(self.said)}"))
            await asyncio.gather(
                *(self._hear(registrar, first + index) for index, (registrar, *_) in enumerate(said))
            )

        self.runner.run(all_at_once())

    def _event(self, name: str, kind: type[Event], lease: Any) -> Event:
        standing = self.log.last(name)
        stands = standing.lease if standing is not None and standing.lease is not None else 0
        return event_of(kind, lease=stands if lease == "stands" else lease)

    async def _hear(self, registrar: int, index: int) -> None:
        name, event, event_id = self.said[index]
        try:
            entry = await self.registrars[registrar].accept(name, event, event_id=event_id, actor="x")
        except (IllegalMove, AppendUncertain):
            return
        if entry.record.event == event_id:
            assert self.accepted.setdefault(event_id, entry) == entry

    @invariant()
    def nothing_follows_a_terminal_record(self) -> None:
        """Invariant 1."""
        for name in WORKFLOWS:
            for entry in self.log.of(name)[:-1]:
                assert not entry.record.status.is_terminal

    @invariant()
    def each_record_follows_from_the_one_before(self) -> None:
        """Find one story in the log, each step of which is in the table."""
        for name in WORKFLOWS:
            before = None
            for version, entry in enumerate(self.log.of(name), start=1):
                record = entry.record
                assert (version, before) == (record.version, record.previous)
                assert MOVES[before][TAG[record.cause]] is record.status
                before = record.status

    @invariant()
    def nothing_rests_on_another_lease(self) -> None:
        """Invariant 3."""
        events = {event_id: event for _, event, event_id in self.said}
        for name in WORKFLOWS:
            entries = self.log.of(name)
            for before, entry in pairwise(entries):
                event = events[entry.record.event]
                if isinstance(event, Ending | Lost):
                    assert before.lease == event.lease

    @invariant()
    def each_event_is_in_the_log_at_most_once(self) -> None:
        """Invariant 4."""
        events = [entry.record.event for entry in self.log.entries]
        assert len(set(events)) == len(events)

    @invariant()
    def what_was_accepted_is_there(self) -> None:
        """Invariant 2: an acknowledgement is the truth for ever."""
        entries = {entry.record.event: entry for entry in self.log.entries}
        for event_id, entry in self.accepted.items():
            assert entry.position == entries[event_id].position


class _Careless(FakeLog):
    """A log that takes whatever it is given: no compare-and-set."""

    async def append(self, record: Record, *, expected: int) -> Entry:
        """Append, whatever stands."""
        await asyncio.sleep(0)
        return self.put(record)


class CarelessRaces(Races):
    """The same search over a log without compare-and-set."""

    def __init__(self) -> None:
        super().__init__()
        self.log = _Careless()
        self.registrars = [Registrar(self.log, fresh_metrics(), now=now) for _ in range(REGISTRARS)]


def test_without_compare_and_set_the_search_finds_a_fault() -> None:
    """The search can fail: it is the log's refusal that keeps several registrars honest."""
    search = settings(max_examples=40, stateful_step_count=25, phases=[Phase.generate])  # any fault will do
    with pytest.raises(AssertionError):
        run_state_machine_as_test(CarelessRaces, settings=search)


TestRaces = Races.TestCase
TestRaces.settings = settings(max_examples=40, stateful_step_count=25)
