"""The endpoints of one workflow: start, read, history, output, result, cancel, reconcile, retry."""

from typing import Any, Final

from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from lastword.bus.outputs import BATCH
from lastword.contracts.messages import Cancel, FieldError, Reconcile, Reply, Start
from lastword.contracts.records import Entry
from lastword.contracts.views import (
    History,
    LogPage,
    StartRequest,
    Transition,
    Workflow,
    view,
)
from lastword.http.access import principal_of
from lastword.http.answers import json_answer, revalidated, workflow_answer
from lastword.http.examples import CANCEL, HISTORY, LOGS, RESULT, START, WORKFLOW
from lastword.http.hub import Hub
from lastword.http.operation import READ, WRITE, Operation
from lastword.http.packets import encode
from lastword.http.ports import Commands, Outputs
from lastword.http.problems import Refusal, as_body, refuse
from lastword.http.reader import Reader, at_least
from lastword.http.requests import (
    AfterQuery,
    CancelRequest,
    LogsQuery,
    NoQuery,
    idempotency_key,
    read_body,
    read_query,
)

__all__ = ["OPERATIONS", "WorkflowRoutes"]

Asked = Request[Any, Any, Any]


class WorkflowRoutes:
    """Answers for workflows."""

    def __init__(
        self,
        *,
        hub: Hub,
        reader: Reader,
        commands: Commands,
        outputs: Outputs,
        max_inputs_bytes: int,
    ) -> None:
        self._hub = hub
        self._reader = reader
        self._commands = commands
        self._outputs = outputs
        self._max_inputs_bytes = max_inputs_bytes

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the endpoints for Litestar."""
        return [
            _START.serve(self.start),
            _GET.serve(self.read),
            _HISTORY.serve(self.history),
            _LOGS.serve(self.logs),
            _RESULT.serve(self.result),
            _CANCEL.serve(self.cancel),
            _RECONCILE.serve(self.reconcile),
            _RETRY.serve(self.retry),
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
        standing = (await self._reader.require(workflow_id)).standing  # before an id is part of a subject
        if not standing.position:  # from before lastword: no supervisor knows it
            raise refuse(
                "already_terminal",
                f"{workflow_id} is {standing.record.status}, and was before lastword. Nothing was cancelled.",
                workflow=self._view(standing),
                position=standing.position,
            )
        reply = await self._commands.cancel(Cancel(id=workflow_id, by=_who(request, asked.by)))
        return workflow_answer(request, self._hub, self._hub.adopt(_accepted(reply)))

    async def reconcile(self, request: Asked, workflow_id: FromPath[str]) -> Response[bytes]:
        """Find out now whether a workflow's process lives."""
        read_query(request, NoQuery)
        cell = await self._reader.require(workflow_id)
        if not cell.standing.position:  # as above; there is nothing to find out
            return workflow_answer(request, self._hub, cell)
        reply = await self._commands.reconcile(Reconcile(id=workflow_id))
        return workflow_answer(request, self._hub, self._hub.adopt(_accepted(reply)))

    async def read(self, request: Asked, workflow_id: FromPath[str]) -> Response[bytes]:
        """Return one workflow."""
        query = read_query(request, AfterQuery)
        named = request.headers.get("lastword-position") or query.after
        cell = await self._reader.require(workflow_id, at_least(self._hub, named))
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
            next_cursor=None if ended and len(found) < min(query.limit, BATCH) else str(last),
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
ONE: Final = "/workflows/{workflow_id:str}"
_VALIDATORS: Final = ("ETag", "Last-Modified", "Lastword-Position")
_LOCATION: Final = ("Location", *_VALIDATORS)
_FOLLOWING: Final = (
    "getWorkflow",
    "getWorkflowHistory",
    "getWorkflowLogs",
    "getWorkflowResult",
    "cancelWorkflow",
    "reconcileWorkflow",
    "retryWorkflow",
    "streamWorkflow",
    "streamWorkflowLogs",
)
_CREATED: Final = {
    201: "Accepted.",
    200: "This idempotency key was used before: the workflow that it stands for.",
}

_START: Final = Operation(
    method="POST",
    path="/workflows",
    id="startWorkflow",
    tag=_TAG,
    summary="Start a workflow",
    description="Repeating the request with the same `Idempotency-Key` never starts a second one.",
    query=NoQuery,
    body=StartRequest,
    body_example=START,
    heeds=("Idempotency-Key",),
    leads_to=_FOLLOWING,
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
_GET: Final = Operation(
    method="GET",
    path=ONE,
    id="getWorkflow",
    tag=_TAG,
    summary="Read a workflow",
    query=AfterQuery,
    heeds=("If-None-Match", "If-Modified-Since", "Lastword-Position"),
    answer=Workflow,
    example=WORKFLOW,
    problems=(*READ, "unknown_workflow", "unavailable"),
    headers=_VALIDATORS,
)
_HISTORY: Final = Operation(
    method="GET",
    path=f"{ONE}/history",
    id="getWorkflowHistory",
    tag=_TAG,
    summary="Read every status that a workflow has had",
    query=NoQuery,
    heeds=("If-None-Match",),
    answer=History,
    example=HISTORY,
    problems=(*READ, "unknown_workflow", "unavailable"),
    headers=("ETag",),
)
_LOGS: Final = Operation(
    method="GET",
    path=f"{ONE}/logs",
    id="getWorkflowLogs",
    tag=_TAG,
    summary="Read what a workflow's process wrote",
    description="Follow `next_cursor` to read on; it is null once the workflow has ended and all was read.",
    query=LogsQuery,
    answer=LogPage,
    example=LOGS,
    problems=(*READ, "unknown_workflow", "unavailable"),
)
_RESULT: Final = Operation(
    method="GET",
    path=f"{ONE}/result",
    id="getWorkflowResult",
    tag=_TAG,
    summary="Read a workflow's result alone, however large",
    query=NoQuery,
    heeds=("If-None-Match",),
    answer=Any,
    example=RESULT,
    problems=(*READ, "unknown_workflow", "no_result", "unavailable"),
    headers=("ETag",),
)
_CANCEL: Final = Operation(
    method="POST",
    path=f"{ONE}/cancel",
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
    body_example=CANCEL,
    answer=Workflow,
    example=WORKFLOW,
    problems=(*WRITE, "unknown_workflow", "already_terminal", "invalid_request"),
    headers=_VALIDATORS,
)
_RECONCILE: Final = Operation(
    method="POST",
    path=f"{ONE}/reconcile",
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
    method="POST",
    path=f"{ONE}/retry",
    id="retryWorkflow",
    tag=_TAG,
    summary="Run an ended workflow again, as a new one",
    query=NoQuery,
    heeds=("Idempotency-Key",),
    leads_to=_FOLLOWING,
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
OPERATIONS: Final = (_START, _GET, _HISTORY, _LOGS, _RESULT, _CANCEL, _RECONCILE, _RETRY)
"""What is offered here."""
