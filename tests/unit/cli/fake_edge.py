"""An edge without a network: answers as the contract says, over httpx's mock transport.

Its workflows are made by the contracts' own `advance` and `view`, so that no test invents a state that
cannot be.  Streams follow scripts: bytes to send, seconds to wait (of the loop, which a virtual one jumps
over), or an error to break with.
"""

import asyncio
import selectors
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final, TypeVar

import httpx
import msgspec

from lastword.cli.client import EdgeClient
from lastword.cli.edge import Address
from lastword.contracts.events import Progress, TaskProgress
from lastword.contracts.frames import Changed, End, Hello, Ping, Progressed, Snapshot
from lastword.contracts.messages import ProgressMade
from lastword.contracts.statuses import Status
from lastword.contracts.views import ClientConfig, Heartbeat, Workflow, view
from tests.samples import entry_at, second

__all__ = ["ID", "FakeEdge", "Step", "client_of", "frame", "hello", "run_virtual", "status", "workflow"]

T = TypeVar("T")
Step = bytes | float | Exception
EPOCH: Final = "epoch-1"
PING_S: Final = 10.0
POLL_S: Final = 2.0


def workflow(
    status: Status,
    *,
    done: int | None = None,
    heartbeat: Heartbeat | None = "fresh",
    waiting_for: str | None = None,
    **changes: Any,
) -> Workflow:
    """Return a workflow at `status`, as the edge shows it; `done` of three tasks are finished."""
    entry = entry_at(status)
    made = None
    if done is not None:
        tasks = tuple(
            TaskProgress(
                label=f"task {n}", started_at=second(n), finished_at=second(n + 1) if n < done else None
            )
            for n in range(done + 1)
        )
        progress = Progress(done=done, total=3, label=f"task {done}", tasks=tasks)
        lease = entry.lease or 0
        made = ProgressMade(
            id=entry.record.id,
            at=second(9),
            lease=lease,
            revision=done,
            progress=progress,
            waiting_for=waiting_for,
        )
    shown = view(entry, made=made, heartbeat=heartbeat, last_heartbeat_at=second(5))
    return msgspec.structs.replace(shown, **changes)


ID: Final = workflow(Status.PENDING).id


def frame(value: Any, position: int | None = None) -> bytes:
    """Return a frame as a server-sent event, with an id where a client may resume after it."""
    body = msgspec.json.encode(value)
    name = msgspec.json.decode(body)["type"]
    head = b"" if position is None else f"id: {EPOCH}:{position}\n".encode()
    return head + f"event: {name}\ndata: ".encode() + body + b"\n\n"


def hello(*, epoch: str = EPOCH, ping_s: float = PING_S) -> bytes:
    """Return the first frame of a stream."""
    return frame(Hello(epoch=epoch, position=0, recovered=False, ping_s=ping_s))


def status(shown: Workflow) -> bytes:
    """Return the frame that says that a status has moved."""
    changed = Changed(previous=shown.previous, changed=("status",), workflow=shown)
    return frame(changed, shown.position)


def progressed(shown: Workflow, revision: int = 1) -> bytes:
    """Return the frame that says how far a workflow got."""
    assert shown.progress is not None
    return frame(
        Progressed(
            id=shown.id,
            position=shown.position,
            revision=revision,
            progress=shown.progress,
            usage=None,
            waiting_for=None,
            workflow=shown,
        )
    )


def snapshot(shown: Workflow) -> bytes:
    """Return the frame that says how a workflow stands."""
    return frame(Snapshot(workflow=shown), shown.position)


def end(shown: Workflow) -> bytes:
    """Return the last frame."""
    return frame(End(id=shown.id, position=shown.position), shown.position)


def ping() -> bytes:
    """Return a sign of life."""
    return frame(Ping(position=0))


class FakeEdge:
    """Holds one workflow, and what each next stream will say."""

    def __init__(self, shown: Workflow) -> None:
        self.shown = shown
        self.streams: list[list[Step] | httpx.Response] = []
        """What each opened stream does; once all are used, connections are refused."""
        self.config: ClientConfig | None = ClientConfig(
            version="1",
            ws=True,
            sse=True,
            stale_after_s=9,
            heartbeat_interval_s=3,
            heartbeat_timeout_s=15,
            ping_s=PING_S,
            poll_s=POLL_S,
            epoch=EPOCH,
        )
        self.answers: dict[tuple[str, str], list[httpx.Response | BaseException]] = {}
        """Answers that come first, by method and path; the last stays."""
        self.requests: list[httpx.Request] = []
        self.etag = 'W/"1"'
        self._refused = 0
        self.transport = httpx.MockTransport(self._answer)

    def asked(self, path: str) -> list[httpx.Request]:
        """Return the requests of a path, in their order."""
        return [request for request in self.requests if request.url.path == path]

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path
        scripted = self.answers.get((request.method, path))
        if scripted:
            answer = scripted.pop(0) if len(scripted) > 1 else scripted[0]
            if isinstance(answer, BaseException):
                raise answer
            return answer
        if path == "/config":
            return (
                _json(404, {"status": 404, "code": "not_found"})
                if self.config is None
                else _json(200, self.config)
            )
        if path == f"/events/workflows/{self.shown.id}":
            return self._stream()
        if path == f"/workflows/{self.shown.id}":
            if request.headers.get("if-none-match") == self.etag:
                return httpx.Response(304, headers={"etag": self.etag})
            return _json(200, self.shown, etag=self.etag)
        problem = {
            "status": 404,
            "code": "unknown_workflow",
            "title": "There is no such workflow",
            "detail": path,
        }
        return _json(404, problem)

    def _stream(self) -> httpx.Response:
        if not self.streams:
            self._refused += 1
            assert self._refused < 100, "nothing more was scripted, and the watch does not end"
            raise httpx.ConnectError("refused")
        script = self.streams.pop(0)
        if isinstance(script, httpx.Response):
            return script
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_Script(script))


class _Script(httpx.AsyncByteStream):
    """Plays the steps of a stream."""

    def __init__(self, steps: list[Step]) -> None:
        self._steps = steps

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for step in self._steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, bytes):
                yield step
            else:
                await asyncio.sleep(step)


def client_of(edge: FakeEdge) -> EdgeClient:
    """Return a client that asks `edge`."""
    return EdgeClient(Address("http://edge.test", "the test", None), transport=edge.transport)


def _json(code: int, value: object, **headers: str) -> httpx.Response:
    kind = "application/json" if code < 400 else "application/problem+json"
    return httpx.Response(code, content=msgspec.json.encode(value), headers={"content-type": kind, **headers})


class _VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer: an hour's wait takes no time. Never with a real socket."""

    def __init__(self) -> None:
        super().__init__(_JumpingSelector(self))
        self.jumped_s = 0.0

    def time(self) -> float:
        """Return the virtual time, in seconds since the loop was made."""
        return self.jumped_s


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing: what it was told to wait is added to the loop's clock."""

    def __init__(self, loop: _VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; without a timer to jump to, wait as ever."""
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self._loop.jumped_s += timeout
        return ready


def run_virtual(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on a virtual clock."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(work)
