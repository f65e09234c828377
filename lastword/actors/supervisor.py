"""The supervisor: turns what happened into what is true.

Owns: the log (through the registrar).
Hears: the commands `start`, `claim`, `cancel`; reports, partition by partition; the log itself.
Says: records on `lastword.log.<id>`, jobs, refused reports as evidence, rows in the database.

Several may run.  Each partition of the reports is pinned to one of them at a time, and compare-and-set
keeps them honest whatever else happens; killing any of them loses nothing, because everything that must
follow a record is a consumer of the log, and everything else is still in the report stream.
"""

import asyncio
from collections.abc import Hashable
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar, Final

import msgspec
import structlog

from lastword import __version__
from lastword.actors.actor import Actor
from lastword.actors.bulk import report_without_bulk
from lastword.actors.catalogue import Catalogue
from lastword.actors.exceptions import Postponed, Refused
from lastword.actors.keep import keep
from lastword.actors.ports import Post
from lastword.actors.projector import Projector
from lastword.actors.queues import job_queue
from lastword.actors.receptionist import Receptionist
from lastword.actors.registrar import Registrar
from lastword.actors.settings import SupervisorSettings
from lastword.actors.surveyor import Surveyor
from lastword.bus import (
    Bus,
    Inspector,
    JetStreamMailbox,
    Letter,
    PullConsumer,
    StatusLog,
    TooLarge,
    Unavailable,
    ensure_streams,
    serve_commands,
)
from lastword.bus.commands import Handler
from lastword.contracts import subjects
from lastword.contracts.events import Lost, QueueTimedOut
from lastword.contracts.messages import Job, RefusedReport, Report
from lastword.contracts.moves import IllegalMove
from lastword.contracts.records import Record
from lastword.contracts.statuses import Status
from lastword.storage import Database
from lastword.telemetry import traces
from lastword.telemetry.metrics import Metrics

__all__ = ["Dispatcher", "ReportReader", "Supervisor"]

log = structlog.get_logger(__name__)

EVIDENCE: Final = 20  # refused reports of one partition that are kept at once
EVIDENCE_PER_S: Final = 1  # and after that: each takes two requests, and other reports of its workflow wait


class ReportReader(Actor[Report]):
    """Makes statuses of the reports of one partition."""

    name: ClassVar[str] = "supervisor"

    def __init__(self, post: Post, registrar: Registrar, metrics: Metrics, *, at_once: int) -> None:
        self._post = post
        self._registrar = registrar
        self._metrics = metrics
        self._places: float = EVIDENCE
        self._placed_at_s = 0.0
        self.at_once = at_once

    def key(self, message: Report) -> Hashable:
        """Return the workflow: its reports keep their order."""
        return message.id

    async def handle(self, letter: Letter[Report]) -> None:
        """Accept the report, or keep it as evidence of what was refused."""
        report = letter.message
        cause = report.event.__struct_config__.tag
        try:
            with traces.span(
                f"report {cause}", "consumer", carrier=letter.headers, lastword__workflow=report.id
            ):
                if isinstance(report.event, Lost | QueueTimedOut):
                    await self._let_elders_go_first(letter)
                await self._accept(report)
        except Unavailable as error:
            raise Postponed(str(error), 0.5) from error
        except TooLarge as error:  # even without its bulk; it would come again for ever
            raise Refused(str(error)) from error

    async def _accept(self, report: Report) -> None:
        try:
            if not self._registrar.is_over(report.id, report.event, report.event_id):
                await self._registrar.accept(
                    report.id, report.event, event_id=report.event_id, actor=report.actor
                )
        except IllegalMove as refusal:
            await self._refuse(report, refusal)

    async def _let_elders_go_first(self, letter: Letter[Report]) -> None:
        """Hold a verdict back while a report that was published before it is still in the stream.

        The order of delivery does that almost always; after a supervisor's death the reports that it had in
        hand come again only after a while, and a verdict must not overtake them.
        """
        answer = await self._post.ask_api(
            f"STREAM.MSG.GET.{subjects.REPORT_STREAM}", {"seq": 1, "next_by_subj": letter.subject}
        )
        if "error" in answer and answer["error"].get("err_code") != 10037:  # 10037: none found
            raise Postponed("whether older reports wait is not known", 0.5)
        if "message" in answer and int(answer["message"]["seq"]) < letter.position:
            raise Postponed("an older report of this workflow waits", 0.25)

    async def _refuse(self, report: Report, refusal: IllegalMove) -> None:
        """Count a report that changes nothing, and keep it as evidence.

        In a storm of such reports most are only counted: it must not take the time of those that change
        something.
        """
        if self._may_keep():
            await self._keep_evidence(report, refusal)
        self._metrics.refused(refusal.reason)

    def _may_keep(self) -> bool:
        """Whether there is place for more evidence: so much at once, and so much a second."""
        now = asyncio.get_running_loop().time()
        self._places = min(EVIDENCE, self._places + (now - self._placed_at_s) * EVIDENCE_PER_S)
        self._placed_at_s = now
        if self._places < 1:
            return False
        self._places -= 1
        return True

    async def _keep_evidence(self, report: Report, refusal: IllegalMove) -> None:
        standing = await self._registrar.standing(report.id)
        evidence = RefusedReport(
            id=report.id,
            reason=refusal.reason,
            status=standing.record.status if standing else None,
            position=standing.position if standing else None,
            report=report,
            at=datetime.now(UTC),
        )
        await self._store(evidence)
        log.info(
            "report.refused",
            workflow=report.id,
            cause=report.event.__struct_config__.tag,
            reason=refusal.reason,
            status=refusal.status,
            by=report.actor,
        )

    async def _store(self, evidence: RefusedReport) -> None:
        """Put the evidence where it is kept, without the report's bulk where that is too much."""
        report = evidence.report
        message_id = f"refused-{report.event_id}"
        try:
            await self._post.store(
                subjects.refused(report.id), msgspec.json.encode(evidence), message_id=message_id
            )
        except TooLarge:
            slim = msgspec.structs.replace(evidence, report=report_without_bulk(report))
            await self._post.store(
                subjects.refused(report.id), msgspec.json.encode(slim), message_id=message_id
            )


class Dispatcher(Actor[Record]):
    """Makes a job of each `pending` record. Twice is harmless: only one claim can be first."""

    name: ClassVar[str] = "dispatcher"
    at_once = 64

    def __init__(self, post: Post) -> None:
        self._post = post

    def key(self, message: Record) -> Hashable:
        """Return the workflow: they are independent."""
        return message.id

    async def handle(self, letter: Letter[Record]) -> None:
        """Publish the job, once per workflow by its message id."""
        record = letter.message
        if record.status is not Status.PENDING:
            return
        job = Job(id=record.id, definition=record.definition, position=letter.position)
        try:
            with traces.span("dispatch", "producer", carrier=letter.headers, lastword__workflow=record.id):
                await self._post.store(
                    subjects.job(record.definition), msgspec.json.encode(job), message_id=f"job-{record.id}"
                )
        except Unavailable as error:
            raise Postponed(str(error), 0.5) from error


class Supervisor:
    """Everything that one supervisor process runs."""

    def __init__(
        self,
        bus: Bus,
        database: Database,
        settings: SupervisorSettings,
        metrics: Metrics,
        *,
        name: str,
        max_inputs_bytes: int,
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._metrics = metrics
        self._name = name
        self._status_log = StatusLog(bus)
        self._registrar = Registrar(self._status_log, metrics, now=lambda: datetime.now(UTC))
        self._reports = Inspector("report", Report, metrics, name_of=lambda report: report.id)
        self._catalogue = Catalogue(metrics)
        self._receptionist = Receptionist(
            self._registrar, self._catalogue, metrics, max_inputs_bytes=max_inputs_bytes
        )
        self._projector = Projector(
            bus, self._status_log, database, metrics, every_s=settings.project_every_s
        )
        self._surveyor = Surveyor(bus, self._catalogue, metrics)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for partition in range(self._settings.partitions):
                tasks.create_task(
                    keep(f"reports {partition}", partial(self._read_reports, partition)),
                    name=f"reports {partition}",
                )
            tasks.create_task(keep("dispatch", self._dispatch), name="dispatch")
            tasks.create_task(keep("projection", self._projector.run), name="projection")
            tasks.create_task(keep("commands", self._answer_commands), name="commands")
            tasks.create_task(keep("streams", self._restore_streams), name="streams")
            tasks.create_task(keep("queues", self._make_queues), name="queues")
            tasks.create_task(keep("survey", self._surveyor.run), name="survey")

    async def _restore_streams(self) -> None:
        """After each reconnect, make again what a restarted server has lost: streams kept in memory."""
        back = asyncio.Event()
        self._bus.on_reconnect.append(back.set)
        while True:
            await back.wait()
            back.clear()
            await ensure_streams(self._bus, partitions=self._settings.partitions)

    async def _make_queues(self) -> None:
        """Make the queue of each definition that is announced: executors may only take from it."""
        changed = self._catalogue.changed
        made: set[str] = set()

        def begin_anew() -> None:  # the server may have lost its data
            made.clear()
            changed.set()

        self._bus.on_reconnect.append(begin_anew)
        try:
            while True:
                changed.clear()
                for name in self._catalogue.announced:
                    if name not in made:
                        await job_queue(self._bus, name).ensure()
                        made.add(name)
                await changed.wait()
        finally:
            self._bus.on_reconnect.remove(begin_anew)

    async def _read_reports(self, partition: int) -> None:
        consumer = PullConsumer(
            self._bus,
            stream=subjects.REPORT_STREAM,
            durable=f"supervisor-{partition}",
            subject=subjects.report_partition(partition),
            max_ack_pending=self._settings.max_in_flight,
            batch=min(self._settings.max_in_flight, 128),
            batch_bytes=ReportReader.bytes_at_once,
            exclusive=True,
        )
        reader = ReportReader(self._bus, self._registrar, self._metrics, at_once=self._settings.max_in_flight)
        await reader.run(JetStreamMailbox(consumer, self._reports))

    async def _dispatch(self) -> None:
        consumer = PullConsumer(
            self._bus, stream=subjects.LOG_STREAM, durable="dispatch", subject=subjects.log(), batch=128
        )
        records = Inspector("record", Record, self._metrics, name_of=lambda record: record.id)
        await Dispatcher(self._bus).run(JetStreamMailbox(consumer, records))

    async def _answer_commands(self) -> None:
        handlers: dict[str, Handler] = {
            "start": self._receptionist.start,
            "claim": self._receptionist.claim,
            "cancel": self._receptionist.cancel,
        }
        async with (
            self._catalogue.open(self._bus),
            serve_commands(
                self._bus,
                self._metrics,
                name="lastword-supervisor",
                version=__version__,
                description="Starts, claims and cancels workflows",
                handlers=handlers,
            ),
        ):
            log.info("supervisor.ready", name=self._name)
            await asyncio.Event().wait()
