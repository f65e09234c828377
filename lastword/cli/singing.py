"""One song of the canary: start a workflow whose end is known, watch it as any client does, and judge.

Everything is timed by the canary's own clock, from before a request is sent: a process that is to live for a
second cannot have ended before a second after it was asked for.  So a lag can only be over-estimated, by what
the start took, and an edge that is late with everything cannot hide it.

How it ends is known in three ways: the work returns after `alive_s`; it kills itself then, which nobody sees
but the kernel; or it is cancelled as soon as it is seen to run.
"""

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import aclosing
from typing import Final

from msgspec import Struct

from lastword.cli.client import EdgeClient
from lastword.cli.errors import CommandFailed, Unreachable
from lastword.cli.wires import Told, listen
from lastword.contracts.statuses import RANK, ErrorCode, Status
from lastword.contracts.views import StartRequest, Workflow
from lastword.telemetry.canary import Ending, Outcome, Wire

__all__ = ["Song", "Sung"]

PAUSE_S: Final = 0.25  # before a link that failed is tried again
EXPECTED: Final[Mapping[Ending, tuple[Status, ErrorCode | None]]] = {
    "success": (Status.SUCCESS, None),
    "killed": (Status.FAILED, ErrorCode.ABRUPT_EXIT),
    "cancelled": (Status.CANCELLED, None),
}


class Sung(Struct, frozen=True, kw_only=True):
    """What came of a song."""

    outcome: Outcome
    why: str
    """For people."""
    workflow_id: str | None = None
    lag_s: float | None = None
    """From the earliest moment at which it can have ended to the frame that told it."""


class _Wrong(Exception):
    """Something was told that cannot be true."""


class Song:
    """Sings once. `patience_s` is waited for it to be run, and again for its end to be told."""

    def __init__(
        self,
        client: EdgeClient,
        ending: Ending,
        wire: Wire,
        *,
        definition: str = "canary",
        alive_s: float = 1.0,
        late_s: float = 2.0,
        patience_s: float = 20.0,
    ) -> None:
        self._client = client
        self._ending: Ending = ending
        self._wire = wire
        self._definition = definition
        self._alive_s = alive_s
        self._late_s = late_s
        self._patience_s = patience_s
        self._id = ""
        self._asked_at_s = 0.0
        self._ended_at_s: float | None = None
        self._shown: Workflow | None = None
        self._told_at_s: float | None = None
        self._has_ended = False

    async def sing(self) -> Sung:
        """Start, watch, judge; raise nothing of the network's."""
        try:
            async with asyncio.timeout(self._patience_s):
                await self._start()
        except (CommandFailed, TimeoutError) as error:
            return Sung(outcome="unavailable", why=f"it could not be started: {_said(error)}")
        try:
            async with asyncio.timeout(self._alive_s + 2 * self._patience_s):
                await self._watch()
        except _Wrong as error:
            return self._sung("wrong", str(error))
        except CommandFailed as error:
            return self._sung("unavailable", str(error))
        except TimeoutError:
            pass
        try:
            async with asyncio.timeout(self._patience_s):
                polled = (await self._client.workflow(self._id)).value
        except (CommandFailed, TimeoutError) as error:
            return self._sung("unavailable", f"nothing answers any more: {_said(error)}")
        return self._judge(polled)

    async def _start(self) -> None:
        inputs = {"ending": self._ending, "seconds": self._alive_s}
        request = StartRequest(definition=self._definition, inputs=inputs)
        self._asked_at_s = _now_s()
        started = await self._client.start(request, key=secrets.token_hex(16))
        self._id = started.value.id
        if self._ending != "cancelled":
            self._ended_at_s = self._asked_at_s + self._alive_s

    async def _watch(self) -> None:
        """Hear what is told until the one `end`; links that fail are taken up again, as clients do."""
        while not self._has_ended:
            try:
                async with aclosing(listen(self._client, self._id, self._wire)) as frames:
                    async for told in frames:
                        await self._hear(told)
            except Unreachable:
                pass
            if not self._has_ended:
                await asyncio.sleep(PAUSE_S)

    async def _hear(self, told: Told) -> None:
        if told.type == "end":
            if self._told_at_s is None:
                raise _Wrong("it was told to have ended, and not how")
            if self._has_ended:
                raise _Wrong("its end was told twice")
            self._has_ended = True
        workflow = told.workflow
        if workflow is None:
            return
        if self._shown is not None:
            _check_step(self._shown, workflow)
        self._shown = workflow
        if workflow.status.is_terminal and self._told_at_s is None:
            self._told_at_s = _now_s()
        elif self._ending == "cancelled" and self._ended_at_s is None and workflow.status is Status.RUNNING:
            self._ended_at_s = _now_s()
            await self._client.cancel(self._id)

    def _judge(self, polled: Workflow) -> Sung:
        """Compare what the stream told, what polling shows and what must be."""
        if not self._has_ended:
            return self._judge_silence(polled)
        status, code = EXPECTED[self._ending]
        shown = self._shown
        if shown is None or shown.status is not polled.status or polled.position < shown.position:
            return self._sung("wrong", f"polling shows {polled.status} after the stream told its end")
        if (status, code) != (shown.status, shown.error.code if shown.error else None):
            why = (
                f"it was to be {status}, and is {shown.status} ({shown.error.message if shown.error else ''})"
            )
            return self._sung("wrong", why)
        lag_s = self._lag_s
        if lag_s is None or lag_s > self._late_s:
            return self._sung("late", f"its end was told more than {self._late_s:g} s late")
        return self._sung("told", "as it was")

    def _judge_silence(self, polled: Workflow) -> Sung:
        """Say what it means that the stream told no end."""
        if polled.is_terminal:
            return self._sung("untold", f"polling shows {polled.status}, and the stream told no end")
        if polled.status is Status.PENDING:
            return self._sung("unavailable", "no executor has taken it")
        return self._sung("stuck", f"it is shown as {polled.status} long after it must have ended")

    @property
    def _lag_s(self) -> float | None:
        if self._told_at_s is None or self._ended_at_s is None:
            return None
        return self._told_at_s - self._ended_at_s

    def _sung(self, outcome: Outcome, why: str) -> Sung:
        return Sung(outcome=outcome, why=why, workflow_id=self._id, lag_s=self._lag_s)


def _said(error: Exception) -> str:
    return str(error) or "no answer in time"


def _check_step(before: Workflow, now: Workflow) -> None:
    """Raise `_Wrong` where `now` cannot follow `before`."""
    if now.position < before.position:
        raise _Wrong(f"position {now.position} was told after {before.position}")
    if RANK[now.status] < RANK[before.status]:
        raise _Wrong(f"{now.status} was told after {before.status}")
    if before.status.is_terminal and now.status is not before.status:
        raise _Wrong(f"{now.status} was told after {before.status}, which is the last word")


def _now_s() -> float:
    return asyncio.get_running_loop().time()
