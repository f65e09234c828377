"""The commands `start`, `claim` and `cancel`, and what each is answered."""

from datetime import timedelta, timezone
from typing import Any

import msgspec
import pytest

from lastword.actors.catalogue import Catalogue
from lastword.actors.receptionist import MAX_KEY, MAX_NAME, MAX_TITLE, Receptionist
from lastword.actors.registrar import Registrar
from lastword.bus import Unavailable, decode_record
from lastword.contracts.events import Cancelled, Event, Succeeded
from lastword.contracts.messages import Accepted, Cancel, Claim, Definition, Problem, Reply, Start
from lastword.contracts.nesting import MAX_NESTING
from lastword.contracts.records import Entry, Record
from lastword.contracts.statuses import Status
from tests.samples import event_of, second
from tests.unit.actors.fakes import FakeLog, counted, fresh_metrics, now

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"topic": {"type": "string"}, "pages": {"type": "integer"}},
    "required": ["topic"],
    "additionalProperties": False,
}
START = Start(definition="brief", inputs={"topic": "tides"}, title="Tides", started_by="ada")


class Lobby:
    """A receptionist with all that it needs; `brief` can be started, `bad` is broken."""

    def __init__(self) -> None:
        self.log = FakeLog()
        self.metrics = fresh_metrics()
        self.registrar = Registrar(self.log, fresh_metrics(), now=now)
        self.catalogue = Catalogue(fresh_metrics())
        self.catalogue.define(
            Definition(name="brief", kind="crew", input_schema=SCHEMA, deadline_s=900.0, queue_timeout_s=60.0)
        )
        self.catalogue.define(
            Definition(
                name="bad",
                kind="broken",
                input_schema={"type": "object"},
                source="examples.bad:crew",
                error="ModuleNotFoundError: No module named 'examples.bad'",
            )
        )
        self.receptionist = Receptionist(self.registrar, self.catalogue, self.metrics, max_inputs_bytes=1000)

    async def start(self, **changes: Any) -> Reply:
        """Start `brief`, with changes to the command."""
        return await self.receptionist.start(msgspec.structs.replace(START, **changes))

    async def started(self) -> str:
        """Start `brief`, and return the workflow's id."""
        return _accepted(await self.start()).record.id

    async def claim(self, workflow_id: str, executor: str = "host-1", event_id: str = "claim") -> Reply:
        """Claim it."""
        return await self.receptionist.claim(Claim(id=workflow_id, executor=executor, event_id=event_id))

    async def cancel(self, workflow_id: str, by: str | None = "ada") -> Reply:
        """Cancel it."""
        return await self.receptionist.cancel(Cancel(id=workflow_id, by=by))

    async def happen(self, workflow_id: str, event: Event) -> None:
        """Let something else happen to it."""
        await self.registrar.accept(workflow_id, event, event_id="other", actor="x")

    def commands(self, verb: str, outcome: str) -> float:
        """Return how many were counted."""
        return counted(self.metrics, "commands_total", verb=verb, outcome=outcome)


@pytest.fixture
def lobby() -> Lobby:
    return Lobby()


def _accepted(reply: Reply) -> Accepted:
    assert reply.problem is None
    assert reply.accepted is not None
    return reply.accepted


def _problem(reply: Reply) -> Problem:
    assert reply.accepted is None
    assert reply.problem is not None
    return reply.problem


# Start


async def test_a_start_that_was_overtaken_before_it_was_acknowledged_makes_one_workflow(
    lobby: Lobby,
) -> None:
    """An executor may have claimed it while the acknowledgement was lost; its id is ours all the same."""

    def claimed(record: Record) -> Record:
        return msgspec.structs.replace(record, status=Status.RUNNING, version=2, event="claim")

    lobby.log.overtaker = claimed
    accepted = _accepted(await lobby.start())
    assert (True, Status.PENDING) == (accepted.created, accepted.record.status)
    assert {accepted.record.id} == {entry.record.id for entry in lobby.log.entries}


async def test_a_cancel_that_was_overtaken_before_it_was_acknowledged_was_accepted(lobby: Lobby) -> None:
    """The process ended at once: whoever asked for that is not told that nothing was cancelled."""
    workflow_id = await lobby.started()
    await lobby.claim(workflow_id)

    def ended(record: Record) -> Record:
        return msgspec.structs.replace(record, status=Status.CANCELLED, version=4, event="outcome")

    lobby.log.overtaker = ended
    accepted = _accepted(await lobby.cancel(workflow_id))
    assert (True, Status.CANCELLING) == (accepted.created, accepted.record.status)


async def test_inputs_that_are_nested_too_deeply_are_refused(lobby: Lobby) -> None:
    """The record would be taken, and then some actor could not read it."""
    deep: list[Any] = []
    for _ in range(MAX_NESTING - 1):
        deep = [deep]
    problem = _problem(await lobby.start(inputs={"topic": deep}))
    assert (422, "invalid_inputs") == (problem.status, problem.code)
    assert "more than 100 levels" in problem.detail
    assert not lobby.log.entries


async def test_a_good_start_makes_a_pending_workflow(lobby: Lobby) -> None:
    """With the definition's limits, and in the log before it is answered."""
    accepted = _accepted(await lobby.start())
    record = accepted.record
    assert accepted.created
    assert lobby.log.last(record.id) is not None
    assert record.id.startswith("brief-")
    assert (Status.PENDING, "brief", {"topic": "tides"}) == (record.status, record.definition, record.inputs)
    assert ("Tides", "ada", "ada") == (record.title, record.started_by, record.actor)
    assert (900.0, 60.0, None) == (record.deadline_s, record.queue_timeout_s, record.fingerprint)
    assert 1.0 == lobby.commands("start", "accepted")


async def test_a_start_by_nobody_is_anonymous(lobby: Lobby) -> None:
    """Someone always said so."""
    record = _accepted(await lobby.start(started_by=None)).record
    assert ("anonymous", None) == (record.actor, record.started_by)


async def test_each_start_is_another_workflow(lobby: Lobby) -> None:
    """Without a key nothing says that they are the same."""
    assert await lobby.started() != await lobby.started()


async def test_an_id_that_is_taken_by_chance_is_drawn_again(
    lobby: Lobby, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The append itself finds out."""
    drawn = iter(["brief-1", "brief-1", "brief-2"])

    def draw(definition: str) -> str:
        return next(drawn)

    monkeypatch.setattr("lastword.actors.receptionist.new_workflow_id", draw)
    assert ["brief-1", "brief-2"] == [await lobby.started(), await lobby.started()]


async def test_an_unknown_definition_is_answered_with_the_known_ones(lobby: Lobby) -> None:
    """Only those that can be started."""
    problem = _problem(await lobby.start(definition="breif"))
    assert (404, "unknown_definition", ("brief",)) == (problem.status, problem.code, problem.known)
    assert "'breif' is not defined. Known: brief" == problem.detail
    assert 1.0 == lobby.commands("start", "refused")
    assert [] == lobby.log.entries


async def test_an_unknown_definition_where_there_is_none_asks_for_an_executor(lobby: Lobby) -> None:
    """The likeliest remedy."""
    catalogue = Catalogue(fresh_metrics())
    receptionist = Receptionist(lobby.registrar, catalogue, lobby.metrics, max_inputs_bytes=1000)
    problem = _problem(await receptionist.start(START))
    assert "is an executor running?" in problem.detail


async def test_a_broken_definition_says_why(lobby: Lobby) -> None:
    """And what to do about it."""
    problem = _problem(await lobby.start(definition="bad"))
    assert (409, "broken_definition") == (problem.status, problem.code)
    assert "No module named 'examples.bad'" in problem.detail
    assert "restart its executor" in problem.detail


async def test_a_definition_with_a_schema_that_cannot_be_used_is_broken(lobby: Lobby) -> None:
    """It is the definition's fault, not the client's."""
    lobby.catalogue.define(Definition(name="odd", kind="crew", input_schema={"type": 5}))
    problem = _problem(await lobby.start(definition="odd"))
    assert (409, "broken_definition") == (problem.status, problem.code)
    assert "schema" in problem.detail


async def test_inputs_that_do_not_fit_name_each_field(lobby: Lobby) -> None:
    """What is missing, what is too much, and what is of another type."""
    problem = _problem(await lobby.start(inputs={"pages": "three", "colour": "red"}))
    assert (422, "invalid_inputs") == (problem.status, problem.code)
    assert ["inputs.colour", "inputs.pages", "inputs.topic"] == [error.field for error in problem.errors]
    assert "inputs.topic: This is required." in problem.detail
    assert [] == lobby.log.entries


async def test_inputs_that_are_too_large_say_how_large(lobby: Lobby) -> None:
    """In bytes of JSON: a letter outside ASCII is more than one."""
    problem = _problem(await lobby.start(inputs={"topic": "é" * 600}))
    assert (413, "inputs_too_large") == (problem.status, problem.code)
    assert "1212 bytes" in problem.detail
    assert "1000" in problem.detail


async def test_inputs_at_the_limit_are_taken(lobby: Lobby) -> None:
    """1,000 bytes are not over 1,000."""
    _accepted(await lobby.start(inputs={"topic": "x" * (1000 - len('{"topic":""}'))}))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"title": "x" * (MAX_TITLE + 1)}, "title_too_long"),
        ({"idempotency_key": ""}, "bad_idempotency_key"),
        ({"idempotency_key": "x" * (MAX_KEY + 1)}, "bad_idempotency_key"),
        ({"started_by": "x" * (MAX_NAME + 1)}, "name_too_long"),
    ],
)
async def test_what_is_too_long_is_refused(lobby: Lobby, changes: dict[str, Any], code: str) -> None:
    """Each with its own code; nothing is written."""
    problem = _problem(await lobby.start(**changes))
    assert (422, code) == (problem.status, problem.code)
    assert [] == lobby.log.entries


async def test_what_is_just_not_too_long_is_taken(lobby: Lobby) -> None:
    """To the last character."""
    _accepted(
        await lobby.start(title="x" * MAX_TITLE, idempotency_key="x" * MAX_KEY, started_by="x" * MAX_NAME)
    )


@pytest.mark.parametrize("retry_of", ["not an id", "w.1", "*", "", "x" * 65])
async def test_a_retry_of_what_cannot_be_an_id_is_refused(lobby: Lobby, retry_of: str) -> None:
    """It would make a record that nobody could read again."""
    problem = _problem(await lobby.start(retry_of=retry_of))
    assert (404, "unknown_workflow") == (problem.status, problem.code)
    assert [] == lobby.log.entries


async def test_every_record_of_a_start_can_be_read(lobby: Lobby) -> None:
    """Whatever a client sends along, what is written decodes."""
    await lobby.start(retry_of="w-0", title="\u2028 \x00", started_by="a\nb", idempotency_key="k")
    [entry] = lobby.log.entries
    assert entry.record == decode_record(msgspec.json.encode(entry.record))


async def test_the_same_key_and_request_name_the_same_workflow(lobby: Lobby) -> None:
    """The second is told so, and told how it stands by now."""
    first = _accepted(await lobby.start(idempotency_key="k"))
    await lobby.claim(first.record.id)
    again = _accepted(await lobby.start(idempotency_key="k"))
    assert first.record.id == again.record.id
    assert (True, False) == (first.created, again.created)
    assert Status.RUNNING is again.record.status
    assert 1.0 == lobby.commands("start", "repeated")


async def test_the_order_of_the_inputs_does_not_matter_to_a_key(lobby: Lobby) -> None:
    """JSON objects have none."""
    one = _accepted(await lobby.start(idempotency_key="k", inputs={"topic": "t", "pages": 1}))
    two = _accepted(await lobby.start(idempotency_key="k", inputs={"pages": 1, "topic": "t"}))
    assert one.record.id == two.record.id


@pytest.mark.parametrize("changes", [{"inputs": {"topic": "other"}}, {"title": "Other"}, {"retry_of": "w-0"}])
async def test_the_same_key_for_another_request_conflicts(lobby: Lobby, changes: dict[str, Any]) -> None:
    """Neither is the first changed, nor the second made."""
    first = _accepted(await lobby.start(idempotency_key="k"))
    problem = _problem(await lobby.start(idempotency_key="k", **changes))
    assert (409, "idempotency_conflict") == (problem.status, problem.code)
    assert first.record.id in problem.detail
    assert 1 == len(lobby.log.entries)


async def test_a_key_belongs_to_its_caller_and_definition(lobby: Lobby) -> None:
    """Another caller's key of the same name is another key."""
    lobby.catalogue.define(Definition(name="other", kind="crew", input_schema=SCHEMA))
    ids = {
        _accepted(await lobby.start(idempotency_key="k", **changes)).record.id
        for changes in ({}, {"started_by": "bob"}, {"definition": "other"}, {"started_by": None})
    }
    assert 4 == len(ids)


async def test_a_start_without_a_log_is_unavailable(lobby: Lobby) -> None:
    """Whoever serves commands answers that as 503."""
    lobby.log.is_up = False
    with pytest.raises(Unavailable):
        await lobby.start()


# Claim


async def test_a_claim_gives_the_lease_and_the_inputs(lobby: Lobby) -> None:
    """The record's position is the lease."""
    workflow_id = await lobby.started()
    accepted = _accepted(await lobby.claim(workflow_id))
    assert (Status.RUNNING, "host-1") == (accepted.record.status, accepted.record.executor)
    assert ({"topic": "tides"}, 2) == (accepted.record.inputs, accepted.position)


async def test_a_claim_asked_again_is_answered_alike(lobby: Lobby) -> None:
    """Its first answer may have been lost."""
    workflow_id = await lobby.started()
    assert _accepted(await lobby.claim(workflow_id)) == _accepted(await lobby.claim(workflow_id))
    assert 2 == len(lobby.log.entries)


async def test_a_claim_of_what_another_has_is_refused(lobby: Lobby) -> None:
    """With how it stands: it is running, elsewhere."""
    workflow_id = await lobby.started()
    await lobby.claim(workflow_id)
    problem = _problem(await lobby.claim(workflow_id, "host-2", "other"))
    assert (409, "not_possible_now") == (problem.status, problem.code)
    assert problem.workflow is not None
    assert ("host-1", 2) == (problem.workflow.executor, problem.position)


async def test_a_claim_whose_answer_was_lost_before_a_cancel_shows_its_own_lease(lobby: Lobby) -> None:
    """The executor finds itself in the refusal, and ends what it never began."""
    workflow_id = await lobby.started()
    await lobby.claim(workflow_id)
    await lobby.cancel(workflow_id)
    problem = _problem(await lobby.claim(workflow_id))
    assert problem.workflow is not None
    assert (Status.CANCELLING, "host-1", 2) == (
        problem.workflow.status,
        problem.workflow.executor,
        problem.workflow.lease,
    )


async def test_a_claim_of_what_was_cancelled_is_refused(lobby: Lobby) -> None:
    """No process is ever started for it."""
    workflow_id = await lobby.started()
    await lobby.cancel(workflow_id)
    problem = _problem(await lobby.claim(workflow_id))
    assert (409, "already_terminal") == (problem.status, problem.code)


async def test_a_claim_of_what_has_ended_is_refused(lobby: Lobby) -> None:
    """Whoever claims late is told how it ended."""
    workflow_id = await lobby.started()
    await lobby.claim(workflow_id)
    await lobby.happen(workflow_id, event_of(Succeeded, lease=2))
    problem = _problem(await lobby.claim(workflow_id, "host-2", "late"))
    assert problem.workflow is not None
    assert ("already_terminal", Status.SUCCESS) == (problem.code, problem.workflow.status)


async def test_a_claim_of_the_unknown_is_refused(lobby: Lobby) -> None:
    """There is no such workflow."""
    assert "unknown_workflow" == _problem(await lobby.claim("nothing")).code


# Cancel


async def test_a_cancel_of_what_waits_ends_it(lobby: Lobby) -> None:
    """No process exists, so nothing needs to be awaited."""
    workflow_id = await lobby.started()
    accepted = _accepted(await lobby.cancel(workflow_id))
    assert (Status.CANCELLED, True, "ada") == (
        accepted.record.status,
        accepted.created,
        accepted.record.actor,
    )


async def test_a_cancel_of_what_runs_asks_it_to_end(lobby: Lobby) -> None:
    """It is `cancelling` until its process has been seen to end."""
    workflow_id = await lobby.started()
    await lobby.claim(workflow_id)
    assert Status.CANCELLING is _accepted(await lobby.cancel(workflow_id)).record.status


async def test_a_cancel_repeated_is_answered_as_it_stands(lobby: Lobby) -> None:
    """It is being cancelled already: no error, and nothing new."""
    workflow_id = await lobby.started()
    await lobby.claim(workflow_id)
    await lobby.cancel(workflow_id)
    again = _accepted(await lobby.cancel(workflow_id, by=None))
    assert (Status.CANCELLING, False) == (again.record.status, again.created)
    assert 3 == len(lobby.log.entries)
    assert 1.0 == lobby.commands("cancel", "repeated")


@pytest.mark.parametrize(("kind", "status"), [(Succeeded, "success"), (Cancelled, "cancelled")])
async def test_a_cancel_of_what_has_ended_says_how(lobby: Lobby, kind: type[Event], status: str) -> None:
    """And when, in UTC, whatever clock its executor's host went by; nothing is changed."""
    workflow_id = await lobby.started()
    await lobby.claim(workflow_id)
    await lobby.cancel(workflow_id)
    ended = second(8.5).astimezone(timezone(timedelta(hours=5)))
    await lobby.happen(workflow_id, event_of(kind, lease=2, finished_at=ended))
    problem = _problem(await lobby.cancel(workflow_id))
    assert (409, "already_terminal") == (problem.status, problem.code)
    assert f"ended already: {status} at 2026-01-02T03:04:13.500000Z" in problem.detail
    assert problem.workflow is not None
    assert status == problem.workflow.status
    assert 4 == len(lobby.log.entries)


@pytest.mark.parametrize("workflow_id", ["unknown", "not a token", "w.1", "*", ">", "", "x" * 65, "w\n"])
async def test_a_cancel_of_the_unknown_says_so(lobby: Lobby, workflow_id: str) -> None:
    """A name that cannot be one is unknown too, and is never made part of a subject."""
    problem = _problem(await lobby.cancel(workflow_id))
    assert (404, "unknown_workflow") == (problem.status, problem.code)
    assert repr(workflow_id) in problem.detail


async def test_a_cancel_by_an_endless_name_is_refused(lobby: Lobby) -> None:
    """The name would stand in the record."""
    workflow_id = await lobby.started()
    problem = _problem(await lobby.cancel(workflow_id, by="x" * (MAX_NAME + 1)))
    assert (422, ("by",)) == (problem.status, tuple(error.field for error in problem.errors))


async def test_a_cancel_that_meets_the_end_says_how_it_ended(lobby: Lobby) -> None:
    """Refused because it was `cancelling`, and read again when it had ended: the later is told."""
    workflow_id = await lobby.started()
    await lobby.claim(workflow_id)
    await lobby.cancel(workflow_id)
    genuine = lobby.registrar.standing

    async def standing_after_the_end(workflow_id: str) -> Entry | None:
        lobby.registrar.standing = genuine  # type: ignore[method-assign]
        await lobby.happen(workflow_id, event_of(Cancelled, lease=2))
        return await genuine(workflow_id)

    async def accept_then_end(*args: Any, **named: Any) -> Any:
        try:
            return await accept(*args, **named)
        finally:
            lobby.registrar.accept = accept  # type: ignore[method-assign]
            lobby.registrar.standing = standing_after_the_end  # type: ignore[method-assign]

    accept = lobby.registrar.accept
    lobby.registrar.accept = accept_then_end  # type: ignore[method-assign]
    problem = _problem(await lobby.cancel(workflow_id))
    assert problem.workflow is not None
    assert ("already_terminal", Status.CANCELLED) == (problem.code, problem.workflow.status)
