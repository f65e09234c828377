"""What stands behind the edge in its tests: a log, supervisors, output and a database, all in memory."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from lastword.bus.exceptions import Unavailable
from lastword.contracts.events import (
    Cancelled,
    CancelRequested,
    Claimed,
    Error,
    Event,
    Failed,
    Progress,
    ResultReference,
    Submitted,
    Succeeded,
)
from lastword.contracts.ids import new_workflow_id
from lastword.contracts.messages import (
    Accepted,
    Cancel,
    Definition,
    FieldError,
    Held,
    Logged,
    LogLine,
    Problem,
    ProgressMade,
    Pulse,
    Reconcile,
    Reply,
    Start,
)
from lastword.contracts.records import Entry, Record, advance
from lastword.contracts.statuses import ErrorCode, Status
from lastword.http.hub import Hub
from lastword.storage import BadCursor, StoredPage, StoredSummary, StoredTrends, StoredWorkflow, WorkflowQuery
from lastword.storage.trends import fold

EPOCH = "testlog1"


class FakeHead(NamedTuple):
    """Where the fake log ends."""

    epoch: str
    position: int


class World:
    """A whole lastword in memory: supervisors accept at once, and feeds deliver when told to.

    With `feeds` every accepted record reaches each hub at once; without, `deliver` hands them on later.
    """

    def __init__(self) -> None:
        self.epoch = EPOCH
        self.log: list[Entry] = []
        self.hubs: list[Hub] = []
        self.feeds = True
        self.down = False
        self.projected: int | None = None
        self.output: list[tuple[int, Logged]] = []
        self.results: dict[str, bytes] = {}
        self.keys: dict[str, str] = {}
        self.older: dict[str, StoredWorkflow] = {}
        self.start_at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        self.definitions = {"research-brief": Definition(name="research-brief", kind="crew", input_schema={})}
        self.reads = 0

    # What happens.

    def happen(self, workflow_id: str, event: Event, **fields: Any) -> Entry:
        """Append what `event` makes of a workflow, and feed it to the hubs."""
        position = len(self.log) + 1
        at = self.start_at + timedelta(seconds=position)
        record = advance(
            self.last(workflow_id),
            event,
            workflow_id=workflow_id,
            event_id=f"e{position}",
            actor=fields.get("actor", "host-1"),
            at=at,
        )
        entry = Entry(position=position, stored_at=at, record=record)
        self.log.append(entry)
        if self.feeds:
            for hub in self.hubs:
                self.feed(hub, entry)
        return entry

    def feed(self, hub: Hub, entry: Entry) -> None:
        """Deliver one record as the bus does: decoded anew, with its bytes."""
        raw = msgspec.json.encode(entry.record)
        decoded = msgspec.json.decode(raw, type=Record)
        hub.accept(Entry(position=entry.position, stored_at=entry.stored_at, record=decoded), raw)

    def deliver(self, hub: Hub, upto: int | None = None) -> None:
        """Deliver what a hub has not heard yet."""
        for entry in self.log:
            if entry.position > hub.position and (upto is None or entry.position <= upto):
                self.feed(hub, entry)

    def attach(self, hub: Hub) -> None:
        """Feed a hub from now on, after everything so far."""
        self.deliver(hub)
        hub.synced(self.epoch, len(self.log))
        self.hubs.append(hub)

    def submit(self, workflow_id: str, **fields: Any) -> Entry:
        """Begin a workflow."""
        given: dict[str, Any] = {"definition": "research-brief", "inputs": {"topic": "tides"}, **fields}
        return self.happen(workflow_id, Submitted(**given))

    def claim(self, workflow_id: str, executor: str = "host-1") -> Entry:
        """Let an executor take it."""
        return self.happen(workflow_id, Claimed(executor=executor))

    def run(self, workflow_id: str, **fields: Any) -> Entry:
        """Begin a workflow and let it run."""
        self.submit(workflow_id, **fields)
        return self.claim(workflow_id)

    def succeed(self, workflow_id: str, result: Any = "done", ref: ResultReference | None = None) -> Entry:
        """Let it end well."""
        return self.happen(
            workflow_id,
            Succeeded(
                lease=self.lease(workflow_id), finished_at=self.start_at, result=result, result_ref=ref
            ),
        )

    def fail(self, workflow_id: str, code: ErrorCode = ErrorCode.ABRUPT_EXIT) -> Entry:
        """Let it end badly."""
        error = Error(code=code, message="The process was killed.", signal="SIGKILL")
        return self.happen(
            workflow_id, Failed(lease=self.lease(workflow_id), finished_at=self.start_at, error=error)
        )

    def cancel_ended(self, workflow_id: str) -> Entry:
        """Let a cancelled process end."""
        return self.happen(workflow_id, Cancelled(lease=self.lease(workflow_id), finished_at=self.start_at))

    def progress(self, workflow_id: str, done: int, revision: int | None = None) -> ProgressMade:
        """Let it get further."""
        made = ProgressMade(
            id=workflow_id,
            at=self.start_at + timedelta(minutes=30, seconds=done),
            lease=self.lease(workflow_id),
            revision=done if revision is None else revision,
            progress=Progress(done=done, total=3, label=f"task {done}"),
        )
        for hub in self.hubs:
            hub.progress(made)
        return made

    def beat(self, *workflow_ids: str, executor: str = "host-1", at: datetime | None = None) -> None:
        """Let an executor vouch for its workflows."""
        leases = tuple(Held(id=workflow_id, lease=self.lease(workflow_id)) for workflow_id in workflow_ids)
        for hub in self.hubs:
            hub.pulse(
                Pulse(executor=executor, at=at or datetime.now(UTC), leases=leases, slots=8, host="box")
            )

    def say(self, workflow_id: str, *texts: str) -> int:
        """Let a process write."""
        position = len(self.output) + 1
        lines = tuple(LogLine(at=self.start_at, stream="stdout", text=text) for text in texts)
        logged = Logged(id=workflow_id, lines=lines)
        self.output.append((position, logged))
        for hub in self.hubs:
            hub.logged(position, logged)
        return position

    def last(self, workflow_id: str) -> Entry | None:
        """Return the last record of a workflow."""
        return next((entry for entry in reversed(self.log) if entry.record.id == workflow_id), None)

    def lease(self, workflow_id: str) -> int:
        """Return the lease that stands."""
        entry = self.last(workflow_id)
        assert entry is not None
        assert entry.lease is not None
        return entry.lease

    # `LogReader`.

    async def read(self, workflow_id: str) -> Entry | None:
        """Return the last record."""
        self._check()
        self.reads += 1
        return self.last(workflow_id)

    async def head(self) -> FakeHead:
        """Return the log's end."""
        self._check()
        return FakeHead(self.epoch, len(self.log))

    async def records(self, workflow_id: str) -> list[Entry]:
        """Return all records of a workflow."""
        self._check()
        return [entry for entry in self.log if entry.record.id == workflow_id]

    async def since(self, position: int, limit: int) -> list[Entry]:
        """Return what follows a position."""
        self._check()
        return [entry for entry in self.log if entry.position > position][:limit]

    # `Commands`.

    async def start(self, command: Start) -> Reply:
        """Accept, or say what is wrong."""
        self._check()
        if command.definition not in self.definitions:
            return _refused(
                404, "unknown_definition", "There is no such definition", known=tuple(self.definitions)
            )
        if "topic" not in command.inputs:
            error = FieldError(field="inputs.topic", message="is required")
            return _refused(422, "invalid_inputs", "The inputs do not fit", errors=(error,))
        digest = hashlib.sha256(msgspec.json.encode([command.definition, command.inputs])).hexdigest()
        if command.idempotency_key in self.keys:
            workflow_id, before = self.keys[command.idempotency_key].split()
            if before != digest:
                return _refused(409, "idempotency_conflict", "The key stands for another request")
            return self._accepted(workflow_id, created=False)
        workflow_id = new_workflow_id(command.definition)
        if command.idempotency_key is not None:
            self.keys[command.idempotency_key] = f"{workflow_id} {digest}"
        self.submit(
            workflow_id,
            definition=command.definition,
            inputs=command.inputs,
            title=command.title,
            started_by=command.started_by,
            retry_of=command.retry_of,
        )
        return self._accepted(workflow_id, created=True)

    async def cancel(self, command: Cancel) -> Reply:
        """Accept, or say how it ended."""
        self._check()
        entry = self.last(command.id)
        if entry is None:
            return _refused(404, "unknown_workflow", "There is no such workflow")
        if entry.record.status.is_terminal:
            return _refused(
                409,
                "already_terminal",
                "The workflow has ended already",
                detail=f"{command.id} ended with {entry.record.status}",
                workflow=entry.record,
                position=entry.position,
            )
        if entry.record.status is not Status.CANCELLING:
            self.happen(command.id, CancelRequested(by=command.by))
        return self._accepted(command.id, created=True)

    async def reconcile(self, command: Reconcile) -> Reply:
        """Answer how it stands."""
        self._check()
        return self._accepted(command.id, created=False)

    def _accepted(self, workflow_id: str, *, created: bool) -> Reply:
        entry = self.last(workflow_id)
        assert entry is not None
        accepted = Accepted(
            position=entry.position, stored_at=entry.stored_at, record=entry.record, created=created
        )
        return Reply(accepted=accepted)

    # `Outputs`.

    async def lines(self, workflow_id: str, after: int, limit: int) -> list[tuple[int, Logged]]:
        """Return what a process wrote."""
        self._check()
        found = [(at, logged) for at, logged in self.output if at > after and logged.id == workflow_id]
        return found[:limit]

    async def result(self, reference: ResultReference) -> bytes:
        """Return a large result."""
        return self.results[reference.name]

    def _check(self) -> None:
        if self.down:
            raise Unavailable("the log", "no leader", retry_after_s=3)


class FakeLists:
    """The database of a world: up to date unless `World.projected` says otherwise."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.trends_asked = 0

    async def position(self) -> tuple[str | None, int]:
        """Return how far it is."""
        world = self._world
        return world.epoch, len(world.log) if world.projected is None else world.projected

    async def page(self, query: WorkflowQuery) -> StoredPage:
        """Return the newest first."""
        if query.cursor is not None and not query.cursor.isdigit():
            raise BadCursor("it is none of ours")
        _, position = await self.position()
        latest = {entry.record.id: entry for entry in self._world.log if entry.position <= position}
        chosen = [
            entry
            for entry in sorted(latest.values(), key=lambda entry: -entry.position)
            if not query.status or entry.record.status in query.status
        ]
        begin = int(query.cursor or 0)
        shown = chosen[begin : begin + query.limit]
        more = len(chosen) > begin + query.limit
        return StoredPage(
            items=tuple(StoredWorkflow(entry=entry, last_heartbeat_at=None) for entry in shown),
            next_cursor=str(begin + query.limit) if more else None,
            position=position,
        )

    async def get(self, workflow_id: str) -> StoredWorkflow | None:
        """Return a workflow from before lastword."""
        return self._world.older.get(workflow_id)

    async def summary(self) -> StoredSummary:
        """Count."""
        latest = {entry.record.id: entry.record.status for entry in self._world.log}
        counts = {status: list(latest.values()).count(status) for status in Status}
        return StoredSummary(statuses=counts, position=(await self.position())[1])

    async def trends(self, since: datetime, until: datetime, step_s: int) -> StoredTrends:
        """Count nothing, in every bucket; the storage's own tests count."""
        self.trends_asked += 1
        buckets = fold([], [], 0, since=since, until=until, step_s=step_s)
        return StoredTrends(buckets=buckets, position=(await self.position())[1])


def _refused(status: int, code: str, title: str, **more: Any) -> Reply:
    return Reply(problem=Problem(status=status, code=code, title=title, **more))
