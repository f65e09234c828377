"""The executor: runs workflows in processes of their own, and says what became of them.

Owns: its leases, their processes, an outbox on disk.
Hears: jobs of the definitions that it serves; the log, for each lease that it holds; questions.
Says: claims, progress, output, final reports, one beat per interval, what it can run.

It obeys the log.  Cut off from NATS it keeps working, since a control plane's outage is no reason to throw
away paid work; its reports wait on disk, and when it is back it obeys what the log says by then.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from structlog.contextvars import bound_contextvars

from lastword.actors.chronicler import Chronicler
from lastword.actors.courier import Courier
from lastword.actors.exceptions import Postponed
from lastword.actors.heart import Heart
from lastword.actors.keep import keep
from lastword.actors.queues import job_queue
from lastword.actors.settings import DefinitionSettings, ExecutorSettings
from lastword.actors.tenure import Tenure, WhyEnded
from lastword.bus import (
    Bus,
    CommandClient,
    Inspector,
    JetStreamMailbox,
    Letter,
    Outputs,
    StatusLog,
    Unavailable,
    decode,
    decode_record,
)
from lastword.bus.connection import TRANSIENT
from lastword.child.pool import ChildPool
from lastword.child.protocol import Description, Target, Work
from lastword.contracts import subjects
from lastword.contracts.ids import new_workflow_id
from lastword.contracts.messages import (
    MAX_LEASES,
    Answer,
    Claim,
    Definition,
    Held,
    Job,
    Problem,
    Question,
)
from lastword.contracts.permissions import is_inbox
from lastword.contracts.records import Entry
from lastword.contracts.statuses import LIVE
from lastword.telemetry import traces
from lastword.telemetry.metrics import Metrics

__all__ = ["Executor", "executor_name"]

log = structlog.get_logger(__name__)

REREAD_EVERY_BEATS: Final = 3
GOODBYE_S: Final = 4.0  # seconds for the last reports when stopping


def executor_name(first: str) -> str:
    """Return a name that no other process has had: the given part and 40 random bits.

    A restarted executor is another executor: the leases of the one before are not its own.
    """
    cleaned = "".join(char if char.isascii() and char.isalnum() else "-" for char in first)[:40].strip("-")
    return new_workflow_id(cleaned or "executor")


class Executor:
    """Everything that one executor process runs."""

    name: ClassVar[str] = "executor"

    def __init__(
        self,
        bus: Bus,
        settings: ExecutorSettings,
        definitions: Mapping[str, DefinitionSettings],
        pool: ChildPool,
        metrics: Metrics,
        *,
        data_dir: Path,
        base_dir: str,
        heartbeat_timeout_s: float,
        fallback_environment: Mapping[str, str],
        fallback_unless: tuple[str, ...],
    ) -> None:
        """`fallback_environment` leads to a language model where nothing like `fallback_unless` is set."""
        self._bus = bus
        self._settings = settings
        self._definitions = {
            name: definition
            for name, definition in definitions.items()
            if not settings.serve or name in settings.serve
        }
        self._pool = pool
        self._metrics = metrics
        self._data_dir = data_dir
        self._base_dir = base_dir
        self._timeout_s = heartbeat_timeout_s
        self._fallback: dict[str, Any] = {
            "fallback_environment": dict(fallback_environment),
            "fallback_unless": fallback_unless,
        }
        self._commands = CommandClient(bus)
        self._log = StatusLog(bus)
        self._courier = Courier(bus, Outputs(bus), data_dir / "outbox")
        self._tenures: dict[str, Tenure] = {}
        self._claiming: set[str] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(settings.slots)
        self._stopping = asyncio.Event()
        self.is_ready = False
        """Whether it has found out what it can run, and takes work."""
        self._epoch = ""
        self._heart = Heart(
            bus,
            bus.name,
            interval_s=settings.heartbeat_interval_s,
            timeout_s=heartbeat_timeout_s,
            slots=settings.slots,
            vouched_for=self._vouched_for,
        )

    async def run(self) -> None:
        """Work until `stop`, then drain, end what is left, and say goodbye."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._pool.close)
            await stack.enter_async_context(self._answering())
            background = await stack.enter_async_context(_background())
            background("pulse", self._heart.run)
            background("obey", self._reread_now_and_then)
            background("outbox", self._courier.deliver_leftovers)
            served = await self._announce()
            self._heart.definitions = tuple(served)
            intake = [self._take_jobs_of(name) for name in served]
            self._heart.beat_soon()
            self.is_ready = True
            log.info("executor.ready", executor=self._bus.name, serves=served, slots=self._settings.slots)
            try:
                await self._stopping.wait()
            finally:
                await self._wind_up(intake)

    def stop(self) -> None:
        """Take no more work, and wind up."""
        self._stopping.set()

    async def _wind_up(self, intake: "list[asyncio.Task[None]]") -> None:
        """Drain, then cancel, then say goodbye: after this nobody needs to wonder about a lease."""
        self._heart.state = "draining"
        self._heart.beat_soon()
        for task in intake:
            task.cancel()
        await asyncio.gather(*intake, return_exceptions=True)
        ends = [
            asyncio.create_task(tenure.process_ended.wait(), name=f"drain {tenure.held.id}")
            for tenure in self._tenures.values()
        ]
        if ends:
            log.info("executor.draining", workflows=len(ends), drain_s=self._settings.drain_s)
            await asyncio.wait(ends, timeout=self._settings.drain_s)
        for end in ends:
            end.cancel()
        for tenure in self._tenures.values():
            tenure.end(WhyEnded.SHUTDOWN)
        await self._settle_up()
        await self._heart.say_goodbye()
        log.info("executor.gone", executor=self._bus.name)

    async def _settle_up(self) -> None:
        """Wait until each outcome is accepted; what cannot be delivered in time waits in the outbox."""
        if not self._serving:
            return
        limit_s = GOODBYE_S + 2 * self._settings.term_grace_s
        _, late = await asyncio.wait(self._serving, timeout=limit_s)
        if late:
            log.warning("executor.unsettled", workflows=sorted(self._tenures))
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    # What it can run

    async def _announce(self) -> list[str]:
        """Find out what each definition is, say so, and return the names of those that work."""
        targets = {name: self._target(definition) for name, definition in self._definitions.items()}
        await self._pool.warm(list(targets.values()))
        served: list[str] = []
        for name, target in targets.items():
            description = await self._pool.describe(target, **self._fallback)
            if description.kind == "broken":
                log.error("definition.broken", definition=name, error=description.error)
            else:
                served.append(name)
            await self._define(name, description)
        return served

    async def _define(self, name: str, description: Description) -> None:
        settings = self._definitions[name]
        definition = Definition(
            name=name,
            kind=description.kind,
            input_schema=description.input_schema,
            description=settings.description or description.description,
            deadline_s=settings.deadline_s,
            queue_timeout_s=settings.queue_timeout_s,
            source=settings.run or settings.project or "",
            error=description.error,
            announced_by=self._bus.name,
            announced_at=datetime.now(UTC),
        )
        while True:
            try:
                await self._bus.store(subjects.definition(name), msgspec.json.encode(definition))
            except Unavailable as error:
                log.debug("definition.not_yet", definition=name, why=str(error))
                await asyncio.sleep(0.2)
            else:
                return

    def _target(self, definition: DefinitionSettings) -> Target:
        return Target(
            run=definition.run,
            project=definition.project,
            python=definition.python,
            base_dir=self._base_dir,
        )

    # Jobs

    def _take_jobs_of(self, name: str) -> "asyncio.Task[None]":
        kept = keep(f"jobs {name}", lambda: self._take_jobs(name))
        return asyncio.create_task(kept, name=f"jobs {name}")

    async def _take_jobs(self, name: str) -> None:
        """Take jobs of one definition while a slot is free; what comes too many is handed back at once."""
        inspector = Inspector("job", Job, self._metrics, name_of=lambda job: job.definition)
        jobs = JetStreamMailbox(job_queue(self._bus, name, made_elsewhere=True), inspector)
        async with aclosing(aiter(jobs)) as letters:
            await self._free_slot()
            async for letter in letters:
                if len(self._tenures) >= MAX_LEASES:  # nobody accepts what has ended: it would only grow
                    await letter.retry(1.0)
                elif self._slots.locked():
                    await letter.retry()
                else:
                    await self._slots.acquire()
                    task = asyncio.create_task(self._serve(letter), name=f"serve {letter.message.id}")
                    self._serving.add(task)
                    task.add_done_callback(self._served)
                await self._free_slot()

    async def _free_slot(self) -> None:
        """Return when a slot is free, without taking it."""
        async with self._slots:
            return

    def _served(self, task: "asyncio.Task[None]") -> None:
        self._serving.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("workflow.tenure_failed", task=task.get_name(), exc_info=task.exception())

    async def _serve(self, letter: Letter[Job]) -> None:
        """Claim the job's workflow and run it. The slot is ours until the process has ended."""
        job = letter.message
        if job.id in self._tenures or job.id in self._claiming:
            self._slots.release()
            await self._part_with_copy(letter)
            return
        run = traces.span(
            f"run {job.definition}", "consumer", carrier=letter.headers, lastword__workflow=job.id
        )
        with bound_contextvars(workflow=job.id), run:
            self._claiming.add(job.id)
            try:
                entry = await self._claim(job)
            except Postponed as why:
                self._slots.release()
                await letter.retry(why.delay_s)
                return
            finally:
                self._claiming.discard(job.id)
            if entry is None:  # another has it, or nobody needs it any more
                self._slots.release()
                await letter.ack()
                return
            tenure = self._begin(entry)
            await letter.ack()
            await self._see_through(tenure, entry)

    async def _part_with_copy(self, letter: Letter[Job]) -> None:
        """Let go of a job that was delivered again while we claim or run its workflow.

        Were it claimed once more, the answer could tell of our lease and come after its tenure has ended: the
        same lease would get a second process.
        """
        if letter.message.id in self._tenures:
            await letter.ack()
        else:  # whether the claim succeeds is not known yet
            await letter.retry(1.0)

    async def _claim(self, job: Job) -> Entry | None:
        """Return the entry under which the lease is ours, or None where it is not to be had.

        Asks until somebody answers: a claim without an answer may have been accepted, and whoever forgot it
        would no longer vouch for a lease that the log says is ours.  Raises `Postponed` where the executor is
        to stop.
        """
        claim = Claim(id=job.id, executor=self._bus.name, event_id=f"{job.id}.{self._bus.name}.claim")
        while not self._stopping.is_set():
            try:
                reply = await self._commands.claim(claim)
            except Unavailable as error:
                log.debug("claim.not_yet", error=str(error))
            else:
                if reply.accepted is not None:
                    given = reply.accepted
                    return Entry(position=given.position, stored_at=given.stored_at, record=given.record)
                problem = reply.problem
                if problem is not None and problem.status < 500:
                    return self._ours_already(problem)
            await asyncio.sleep(0.2)
        raise Postponed("nobody answers the claim", 1.0)

    def _ours_already(self, problem: Problem) -> Entry | None:
        """Find our lease in a refusal: the claim's answer was lost, and the workflow has moved on since."""
        record, position = problem.workflow, problem.position
        if (
            record is None
            or position is None
            or record.executor != self._bus.name
            or record.status not in LIVE
        ):
            log.debug("claim.refused", code=problem.code, detail=problem.detail)
            return None
        return Entry(position=position, stored_at=record.at, record=record)

    def _begin(self, entry: Entry) -> Tenure:
        record = entry.record
        held = Held(id=record.id, lease=entry.lease or entry.position)
        work = Work(
            workflow_id=record.id,
            target=self._target(self._definitions[record.definition]),
            inputs=record.inputs,
            run_dir=str(self._data_dir / "runs" / record.id),
            **self._fallback,
        )
        tenure = Tenure(
            held,
            work,
            deadline_s=record.deadline_s,
            executor=self._bus.name,
            pool=self._pool,
            courier=self._courier,
            chronicler=Chronicler(self._bus, held, interval_s=self._settings.progress_interval_s),
            metrics=self._metrics,
            term_grace_s=self._settings.term_grace_s,
            freed=self._slots.release,
        )
        tenure.obey(entry)
        if self._stopping.is_set():  # since the claim was asked
            tenure.end(WhyEnded.SHUTDOWN)
        self._tenures[record.id] = tenure
        self._lease_news()
        return tenure

    async def _see_through(self, tenure: Tenure, entry: Entry) -> None:
        """Run the tenure while obeying what the log says of it."""
        subscription: Subscription | None = None
        try:
            subscription = await self._follow(tenure)
            redeliver_s = 2 * self._settings.heartbeat_interval_s
            await asyncio.gather(
                self._reread([entry.record.id]),  # what was recorded before the subscription was there
                tenure.run(redeliver_s=redeliver_s),
            )
        finally:
            self._tenures.pop(tenure.held.id, None)
            self._lease_news()
            if subscription is not None:
                with suppress(*TRANSIENT):
                    await subscription.unsubscribe()

    def _lease_news(self) -> None:
        self._heart.beat_soon()
        self._metrics.running_children(len(self._tenures), self._settings.slots)

    # Obeying the log

    async def _follow(self, tenure: Tenure) -> Subscription | None:
        """Listen to the workflow's accepted records; what is missed meanwhile is read again later."""

        async def hear(message: Msg) -> None:
            headers = message.headers or {}
            tenure.obey(
                Entry(
                    position=int(headers.get("Nats-Sequence", 0)),
                    stored_at=datetime.now(UTC),
                    record=decode_record(message.data),
                )
            )

        try:
            return await self._bus.client.subscribe(subjects.status(tenure.held.id), cb=hear)
        except TRANSIENT:
            return None  # read again with the beats

    async def _reread_now_and_then(self) -> None:
        """Read how all leases stand, every few beats and after each reconnect.

        Where the settings say so, end what has been cut off for too long.
        """
        back = asyncio.Event()
        self._bus.on_reconnect.append(back.set)
        loop = asyncio.get_running_loop()
        connected_at_s = loop.time()
        while True:
            try:
                async with asyncio.timeout(REREAD_EVERY_BEATS * self._settings.heartbeat_interval_s):
                    await back.wait()
            except TimeoutError:
                pass
            else:
                self._heart.beat_soon()
            back.clear()
            if self._bus.is_connected:
                connected_at_s = loop.time()
                await self._recognise_log()
                await self._reread(list(self._tenures))
            elif self._settings.when_isolated == "stop" and loop.time() - connected_at_s > self._timeout_s:
                for tenure in self._tenures.values():
                    tenure.end(WhyEnded.ISOLATED)

    async def _recognise_log(self) -> None:
        """Give up what another log does not know of: it was restored from before, or made anew.

        Its positions may be lower than our leases, and so would never be obeyed; and the number of our lease
        may have been given again, to somebody else.
        """
        try:
            epoch = (await self._log.head()).epoch
            if self._epoch not in {"", epoch}:
                log.warning("executor.log_renewed", workflows=sorted(self._tenures))
                for tenure in list(self._tenures.values()):
                    entry = await self._log.read(tenure.held.id)
                    if entry is None or (entry.record.executor, entry.lease) != (
                        self._bus.name,
                        tenure.held.lease,
                    ):
                        tenure.give_up()
        except Unavailable as error:
            log.debug("epoch.not_yet", error=str(error))
        else:
            self._epoch = epoch

    async def _reread(self, workflow_ids: list[str]) -> None:
        try:
            entries = await self._log.read_many(workflow_ids)
        except Unavailable as error:
            log.debug("reread.not_yet", error=str(error))
            return
        for workflow_id, entry in entries.items():
            tenure = self._tenures.get(workflow_id)
            if tenure is not None:
                tenure.obey(entry)

    # Vouching

    def _vouched_for(self) -> tuple[Held, ...]:
        return tuple(tenure.held for tenure in self._tenures.values() if tenure.is_vouched_for)

    def _vouch(self, question: Question) -> Answer:
        """Say which leases are ours: those held, and what is being claimed, whose answer may be under way."""
        held = set(self._vouched_for())
        known = (lease for lease in question.leases if lease in held or lease.id in self._claiming)
        return Answer(executor=self._bus.name, held=tuple(known))

    @asynccontextmanager
    async def _answering(self) -> AsyncGenerator[None, None]:
        """Answer whether leases are still held."""
        decoder = msgspec.json.Decoder(Question)

        async def hear(message: Msg) -> None:
            if not is_inbox(message.reply):
                log.warning("question.answer_misdirected")
                return
            try:
                answer = self._vouch(decode(decoder, message.data))
                await message.respond(msgspec.json.encode(answer))
            except msgspec.DecodeError as error:
                log.warning("question.unreadable", error=str(error))
            except TRANSIENT:
                log.debug("question.answer_lost")

        await self._bus.client.subscribe(subjects.executor(self._bus.name), cb=hear)
        await self._bus.barrier()
        yield


@asynccontextmanager
async def _background() -> AsyncGenerator[Any, None]:
    """Yield a function that starts a kept task; end them all when the block is left."""
    tasks: list[asyncio.Task[None]] = []

    def start(name: str, work: Any) -> None:
        tasks.append(asyncio.create_task(keep(name, work), name=name))

    try:
        yield start
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
