"""What becomes of a report, and of a `pending` record."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from lastword.actors.registrar import Registrar
from lastword.actors.supervisor import EVIDENCE, Dispatcher, ReportReader
from lastword.bus.memory import MemoryMailbox
from lastword.contracts import subjects
from lastword.contracts.events import (
    CancelRequested,
    Claimed,
    Error,
    Event,
    Failed,
    Lost,
    QueueTimedOut,
    Submitted,
    Succeeded,
)
from lastword.contracts.messages import Report
from lastword.contracts.records import Record
from lastword.contracts.statuses import ErrorCode, Status
from lastword.telemetry.metrics import Metrics
from tests.samples import entry_at, event_of, second
from tests.unit.actors.fakes import FakeLog, FakePost, counted, fresh_metrics, now

SUBJECT = subjects.report_partition(0, "w-1")


class Office:
    """A reader of reports with all that it needs."""

    def __init__(self) -> None:
        self.log = FakeLog()
        self.post = FakePost("supervisor-1")
        self.post.api = self._stored
        self.metrics: Metrics = fresh_metrics()
        self.registrar = Registrar(self.log, self.metrics, now=now)
        self.reader = ReportReader(self.post, self.registrar, self.metrics, at_once=8)
        self.mailbox: MemoryMailbox[Report] = MemoryMailbox()
        self.oldest: int | None = None
        """The position of the oldest report of the workflow that is in the stream; None: the asked one."""

    def _stored(self, subject: str, request: dict[str, Any]) -> dict[str, Any]:
        assert f"STREAM.MSG.GET.{subjects.REPORT_STREAM}" == subject
        assert {"seq": 1, "next_by_subj": SUBJECT} == request
        if self.oldest is None:
            return {"error": {"err_code": 10037, "description": "no message found"}}
        return {"message": {"seq": self.oldest}}

    async def lead_to_running(self) -> None:
        """Bring `w-1` under lease 2."""
        for event in (event_of(Submitted), event_of(Claimed)):
            await self.registrar.accept("w-1", event, event_id=type(event).__name__, actor="host-1")

    def put(self, event: Event, event_id: str = "e-1", subject: str = SUBJECT) -> None:
        """Put a report into the mailbox."""
        self.mailbox.put(
            Report(id="w-1", event=event, event_id=event_id, actor="host-1", at=second(9)),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            subject,
        )

    async def read(self, *, until_s: float = 60.0) -> None:
        """Read the mailbox for a while."""
        loop = asyncio.get_running_loop()
        loop.call_later(until_s, self.mailbox.close)
        await self.reader.run(self.mailbox)

    def status(self) -> Status:
        """How `w-1` stands."""
        standing = self.log.last("w-1")
        assert standing is not None
        return standing.record.status

    @property
    def evidence(self) -> list[Any]:
        """What was kept on `lastword.refused.w-1`."""
        return self.post.payloads(subjects.refused("w-1"))


@pytest.fixture
async def office() -> Office:
    office = Office()
    await office.lead_to_running()
    return office


async def test_a_report_becomes_a_status_and_is_done(office: Office) -> None:
    """Accepted, acknowledged, no evidence of anything."""
    office.put(event_of(Succeeded, lease=2))
    await office.read()
    assert Status.SUCCESS is office.status()
    assert 0 == office.mailbox.unsettled
    assert [] == office.evidence


async def test_a_refused_report_is_kept_as_evidence_and_done(office: Office) -> None:
    """It says what stood, why it was refused, and the whole report; it does not come again."""
    office.put(event_of(Succeeded, lease=2), "e-1")
    office.put(event_of(Failed, lease=2), "e-2")
    with capture_logs() as lines:
        await office.read()
    [evidence] = office.evidence
    assert ("terminal", "success", 3) == (evidence["reason"], evidence["status"], evidence["position"])
    assert ("e-2", "failed") == (evidence["report"]["event_id"], evidence["report"]["event"]["event"])
    assert 1.0 == counted(office.metrics, "refused_reports_total", reason="terminal")
    assert [("terminal", "w-1")] == [
        (line["reason"], line["workflow"]) for line in lines if line["event"] == "report.refused"
    ]
    assert 0 == office.mailbox.unsettled


async def test_a_report_under_another_lease_is_kept_as_evidence(office: Office) -> None:
    """Invariant 3, from the mailbox on."""
    office.put(event_of(Succeeded, lease=1))
    await office.read()
    assert Status.RUNNING is office.status()
    assert ["lease"] == [evidence["reason"] for evidence in office.evidence]


async def test_a_report_of_nobody_knows_what_is_kept_as_evidence() -> None:
    """There was no such workflow: no status, no position."""
    office = Office()
    office.put(event_of(Succeeded))
    await office.read()
    assert ["unknown"] == [evidence["reason"] for evidence in office.evidence]
    assert office.evidence[0]["status"] is None


async def test_of_a_storm_of_refused_reports_some_are_kept_and_all_are_counted(office: Office) -> None:
    """To keep each would hold up those that change something."""
    for number in range(EVIDENCE + 100):
        office.put(event_of(Failed, lease=1), f"stale-{number}")
    office.put(event_of(Succeeded, lease=2), "right")
    await office.read()
    assert Status.SUCCESS is office.status()
    assert EVIDENCE == len(office.evidence)
    assert EVIDENCE + 100 == counted(office.metrics, "refused_reports_total", reason="lease")


async def test_evidence_that_cannot_be_kept_yet_is_kept_later(office: Office) -> None:
    """The letter comes again until the evidence is stored."""
    office.put(event_of(Succeeded, lease=1))
    office.post.failures = 2
    await office.read()
    assert 1 == len(office.evidence)
    assert 0 == office.mailbox.unsettled


async def test_evidence_that_is_too_large_is_kept_without_its_bulk(office: Office) -> None:
    """A report as large as a message may be does not come again for ever, wrapped in a larger one."""
    office.post.max_payload = 60_000
    long = "x" * 60_000
    error = Error(code=ErrorCode.EXCEPTION, message="It broke.", traceback=long)
    office.put(Failed(lease=1, finished_at=second(9), error=error))
    await office.read()
    [evidence] = office.evidence
    assert "It broke." == evidence["report"]["event"]["error"]["message"]
    assert len(evidence["report"]["event"]["error"]["traceback"]) < len(long)
    assert 0 == office.mailbox.unsettled


async def test_a_report_that_no_record_can_hold_is_dropped(office: Office) -> None:
    """It would come again for ever, and hold up what waits behind it."""
    office.log.max_payload = 10
    office.put(event_of(Succeeded, lease=2))
    await office.read()
    assert ["the server's limit" in why for _, why in office.mailbox.dropped] == [True]


@pytest.mark.parametrize("part", ["log", "post"])
async def test_a_report_waits_until_the_log_is_back(office: Office, part: str) -> None:
    """Nothing is lost, and nothing crashes, while neither log nor evidence can be reached."""
    office.registrar._standing.clear()
    office.put(event_of(Succeeded, lease=1), "stale")
    office.put(event_of(Succeeded, lease=2), "right")
    office.log.is_up = part != "log"
    office.post.is_connected = part != "post"

    def recover() -> None:
        office.log.is_up = office.post.is_connected = True

    asyncio.get_running_loop().call_later(10.0, recover)
    await office.read()
    assert Status.SUCCESS is office.status()
    assert 1 == len(office.evidence)
    assert 0 == office.mailbox.unsettled


@pytest.mark.parametrize("kind", [Lost, QueueTimedOut])
async def test_a_verdict_waits_for_reports_that_were_there_before_it(
    office: Office, kind: type[Event]
) -> None:
    """Invariant 5: an older report, held by a supervisor that died, is heard first when it comes again."""
    office.oldest = 0  # a letter before all of ours: not delivered to us yet
    office.put(event_of(kind, **({"lease": 2} if kind is Lost else {})), "verdict")
    loop = asyncio.get_running_loop()

    def deliver_the_elder() -> None:
        office.oldest = None
        office.put(event_of(Succeeded, lease=2), "outcome")

    loop.call_later(5.0, deliver_the_elder)
    reading = asyncio.create_task(office.read())
    await asyncio.sleep(4.0)
    assert Status.RUNNING is office.status()
    await reading
    assert Status.SUCCESS is office.status()
    assert ["verdict"] == [evidence["report"]["event_id"] for evidence in office.evidence]


async def test_a_verdict_that_is_the_oldest_report_is_heard(office: Office) -> None:
    """It does not wait for itself, nor for what was published after it."""
    office.oldest = 1
    office.put(event_of(Lost, lease=2))
    await office.read()
    assert Status.FAILED is office.status()


@pytest.mark.parametrize("fault", ["error", "silence"])
async def test_a_verdict_waits_while_nobody_knows_of_elders(office: Office, fault: str) -> None:
    """No answer is no answer; the verdict is not lost either."""
    office.post.api = (
        None if fault == "silence" else lambda _, __: {"error": {"err_code": 10008, "description": "busy"}}
    )
    office.put(event_of(Lost, lease=2))
    reading = asyncio.create_task(office.read())
    await asyncio.sleep(10.0)
    assert Status.RUNNING is office.status()
    office.post.api = office._stored
    await reading
    assert Status.FAILED is office.status()


async def test_other_reports_wait_for_nobody(office: Office) -> None:
    """Only verdicts ask for elders."""
    office.post.api = None
    office.put(CancelRequested(by="ada"))
    await office.read()
    assert Status.CANCELLING is office.status()


async def test_reports_of_one_workflow_keep_their_order(office: Office) -> None:
    """The cancel that was published first is accepted first, however many are in hand."""
    office.put(CancelRequested(by="ada"), "e-1")
    office.put(event_of(Succeeded, lease=2), "e-2")
    await office.read()
    assert ["cancel_requested", "succeeded"] == [e.record.cause for e in office.log.entries[2:]]


async def _dispatch(post: FakePost, *records: Record) -> MemoryMailbox[Record]:
    mailbox: MemoryMailbox[Record] = MemoryMailbox()
    for record in records:
        mailbox.put(record, subjects.log(record.id))
    asyncio.get_running_loop().call_later(60.0, mailbox.close)
    await Dispatcher(post).run(mailbox)
    return mailbox


async def test_only_a_pending_record_becomes_a_job() -> None:
    """Every other status has an executor, or needs none."""
    post = FakePost()
    mailbox = await _dispatch(post, *(entry_at(status).record for status in Status))
    assert [{"id": "w-1", "definition": "research-brief", "position": 1}] == [
        post.payloads(one.subject)[0] for one in post.stored
    ]
    assert [subjects.job("research-brief")] == [one.subject for one in post.stored]
    assert 0 == mailbox.unsettled


async def test_a_record_delivered_twice_is_one_job() -> None:
    """The stream of jobs recognises the second by its message id."""
    post = FakePost()
    record = entry_at(Status.PENDING).record
    await _dispatch(post, record, record)
    assert 1 == len(post.stored)


async def test_a_job_that_cannot_be_queued_is_queued_later() -> None:
    """The record comes again until its job is stored."""
    post = FakePost()
    post.failures = 3
    mailbox = await _dispatch(post, entry_at(Status.PENDING).record)
    assert 1 == len(post.stored)
    assert 0 == mailbox.unsettled
