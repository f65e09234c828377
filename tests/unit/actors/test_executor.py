"""What an executor vouches for, claims and leaves behind, without a bus or a process."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from lastword.actors.executor import Executor, executor_name
from lastword.actors.registrar import Registrar
from lastword.actors.settings import DefinitionSettings, ExecutorSettings
from lastword.bus import Bus, Letter, Unavailable
from lastword.bus.memory import MemoryMailbox
from lastword.child.errors import SpawnFailed
from lastword.child.pool import ChildPool
from lastword.child.protocol import Work
from lastword.contracts import subjects
from lastword.contracts.events import CancelRequested, Claimed, Submitted
from lastword.contracts.ids import is_token
from lastword.contracts.messages import Accepted, Claim, Held, Job, Problem, Question, Reply
from lastword.contracts.moves import IllegalMove
from lastword.contracts.records import Entry
from tests.samples import event_of
from tests.unit.actors.fakes import FakeLog, FakePost, fresh_metrics, now

JOB = Job(id="w-1", definition="research-brief", position=1)
HELD = Held(id="w-1", lease=2)


class _Subscription:
    async def unsubscribe(self) -> None:
        """Hear no more."""


class _Client:
    """The part of the client library that an executor follows the log with."""

    def __init__(self) -> None:
        self.followed: list[str] = []

    async def subscribe(self, subject: str, cb: Callable[[Any], Awaitable[None]]) -> _Subscription:
        """Note what is followed."""
        self.followed.append(subject)
        return _Subscription()


class _Bus(FakePost):
    """A post with such a client."""

    def __init__(self) -> None:
        super().__init__("host-1")
        self.client = _Client()


class _Pool:
    """Starts nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def spawn(self, work: Work) -> Any:
        """Refuse."""
        self.asked.append(work.workflow_id)
        raise SpawnFailed("there is no pool")


class Host:
    """An executor on a bus in memory, with a supervisor behind it."""

    def __init__(self) -> None:
        self.post = _Bus()
        self.log = FakeLog()
        self.registrar = Registrar(self.log, fresh_metrics(), now=now)
        self.pool = _Pool()
        self.executor = Executor(
            cast("Bus", self.post),
            ExecutorSettings(slots=2),
            {"research-brief": DefinitionSettings(run="m:f")},
            cast("ChildPool", self.pool),
            fresh_metrics(),
            data_dir=Path("/nonexistent"),
            base_dir=".",
            heartbeat_timeout_s=15.0,
            fallback_environment={},
            fallback_unless=(),
        )
        self.executor._log = cast("Any", self.log)
        self.mailbox: MemoryMailbox[Job] = MemoryMailbox()
        self.claim_takes_s = 0.1
        self.is_deaf = False
        """Whether answers to claims get lost."""
        self.post.request = self._request  # type: ignore[method-assign]
        self._store = self.post.store
        self.post.store = self._hear_report  # type: ignore[method-assign]

    async def _request(self, subject: str, payload: bytes, *, timeout_s: float | None = None) -> bytes:
        assert subjects.command("claim") == subject
        claim = msgspec.json.decode(payload, type=Claim)
        try:
            entry = await self.registrar.accept(
                claim.id, Claimed(executor=claim.executor), event_id=claim.event_id, actor=claim.executor
            )
        except IllegalMove:
            standing = self.log.last(claim.id)
            problem = Problem(
                status=409,
                code="not_possible_now",
                title="no",
                workflow=standing.record if standing else None,
                position=standing.position if standing else None,
            )
            reply = Reply(problem=problem)
        else:
            accepted = Accepted(position=entry.position, stored_at=entry.stored_at, record=entry.record)
            reply = Reply(accepted=accepted)
        await asyncio.sleep(self.claim_takes_s)
        if self.is_deaf:
            raise Unavailable(subject)
        return msgspec.json.encode(reply)

    async def _hear_report(self, subject: str, payload: bytes, **named: Any) -> bool:
        is_new = await self._store(subject, payload, **named)
        if subject.startswith("lastword.report."):
            report = msgspec.json.decode(payload)
            tenure = self.executor._tenures[report["id"]]
            asyncio.get_running_loop().call_later(0.1, tenure.settled.set)
        return is_new

    async def submit(self) -> None:
        """Let there be a pending workflow."""
        await self.registrar.accept("w-1", event_of(Submitted), event_id="s", actor="ada")

    async def deliver(self) -> "asyncio.Task[None]":
        """Deliver the job."""
        self.mailbox.put(JOB)
        letter: Letter[Job] = await anext(aiter(self.mailbox))
        await self.executor._slots.acquire()
        task = asyncio.create_task(self.executor._serve(letter))
        self.executor._serving.add(task)
        task.add_done_callback(self.executor._served)
        return task

    def vouches_for(self, *leases: Held) -> tuple[Held, ...]:
        """Ask the executor for leases."""
        return self.executor._vouch(Question(leases=leases)).held

    @property
    def outcomes(self) -> list[str]:
        """The error codes, or tags, that were reported."""
        return [
            report["event"].get("error", {}).get("code", report["event"]["event"])
            for report in self.post.payloads(subjects.report("w-1"))
        ]

    def standing(self) -> Entry:
        """How the workflow stands."""
        standing = self.log.last("w-1")
        assert standing is not None
        return standing


@pytest.fixture
async def host() -> Host:
    host = Host()
    await host.submit()
    return host


async def test_a_job_is_claimed_run_and_reported(host: Host) -> None:
    """Acknowledged once it is claimed; its slot is free when the process is gone, or never came."""
    serving = await host.deliver()
    await serving
    assert ["w-1"] == host.pool.asked
    assert ["spawn_failed"] == host.outcomes
    assert 0 == host.mailbox.unsettled
    assert 2 == host.executor._slots._value
    assert [subjects.status("w-1")] == host.post.client.followed


async def test_a_lease_is_vouched_for_while_its_claim_is_under_way(host: Host) -> None:
    """An auditor that heard of the lease before us must not think that nobody has it."""
    host.claim_takes_s = 4.0
    serving = await host.deliver()
    await asyncio.sleep(2.0)
    assert 2 == host.standing().lease
    assert (HELD,) == host.vouches_for(HELD, Held(id="w-9", lease=9))
    await serving
    assert () == host.vouches_for(HELD)


async def test_a_job_of_what_another_has_is_done(host: Host) -> None:
    """Nothing is run, and the job does not come again."""
    await host.registrar.accept("w-1", Claimed(executor="host-2"), event_id="c", actor="host-2")
    await (await host.deliver())
    assert [] == host.pool.asked
    assert 0 == host.mailbox.unsettled
    assert 2 == host.executor._slots._value


async def test_our_own_lease_is_found_in_a_refusal(host: Host) -> None:
    """The claim's answer was lost, and the workflow was cancelled since: we end it, for nobody else can."""
    event_id = "w-1.host-1.claim"
    await host.registrar.accept("w-1", Claimed(executor="host-1"), event_id=event_id, actor="host-1")
    await host.registrar.accept("w-1", CancelRequested(), event_id="x", actor="ada")
    await (await host.deliver())
    assert ["cancelled"] == host.outcomes
    assert [] == host.pool.asked


async def test_a_claim_is_asked_until_somebody_answers(host: Host) -> None:
    """It may have been accepted long ago: whoever forgot about it would no longer vouch for its own lease."""
    host.is_deaf = True
    serving = await host.deliver()
    await asyncio.sleep(60.0)
    assert 2 == host.standing().lease
    assert (HELD,) == host.vouches_for(HELD)
    host.is_deaf = False
    await serving
    assert ["w-1"] == host.pool.asked
    assert 0 == host.mailbox.unsettled


async def test_a_job_that_nobody_lets_us_claim_is_given_back_when_stopping(host: Host) -> None:
    """Another executor may take it; its slot is free again."""
    host.is_deaf = True
    serving = await host.deliver()
    await asyncio.sleep(1.0)
    host.executor.stop()
    await serving
    assert 1 == host.mailbox.unsettled
    assert 2 == host.executor._slots._value


async def test_a_job_that_is_delivered_again_while_it_is_claimed_is_given_back(host: Host) -> None:
    """Whether that claim succeeds is not known yet."""
    host.claim_takes_s = 4.0
    serving = await host.deliver()
    await asyncio.sleep(1.0)
    await (await host.deliver())
    assert 2 == host.mailbox.unsettled
    assert (HELD,) == host.vouches_for(HELD)
    await serving
    assert ["w-1"] == host.pool.asked


async def test_a_job_that_is_delivered_again_starts_no_second_process(host: Host) -> None:
    """Were it claimed again, the answer might tell of our lease, and come after its tenure has ended."""
    serving = await host.deliver()
    await asyncio.sleep(0.15)  # virtual: it is claimed, and not settled yet
    assert ["w-1"] == list(host.executor._tenures)
    host.claim_takes_s = 2.0
    again = await host.deliver()
    await serving
    await again
    assert ["w-1"] == host.pool.asked
    assert 0 == host.mailbox.unsettled
    assert 2 == host.executor._slots._value


async def test_a_claim_that_is_accepted_while_stopping_ends_as_a_shutdown(host: Host) -> None:
    """It has the lease, so it must say how it ends; no process is started for it."""
    host.claim_takes_s = 1.0
    serving = await host.deliver()
    await asyncio.sleep(0.5)
    host.executor.stop()
    await host.executor._wind_up([])
    assert serving.done()
    assert ["shutdown"] == host.outcomes
    assert [] == host.pool.asked
    assert "gone" == host.post.payloads(subjects.pulse("host-1"))[-1]["state"]


async def test_stopping_does_not_wait_for_ever(host: Host) -> None:
    """What is not settled in time is left; goodbye is said all the same."""
    host.claim_takes_s = 1000.0
    serving = await host.deliver()
    await asyncio.sleep(0.5)
    host.executor.stop()
    await host.executor._wind_up([])
    assert serving.cancelled()
    assert 10.0 > asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("restored", "is_given_up"),
    [("nothing", True), ("pending", True), ("our lease", False), ("our lease's number, to another", True)],
)
async def test_a_lease_that_a_restored_log_does_not_know_is_given_up(
    host: Host, restored: str, *, is_given_up: bool
) -> None:
    """Its positions are lower than the lease, or mean something else: the end, with nothing said."""
    begun = asyncio.Event()

    async def spawn(work: Work) -> Any:
        await begun.wait()
        raise SpawnFailed(work.workflow_id)

    host.pool.spawn = spawn  # type: ignore[method-assign]
    await host.executor._recognise_log()
    serving = await host.deliver()
    await asyncio.sleep(0.5)
    tenure = host.executor._tenures["w-1"]
    other = FakeLog()
    other.epoch = "second"
    submitted, claimed = (entry.record for entry in host.log.of("w-1"))
    if restored != "nothing":
        other.put(submitted)
    if restored.startswith("our lease"):
        executor = "host-1" if restored == "our lease" else "host-2"
        other.put(msgspec.structs.replace(claimed, executor=executor))
    host.executor._log = cast("Any", other)

    other.is_up = False
    await host.executor._recognise_log()
    assert not tenure.settled.is_set()  # not known yet
    other.is_up = True
    await host.executor._recognise_log()

    assert is_given_up is tenure.settled.is_set()
    begun.set()
    await asyncio.wait({serving}, timeout=5.0)
    assert serving.done()
    assert ([] if is_given_up else ["spawn_failed"]) == host.outcomes


def test_a_name_is_a_token_that_nobody_had_before() -> None:
    """A restarted executor is another executor."""
    names = {executor_name(first) for first in ("host.example.org", "host.example.org", "", "…", "x" * 200)}
    assert 5 == len(names)
    assert all(is_token(name) for name in names)
    assert any(name.startswith("host-example-org-") for name in names)
