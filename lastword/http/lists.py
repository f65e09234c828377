"""The list of workflows: from the database, and never behind what this edge has shown."""

import asyncio
import hashlib
from typing import Any, Final

from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler

from lastword.contracts.views import Workflow, WorkflowPage, view
from lastword.http.answers import revalidated
from lastword.http.examples import PAGE
from lastword.http.hub import Hub
from lastword.http.operation import READ, Operation
from lastword.http.packets import encode
from lastword.http.ports import Lists
from lastword.http.problems import refuse
from lastword.http.reader import at_least
from lastword.http.requests import ListQuery, read_query
from lastword.storage import StoredPage, StoredWorkflow

__all__ = ["OPERATIONS", "ListRoutes"]

Asked = Request[Any, Any, Any]
REACH_S: Final = 2.0  # how long a list waits for the database to come to what this edge has shown
LOOK_S: Final = 0.005  # between two looks at how far the database is


class ListRoutes:
    """Answers with lists."""

    def __init__(self, *, hub: Hub, lists: Lists) -> None:
        self._hub = hub
        self._lists = lists

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the endpoints for Litestar."""
        return [_LIST.serve(self.page)]

    async def page(self, request: Asked) -> Response[bytes]:
        """Return one page of the workflows."""
        query = read_query(request, ListQuery)
        hub = self._hub
        named = request.headers.get("lastword-position") or query.after
        target = max(hub.position if hub.is_current else 0, at_least(hub, named))
        await self._wait_for_projection(target)
        return self._page_answer(request, await self._lists.page(query.stored))

    def _page_answer(self, request: Asked, found: StoredPage) -> Response[bytes]:
        shown = [self._listed(listed) for listed in found.items]
        tags = hashlib.blake2b(self._hub.epoch.encode(), digest_size=9)
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


_LIST: Final = Operation(
    method="GET",
    path="/workflows",
    id="listWorkflows",
    tag="workflows",
    summary="List workflows",
    description=(
        "Never shows a workflow in a state before one that this edge has shown. "
        "Pages hold still while rows change: follow `next_cursor`."
    ),
    query=ListQuery,
    heeds=("If-None-Match", "Lastword-Position"),
    answer=WorkflowPage,
    example=PAGE,
    problems=(*READ, "projection_behind", "unavailable"),
    headers=("ETag", "Lastword-Position"),
    leads_to=("getWorkflow",),
)
OPERATIONS: Final = (_LIST,)
"""What is offered here."""
