"""The endpoints of workflows: start, list, read, history, output, result, cancel, reconcile, retry."""

import asyncio
import hashlib
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from lastword.contracts.messages import Cancel, FieldError, Reconcile, Reply, Start
from lastword.contracts.records import Entry
from lastword.contracts.views import (
    History,
    LogPage,
    StartRequest,
    Transition,
    Workflow,
    WorkflowPage,
    view,
)
from lastword.http.access import principal_of
from lastword.http.answers import json_answer, revalidated, workflow_answer
from lastword.http.examples import HISTORY, PAGE, START, WORKFLOW
from lastword.http.hub import Hub
from lastword.http.operation import KEY, READ, WRITE, Operation
from lastword.http.packets import encode
from lastword.http.ports import Commands, Lists, Outputs
from lastword.http.problems import Refusal, as_body, refuse
from lastword.http.reader import Reader, parse_since
from lastword.http.requests import (
    AfterQuery,
    CancelRequest,
    ListQuery,
    LogsQuery,
    NoQuery,
    idempotency_key,
    read_body,
    read_query,
)
from lastword.storage import StoredPage, StoredWorkflow

__all__ = ["WorkflowRoutes"]

Asked = Request[Any, Any, Any]
REACH_S: Final = 2.0  # how long a list waits for the database to come to what this edge has shown
LOOK_S: Final = 0.005  # between two looks at how far the database is


class WorkflowRoutes:
    """Answers for workflows."""

    def __init__(
        self,
        *,
        hub: Hub,
        reader: Reader,
        commands: Commands,
        outputs: Outputs,
        lists: Lists,
        max_inputs_bytes: int,
    ) -> None:
        self._hub = hub
        self._reader = reader
        self._commands = commands
        self._outputs = outputs
        self._lists = lists
        self._max_inputs_bytes = max_inputs_bytes

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the endpoints for Litestar."""
        one = "/workflows/{workflow_id:str}"
        return [
            post("/workflows", opt={KEY: _START}, name="startWorkflow")(self.start),
            get("/workflows", opt={KEY: _LIST}, name="listWorkflows")(self.page),
            get(one, opt={KEY: _GET}, name="getWorkflow")(self.read),
            get(f"{one}/history", opt={KEY: _HISTORY}, name="getWorkflowHistory")(self.history),
            get(f"{one}/logs", opt={KEY: _LOGS}, name="getWorkflowLogs")(self.logs),
            get(f"{one}/result", opt={KEY: _RESULT}, name="getWorkflowResult")(self.result),
            post(f"{one}/cancel", opt={KEY: _CANCEL}, name="cancelWorkflow")(self.cancel),
            post(f"{one}/reconcile", opt={KEY: _RECONCILE}, name="reconcileWorkflow")(self.reconcile),
            post(f"{one}/retry", opt={KEY: _RETRY}, name="retryWorkflow")(self.retry),
        ]

    async def start(self, request: Asked) -> Response[bytes]:
        """Ask for a workflow to be run."""
        read_query(request, NoQuery)
        key = idempotency_key(request)
        asked = await read_body(request, StartRequest)
        size = len(encode(asked.inputs))
        if size > self._max_inputs_bytes:
            field = FieldError(field="inputs", message=f"{size} bytes; at most {self._max_inputs_bytes}")
            raise refuse(
                "inputs_too_large",
                f"The inputs have {size} bytes; at most {self._max_inputs_bytes} are taken. "
                "Pass a reference to large data instead.",
                errors=(field,),
            )
        command = Start(
            definition=asked.definition,
            inputs=asked.inputs,
            title=asked.title,
            started_by=_who(request, asked.started_by),
            idempotency_key=key,
        )
        return self._started(request, await self._commands.start(command))

    async def retry(self, request: Asked, workflow_id: FromPath[str]) -> Response[bytes]:
        """Run an ended workflow's definition and inputs again, as a new workflow."""
        read_query(request, NoQuery)
        key = idempotency_key(request)
        standing = (await self._reader.require(workflow_id)).standing
        record = standing.record
        if not record.status.is_terminal:
            raise refuse(
                "not_terminal",
                f"{workflow_id} is {record.status}; only what has ended can be run again. Cancel it first.",
                workflow=self._view(standing),
                position=standing.position,
            )
        command = Start(
            definition=record.definition,
            inputs=record.inputs,
            title=record.title,
            started_by=_who(request, record.started_by),
            retry_of=record.id,
            idempotency_key=key,
        )
        return self._started(request, await self._commands.start(command))

    async def cancel(self, request: Asked, workflow_id: FromPath[str]) -> Response[bytes]:
        """Ask for a workflow to end."""
        read_query(request, NoQuery)
        asked = await read_body(request, CancelRequest, optional=True)
        await self._reader.require(workflow_id)  # before an id becomes part of a subject
        reply = await self._commands.cancel(Cancel(id=workflow_id, by=_who(request, asked.by)))
        return workflow_answer(request, self._hub, self._hub.adopt(_accepted(reply)))

    async def reconcile(self, request: Asked, workflow_id: FromPath[str]) -> Response[bytes]:
        """Find out now whether a workflow's process lives."""
        read_query(request, NoQuery)
        await self._reader.require(workflow_id)
        reply = await self._commands.reconcile(Reconcile(id=workflow_id))
        return workflow_answer(request, self._hub, self._hub.adopt(_accepted(reply)))

    async def read(self, request: Asked, workflow_id: FromPath[str]) -> Response[bytes]:
        """Return one workflow."""
        named = request.headers.get("lastword-position") or read_query(request, AfterQuery).after
        cell = await self._reader.require(workflow_id, self._at_least(named))
        return workflow_answer(request, self._hub, cell)

    async def history(self, request: Asked, workflow_id: FromPath[str]) -> Response[bytes]:
        """Return all statuses of one workflow."""
        read_query(request, NoQuery)
        entries = await self._reader.history(workflow_id)
        body = encode(History(items=tuple(_transition(entry) for entry in entries)))
        etag = f'W/"{self._hub.epoch}.{entries[-1].position}.h"'
        return revalidated(request, body, etag)

    async def logs(self, request: Asked, workflow_id: FromPath[str]) -> Response[bytes]:
        """Return some of what a workflow's process wrote."""
        query = read_query(request, LogsQuery)
        cell = await self._reader.require(workflow_id)
        ended = cell.standing.record.status.is_terminal  # asked first: lines come before the end
        after = int(query.cursor or 0)
        found = await self._outputs.lines(workflow_id, after, query.limit)
        last = found[-1][0] if found else after
        page = LogPage(
            items=tuple(line for _, logged in found for line in logged.lines),
            next_cursor=None if ended and len(found) < query.limit else str(last),
            dropped=sum(logged.dropped for _, logged in found),
        )
        return json_answer(page)

    async def result(self, request: Asked, workflow_id: FromPath[str]) -> Response[bytes]:
        """Return a workflow's result alone, however large."""
        read_query(request, NoQuery)
        entry = (await self._reader.require(workflow_id)).standing
        record = entry.record
        if record.status != "success":
            raise refuse(
                "no_result",
                f"{workflow_id} is {record.status}; only a success has a result.",
                workflow=self._view(entry),
                position=entry.position,
            )
        etag = f'W/"{self._hub.epoch}.{entry.position}.r"'
        if record.result_ref is None:
            return revalidated(request, encode(record.result), etag)
        try:
            body = await self._outputs.result(record.result_ref)
        except LookupError as error:
            raise refuse("no_result", f"The result of {workflow_id} is no longer kept.") from error
        return revalidated(request, body, etag)

    async def page(self, request: Asked) -> Response[bytes]:
        """Return one page of the workflows."""
        query = read_query(request, ListQuery)
        hub = self._hub
        target = max(hub.position if hub.is_current else 0, self._at_least(query.after))
        await self._wait_for_projection(target)
        return self._page_answer(request, await self._lists.page(query.stored))

    def _page_answer(self, request: Asked, found: StoredPage) -> Response[bytes]:
        shown = [self._listed(listed) for listed in found.items]
        tags = hashlib.blake2b(digest_size=9)
        for _, tag in shown:
            tags.update(tag.encode())
        tags.update((found.next_cursor or "").encode())
        page = WorkflowPage(
            items=tuple(workflow for workflow, _ in shown),
            next_cursor=found.next_cursor,
            position=found.position,
        )
        headers = {"lastword-position": str(found.position)}
        return revalidated(request, encode(page), f'W/"{tags.hexdigest()}"', headers=headers)

    def _listed(self, listed: StoredWorkflow) -> tuple[Workflow, str]:
        """Return a listed workflow under what the hub knows, and its ETag."""
        hub, entry = self._hub, listed.entry
        cell = hub.find(entry.record.id)
        if cell is not None and cell.standing.position > entry.position:
            entry = cell.standing  # what this edge has shown already must not be taken back
        heartbeat, at = hub.pulses.standing(entry)
        made = hub.progress_of(entry.record.id)
        beats = [moment for moment in (at, listed.last_heartbeat_at) if moment is not None]
        workflow = view(
            entry, made=made, heartbeat=heartbeat, last_heartbeat_at=max(beats) if beats else None
        )
        revision = made.revision if made is not None and made.lease == entry.lease else 0
        return workflow, f"{entry.record.id}.{entry.position}.{revision}{heartbeat}"

    async def _wait_for_projection(self, target: int) -> None:
        """Position first, then load: wait until the database has come to what this edge has shown."""
        loop = asyncio.get_running_loop()
        until = loop.time() + REACH_S
        while True:
            epoch, position = await self._lists.position()
            if epoch is not None and self._hub.epoch and epoch != self._hub.epoch:
                raise refuse(
                    "projection_behind",
                    f"The database follows the log {epoch}, and the log is now {self._hub.epoch}: "
                    "run `lastword db rebuild`.",
                    retry_after_s=5,
                )
            if position >= target:
                return
            if loop.time() > until:
                raise refuse(
                    "projection_behind",
                    f"The database has not come to position {target} within {REACH_S:g} s; "
                    "a supervisor may be missing. Reads of single workflows are not affected.",
                    retry_after_s=1,
                )
            await asyncio.sleep(LOOK_S)

    def _started(self, request: Asked, reply: Reply) -> Response[bytes]:
        entry = _accepted(reply)
        created = reply.accepted is not None and reply.accepted.created
        headers = {"location": f"/workflows/{entry.record.id}"}
        if not created:
            headers["idempotent-replayed"] = "true"
        cell = self._hub.adopt(entry)
        return workflow_answer(request, self._hub, cell, status=201 if created else 200, headers=headers)

    def _view(self, entry: Entry) -> Workflow:
        heartbeat, at = self._hub.pulses.standing(entry)
        made = self._hub.progress_of(entry.record.id)
        return view(entry, made=made, heartbeat=heartbeat, last_heartbeat_at=at)

    def _at_least(self, named: str | None) -> int:
        since = parse_since(named)
        if since is None or not since.fits(self._hub.epoch):
            return 0
        return since.position


def _who(request: Asked, claimed: str | None) -> str | None:
    """Return who asks: as whom they signed in, or, where nobody must, whom they say they are."""
    principal = principal_of(request.scope)
    return claimed if principal is None else principal.name


def _accepted(reply: Reply) -> Entry:
    """Return how the workflow stands after a command; raise the refusal that a supervisor gave."""
    if reply.accepted is not None:
        return Entry(
            position=reply.accepted.position, stored_at=reply.accepted.stored_at, record=reply.accepted.record
        )
    if reply.problem is not None:
        raise Refusal(as_body(reply.problem))
    raise refuse("unavailable", "A supervisor answered with nothing.", retry_after_s=1)


def _transition(entry: Entry) -> Transition:
    record = entry.record
    return Transition(
        version=record.version,
        position=entry.position,
        status=record.status,
        previous=record.previous,
        at=record.at,
        cause=record.cause,
        actor=record.actor,
    )


_TAG: Final = "workflows"
_VALIDATORS: Final = {
    "ETag": "Weak; covers version, progress and freshness of the heartbeat.",
    "Last-Modified": "When the status, the progress or the heartbeat's freshness last changed.",
    "Lastword-Position": "The position in the log of what is shown.",
}
_LOCATION: Final = {"Location": "The workflow.", **_VALIDATORS}
_CREATED: Final = {
    201: "Accepted.",
    200: "This idempotency key was used before: the workflow that it stands for.",
}

_START: Final = Operation(
    id="startWorkflow",
    tag=_TAG,
    summary="Start a workflow",
    description="Repeating the request with the same `Idempotency-Key` never starts a second one.",
    query=NoQuery,
    body=StartRequest,
    body_example=START,
    idempotent=True,
    answer=Workflow,
    statuses=_CREATED,
    example=WORKFLOW,
    problems=(
        *WRITE,
        "unknown_definition",
        "invalid_request",
        "invalid_inputs",
        "inputs_too_large",
        "idempotency_conflict",
    ),
    headers=_LOCATION,
)
_LIST: Final = Operation(
    id="listWorkflows",
    tag=_TAG,
    summary="List workflows",
    description=(
        "Never shows a workflow in a state before one that this edge has shown. "
        "Pages hold still while rows change: follow `next_cursor`."
    ),
    query=ListQuery,
    conditional=True,
    answer=WorkflowPage,
    example=PAGE,
    problems=(*READ, "projection_behind"),
    headers={"ETag": "Weak.", "Lastword-Position": "The list is true as of this position."},
)
_GET: Final = Operation(
    id="getWorkflow",
    tag=_TAG,
    summary="Read a workflow",
    query=AfterQuery,
    conditional=True,
    answer=Workflow,
    example=WORKFLOW,
    problems=(*READ, "unknown_workflow", "unavailable"),
    headers=_VALIDATORS,
)
_HISTORY: Final = Operation(
    id="getWorkflowHistory",
    tag=_TAG,
    summary="Read every status that a workflow has had",
    query=NoQuery,
    conditional=True,
    answer=History,
    example=HISTORY,
    problems=(*READ, "unknown_workflow", "unavailable"),
    headers={"ETag": "Weak."},
)
_LOGS: Final = Operation(
    id="getWorkflowLogs",
    tag=_TAG,
    summary="Read what a workflow's process wrote",
    description="Follow `next_cursor` to read on; it is null once the workflow has ended and all was read.",
    query=LogsQuery,
    answer=LogPage,
    problems=(*READ, "unknown_workflow", "unavailable"),
)
_RESULT: Final = Operation(
    id="getWorkflowResult",
    tag=_TAG,
    summary="Read a workflow's result alone, however large",
    query=NoQuery,
    conditional=True,
    answer=Any,
    problems=(*READ, "unknown_workflow", "no_result", "unavailable"),
    headers={"ETag": "Weak."},
)
_CANCEL: Final = Operation(
    id="cancelWorkflow",
    tag=_TAG,
    summary="Ask for a workflow to end",
    description=(
        "Answers with the workflow as it then stands: `cancelling` until its process has been seen to end. "
        "Asking again changes nothing."
    ),
    query=NoQuery,
    body=CancelRequest,
    body_optional=True,
    answer=Workflow,
    example=WORKFLOW,
    problems=(*WRITE, "unknown_workflow", "already_terminal", "invalid_request"),
    headers=_VALIDATORS,
)
_RECONCILE: Final = Operation(
    id="reconcileWorkflow",
    tag=_TAG,
    summary="Find out now whether a workflow's process lives",
    description="Answers in a second or so, with the workflow as it then stands.",
    query=NoQuery,
    answer=Workflow,
    example=WORKFLOW,
    problems=(*WRITE, "unknown_workflow"),
    headers=_VALIDATORS,
)
_RETRY: Final = Operation(
    id="retryWorkflow",
    tag=_TAG,
    summary="Run an ended workflow again, as a new one",
    query=NoQuery,
    idempotent=True,
    answer=Workflow,
    statuses=_CREATED,
    example=WORKFLOW,
    problems=(
        *WRITE,
        "unknown_workflow",
        "unknown_definition",
        "not_terminal",
        "invalid_inputs",
        "idempotency_conflict",
    ),
    headers=_LOCATION,
)
