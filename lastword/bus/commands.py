"""Commands by request and reply: a NATS micro service, so that `nats micro ls` shows who serves them.

Asking is at least once as well: a command whose answer was lost may be asked again, and whoever serves it
recognises the repetition.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar

import msgspec
import structlog
from msgspec import Struct
from nats.micro import add_service  # pyright: ignore[reportUnknownVariableType]
from nats.micro.request import Request
from nats.micro.service import EndpointConfig, ServiceConfig

from lastword.bus._cancel import end
from lastword.bus._decode import decode
from lastword.bus.connection import TRANSIENT, Bus
from lastword.bus.exceptions import BusError, Unavailable
from lastword.bus.inspector import Inspector, Unusable
from lastword.contracts import subjects
from lastword.contracts.messages import Cancel, Claim, Problem, Reconcile, Reply, Start
from lastword.contracts.permissions import is_inbox
from lastword.telemetry import traces
from lastword.telemetry.metrics import Metrics

__all__ = ["CommandClient", "Handler", "serve_commands"]

log = structlog.get_logger(__name__)

C = TypeVar("C", bound=Struct)
Handler = Callable[[Any], Awaitable[Reply]]

COMMAND_S: Final = 5.0  # seconds a command may take, elections included only in part: the caller asks again
AT_ONCE: Final = 256
"""Commands in hand, of one verb: so many are answered in a fraction of `COMMAND_S`.  Whoever asked would not
wait for what waits behind more, and it would be done all the same."""
RECONCILE_S: Final = 8.0  # seconds; the auditor asks an executor twice and waits out a reconnect
VERBS: Final[Mapping[str, type[Struct]]] = {
    "start": Start,
    "claim": Claim,
    "cancel": Cancel,
    "reconcile": Reconcile,
}


class CommandClient:
    """Asks commands of whoever serves them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._replies = msgspec.json.Decoder(Reply)

    async def start(self, command: Start) -> Reply:
        """Ask for a workflow to be run; raise `Unavailable`."""
        return await self._ask("start", command, COMMAND_S)

    async def claim(self, command: Claim) -> Reply:
        """Ask for a lease; raise `Unavailable`."""
        return await self._ask("claim", command, COMMAND_S)

    async def cancel(self, command: Cancel) -> Reply:
        """Ask for a workflow to end; raise `Unavailable`."""
        return await self._ask("cancel", command, COMMAND_S)

    async def reconcile(self, command: Reconcile) -> Reply:
        """Ask whether a workflow's process lives; raise `Unavailable`."""
        return await self._ask("reconcile", command, RECONCILE_S)

    async def _ask(self, verb: str, command: Struct, timeout_s: float) -> Reply:
        subject = subjects.command(verb)
        with traces.span(f"ask {verb}", "client"):
            answer = await self._bus.request(subject, msgspec.json.encode(command), timeout_s=timeout_s)
        try:
            return decode(self._replies, answer)
        except msgspec.DecodeError as error:
            raise Unavailable(subject, f"an answer that cannot be read: {error}") from error


@asynccontextmanager
async def serve_commands(
    bus: Bus, metrics: Metrics, *, name: str, version: str, description: str, handlers: Mapping[str, Handler]
) -> AsyncGenerator[None, None]:
    """Serve the verbs in `handlers` until the block is left; raise `Unavailable`.

    Each request is handled in a task of its own, so that one that waits for an election holds up no other.
    Where `AT_ONCE` of a verb are in hand, more are refused with a 503.
    """
    inspectors = {verb: Inspector("command", VERBS[verb], metrics) for verb in handlers}
    running: dict[str, set[asyncio.Task[None]]] = {verb: set() for verb in handlers}
    try:
        service = await add_service(
            bus.client, ServiceConfig(name=name, version=version, description=description)
        )
    except TRANSIENT as error:
        raise Unavailable(f"service {name}", type(error).__name__) from error
    try:
        for verb, handler in handlers.items():
            endpoint = _endpoint(verb, handler, inspectors[verb], running[verb])
            await service.add_endpoint(
                EndpointConfig(name=verb, subject=subjects.command(verb), handler=endpoint)
            )
        await bus.barrier()
        yield
    finally:
        with suppress(*TRANSIENT):
            await service.stop()  # first take no more, then finish what was taken
        left = set[asyncio.Task[None]]().union(*running.values())
        if left:
            await asyncio.wait(left, timeout=COMMAND_S)
        for task in left:
            await end(task)


def _endpoint(
    verb: str, handler: Handler, inspector: "Inspector[Any]", running: "set[asyncio.Task[None]]"
) -> Callable[[Request], Awaitable[None]]:
    async def answer(request: Request) -> None:
        with traces.span(f"command {verb}", "server", carrier=request.headers or {}):
            await decide(request)

    async def decide(request: Request) -> None:
        try:
            command = inspector.check(request.subject, request.data)
        except Unusable as error:
            await _respond(verb, request, _malformed(str(error)))
        else:
            await _respond(verb, request, await _handled(verb, handler, command))

    async def accept(request: Request) -> None:
        if len(running) >= AT_ONCE:
            inspector.doorkeeper.turn_away("excess", request.subject, f"{AT_ONCE} are in hand")
            await _respond(verb, request, _BUSY)
            return
        task = asyncio.create_task(answer(request), name=f"command {verb}")
        running.add(task)
        task.add_done_callback(running.discard)

    return accept


async def _respond(verb: str, request: Request, reply: Reply) -> None:
    headers = None
    if reply.problem is not None:  # what the micro protocol shows as an error
        headers = {
            "Nats-Service-Error": reply.problem.title,
            "Nats-Service-Error-Code": str(reply.problem.status),
        }
    if not is_inbox(request._msg.reply):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  no public way
        log.warning("command.answer_misdirected", verb=verb)
        return
    try:
        await request.respond(msgspec.json.encode(reply), headers=headers)
    except TRANSIENT:
        log.debug("command.answer_lost", verb=verb)


def _malformed(detail: str) -> Reply:
    problem = Problem(status=400, code="malformed", title="The command cannot be read", detail=detail)
    return Reply(problem=problem)


_BUSY: Final = Reply(
    problem=Problem(
        status=503,
        code="overloaded",
        title="Too much is asked at once",
        detail=f"{AT_ONCE} such commands are in hand. Nothing was done: ask again in a moment.",
        retry_after_s=1,
    )
)


async def _handled(verb: str, handler: Handler, command: Any) -> Reply:
    """Return the handler's reply; a fault becomes a problem, since a caller must not wait in vain."""
    try:
        return await handler(command)
    except BusError as error:
        log.warning("command.unavailable", verb=verb, error=str(error))
        problem = Problem(
            status=503,
            code="unavailable",
            title="Cannot decide right now",
            detail=str(error),
            retry_after_s=1,
        )
    except Exception:
        log.exception("command.crashed", verb=verb)
        problem = Problem(
            status=500,
            code="internal",
            title="The command failed",
            detail="A fault of lastword; its log says more.",
        )
    return Reply(problem=problem)
