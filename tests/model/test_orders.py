"""Two supervisors, one workflow, and a search for an order of things that nobody thought of.

Where the explorer takes one step at a time, this lets two supervisors decide on what each *believes* stands,
which may be old, and append with an expected position, as JetStream's compare-and-set has it.  The same
machine without that comparison loses the last word, so the machine can fail.
"""

from typing import ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from lastword.contracts.events import Claimed, Event, Lost, Submitted, Succeeded
from lastword.contracts.moves import EVENTS, IllegalMove
from lastword.contracts.records import Entry, advance
from lastword.contracts.statuses import LIVE, RANK, Status
from tests.samples import event_of, second

SUPERVISORS = ("ada", "bob")
AGES = st.sampled_from((0, 0, 0, -1, 1, 2))  # half of all senders know the lease


class Orders(RuleBasedStateMachine):
    """One workflow's subject, its supervisors' beliefs, and a network that repeats and reorders."""

    compares: ClassVar[bool] = True
    sent: Bundle[tuple[str, Event]] = Bundle("sent")
    decided: Bundle[tuple[str, Entry | None]] = Bundle("decided")

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Entry] = []
        self.beliefs: dict[str, Entry | None] = dict.fromkeys(SUPERVISORS)
        self.last = 0  # position of the stream, which other workflows share
        self.messages = 0

    @initialize(target=sent, known=st.integers(0, 2))
    def some_of_it_has_happened(self, known: int) -> MultipleResults[tuple[str, Event]]:
        """Begin with nothing, with a workflow that waits, or with one that runs; all was said once."""
        messages = [self.say(Submitted, 0), self.say(Claimed, 0)][:known]
        for message in messages:
            self.supervisor_handles("ada", message)
        return multiple(*messages)

    @rule(others=st.integers(1, 3))
    def time_passes(self, others: int) -> None:
        """Other workflows' records take positions."""
        self.last += others

    @rule(target=sent, kind=st.sampled_from(EVENTS), age=AGES)
    def someone_says(self, kind: type[Event], age: int) -> tuple[str, Event]:
        """Send an event, which may arrive at any time and any number of times."""
        return self.say(kind, age)

    @rule(target=sent, kind=st.sampled_from(EVENTS), age=AGES, supervisor=st.sampled_from(SUPERVISORS))
    def someone_is_heard(self, kind: type[Event], age: int, supervisor: str) -> tuple[str, Event]:
        """Send an event that arrives at once, and may come again."""
        message = self.say(kind, age)
        self.supervisor_handles(supervisor, message)
        return message

    def say(self, kind: type[Event], age: int) -> tuple[str, Event]:
        """Return a message under the standing lease, or under one that is `age` older."""
        self.messages += 1
        standing = self.log[-1].lease if self.log else None
        lease = max(0, (standing or self.last) - age)
        return f"m{self.messages}", event_of(kind, lease=lease)

    @rule(supervisor=st.sampled_from(SUPERVISORS), message=sent)
    def supervisor_handles(self, supervisor: str, message: tuple[str, Event]) -> None:
        """Read, decide and append with nobody in between: what happens nearly always."""
        self.supervisor_reads(supervisor)
        self.supervisor_appends(self.supervisor_decides(supervisor, message))

    @rule(supervisor=st.sampled_from(SUPERVISORS))
    def supervisor_reads(self, supervisor: str) -> None:
        """Bring one supervisor's belief up to date."""
        self.beliefs[supervisor] = self.log[-1] if self.log else None

    @rule(target=decided, supervisor=st.sampled_from(SUPERVISORS), message=sent)
    def supervisor_decides(self, supervisor: str, message: tuple[str, Event]) -> tuple[str, Entry | None]:
        """Decide about a message, perhaps for the second time, on what the supervisor believes."""
        event_id, event = message
        believed = self.beliefs[supervisor]
        try:
            record = advance(
                believed, event, workflow_id="w", event_id=event_id, actor=supervisor, at=second(self.last)
            )
        except IllegalMove:
            return (supervisor, None)
        expected = believed.position if believed else 0
        return (supervisor, Entry(position=expected, stored_at=second(self.last), record=record))

    @rule(proposal=consumes(decided))
    def supervisor_appends(self, proposal: tuple[str, Entry | None]) -> None:
        """Append, if the expected position still is the last; if not, the supervisor reads again."""
        supervisor, proposed = proposal
        if proposed is None:
            return
        last = self.log[-1].position if self.log else 0
        if self.compares and proposed.position != last:
            self.supervisor_reads(supervisor)
            return
        self.last += 1
        accepted = Entry(position=self.last, stored_at=second(self.last), record=proposed.record)
        self.log.append(accepted)
        self.beliefs[supervisor] = accepted

    @invariant()
    def the_rank_rises(self) -> None:
        """No record stands lower than, or level with, the one before it; hence at most one last word."""
        ranks = [RANK[entry.record.status] for entry in self.log]
        assert sorted(set(ranks)) == ranks

    @invariant()
    def the_log_is_a_chain(self) -> None:
        """Each record was decided on the one before it, and says so."""
        before: Entry | None = None
        for number, entry in enumerate(self.log, start=1):
            assert (number, before.record.status if before else None) == (
                entry.record.version,
                entry.record.previous,
            )
            before = entry

    @invariant()
    def no_message_counts_twice(self) -> None:
        """However often a message comes, it moves the workflow once."""
        moved = [entry.record.event for entry in self.log]
        assert len(set(moved)) == len(moved)

    @invariant()
    def the_lease_is_the_running_record(self) -> None:
        """While the workflow lives there is one lease, and everyone can tell which."""
        running = [entry.position for entry in self.log if entry.record.status is Status.RUNNING]
        if self.log and self.log[-1].record.status in LIVE:
            assert running == [self.log[-1].lease]


class Careless(Orders):
    """The same without comparing: the last writer wins."""

    compares = False


def test_no_order_breaks_what_must_hold() -> None:
    """A hundred orders of sixty steps; `HYPOTHESIS_PROFILE=search` takes a thousand."""
    run_state_machine_as_test(Orders, settings=settings(stateful_step_count=60))


def test_the_search_finds_what_goes_wrong_without_compare_and_set() -> None:
    """A search that found nothing here would find nothing anywhere."""
    quick = settings(stateful_step_count=60, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Careless, settings=quick)


@pytest.mark.parametrize(("machine", "ended"), [(Orders, ["success"]), (Careless, ["success", "failed"])])
def test_a_verdict_races_a_result(machine: type[Orders], ended: list[str]) -> None:
    """Both supervisors see `running`; one is told of the success, the other that the executor is lost."""
    workflow = machine()
    for kind in (Submitted, Claimed):
        workflow.supervisor_handles("ada", workflow.say(kind, 0))
    workflow.supervisor_reads("bob")
    success = workflow.supervisor_decides("ada", workflow.say(Succeeded, 0))
    verdict = workflow.supervisor_decides("bob", workflow.say(Lost, 0))
    workflow.supervisor_appends(success)
    workflow.supervisor_appends(verdict)
    assert ended == [entry.record.status for entry in workflow.log if entry.record.status.is_terminal]
