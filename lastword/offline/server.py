"""An OpenAI-compatible server on loopback whose answers are canned.

It lets unmodified crews and flows run through CrewAI's true provider path (the OpenAI client, HTTP, JSON,
streams, tools) on a machine without a key and without a network.  HTTP/1.1 is spoken by hand: three routes
and one kind of client need no framework.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import struct
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Struct

from lastword.offline.answers import Answer, answer
from lastword.offline.conversation import BadRequest, ChatRequest, decode, read

__all__ = ["MODEL", "OfflineModel", "serve"]

MODEL: Final = "gpt-4o-mini"
"""The name by which it is asked for. CrewAI takes the endpoint from the environment only for OpenAI models
that it knows; an unknown name raises ImportError."""
MAX_HEADER_BYTES: Final = 65_536
MAX_BODY_BYTES: Final = 32 * 1024 * 1024
SLOW_WORDS: Final = 60
"""A text of so many words takes twice as long as a short one; at most four times."""
DIMENSIONS: Final = 1536
"""Of an embedding, as OpenAI's own small model has."""


class _Refused(Exception):
    """A request that gets an error in OpenAI's form."""

    def __init__(
        self, status: int, message: str, code: str | None = None, parameter: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        kind = "invalid_request_error"
        self.body = {"error": {"message": message, "type": kind, "param": parameter, "code": code}}


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    body: bytes
    keep_alive: bool


class OfflineModel:
    """A running offline model."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.base_url = ""
        """Such as `http://127.0.0.1:40123/v1`."""
        self.requests = 0
        """How many answers it has given."""

    def environment(self, environ: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the variables that lead a process to this model.

        `environ` is what they will be added to: hosts that it keeps from its proxies stay so.
        """
        given = environ or {}
        direct = ",".join(
            filter(None, (given.get("NO_PROXY") or given.get("no_proxy"), "127.0.0.1,localhost"))
        )
        return {
            "OPENAI_API_KEY": "offline",  # the client refuses to start without one
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API_BASE": self.base_url,
            "MODEL": MODEL,
            "OPENAI_MODEL_NAME": MODEL,
            "NO_PROXY": direct,
            "no_proxy": direct,
        }


@asynccontextmanager
async def serve(delay_s: float = 0.3, *, port: int = 0) -> AsyncGenerator[OfflineModel, None]:
    """Run the offline model on 127.0.0.1 (`port` 0 takes a free one) until the block is left.

    `delay_s` is how long a short answer takes; a long one takes up to four times as long.
    """
    model = OfflineModel(delay_s)
    connections: set[asyncio.Task[Any]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            connections.add(task)
            task.add_done_callback(connections.discard)
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            await _Connection(model, reader, writer).run()

    server = await asyncio.start_server(connected, "127.0.0.1", port, limit=MAX_HEADER_BYTES)
    model.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield model
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


class _Connection:
    def __init__(
        self, model: OfflineModel, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._model = model
        self._reader = reader
        self._writer = writer

    async def run(self) -> None:
        keep_alive = True
        while keep_alive:
            try:
                request = await self._read()
                if request is None:
                    return
                keep_alive = request.keep_alive
                await self._answer(request)
            except _Refused as refused:
                keep_alive = keep_alive and refused.status not in {400, 413, 431, 501}
                self._send(refused.status, refused.body, close=not keep_alive)
            await self._writer.drain()

    async def _read(self) -> _Request | None:
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError as error:
            raise _Refused(431, "the request's headers are too large") from error
        first, *lines = head.decode("latin-1").split("\r\n")
        parts = first.split(" ")
        if len(parts) != 3:
            raise _Refused(400, "this is no HTTP request")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)
        }
        if "transfer-encoding" in headers:
            raise _Refused(501, "send a Content-Length; other transfer encodings are not understood")
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise _Refused(400, "Content-Length is no number")
        if int(length) > MAX_BODY_BYTES:
            raise _Refused(413, f"the body has {length} bytes; {MAX_BODY_BYTES} are allowed")
        body = await self._reader.readexactly(int(length))
        keep_alive = headers.get("connection", "").lower() != "close"
        return _Request(parts[0], parts[1].partition("?")[0].rstrip("/"), body, keep_alive)

    async def _answer(self, request: _Request) -> None:
        match request.method, request.path:
            case "GET", "/v1/models":
                listed = {"id": MODEL, "object": "model", "created": 0, "owned_by": "lastword"}
                self._send(200, {"object": "list", "data": [listed]})
            case "POST", "/v1/chat/completions":
                await self._complete(request.body)
            case "POST", "/v1/embeddings":
                self._send(200, _embeddings(request.body))
            case _, "/v1/models" | "/v1/chat/completions" | "/v1/embeddings":
                raise _Refused(405, f"{request.path} does not take {request.method}", "method_not_allowed")
            case _:
                raise _Refused(
                    404, f"unknown URL {request.path}: the offline model has no such thing", "unknown_url"
                )

    async def _complete(self, body: bytes) -> None:
        try:
            asked = decode(body)
        except BadRequest as problem:
            raise _Refused(400, str(problem), parameter=problem.parameter) from problem
        said = answer(read(asked))
        self._model.requests += 1
        words = (said.text or "").split(" ")
        took_s = self._model.delay_s * min(4.0, 1 + len(words) / SLOW_WORDS)
        completion = _Completion(asked, body, said)
        if not asked.stream:
            await asyncio.sleep(took_s)
            self._send(200, completion.whole())
            return
        await asyncio.sleep(took_s / 4)
        self._start_stream()
        for chunk in completion.chunks():
            self._write_chunk(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            await asyncio.sleep(took_s * 0.75 / (len(words) + 1))
            await self._writer.drain()
        self._write_chunk(b"data: [DONE]\n\n")
        self._write_chunk(b"")

    def _send(self, status: int, body: dict[str, Any], *, close: bool = False) -> None:
        data = json.dumps(body, ensure_ascii=False).encode()
        head = (
            f"HTTP/1.1 {status} {'OK' if status == 200 else 'Refused'}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
            f"Connection: {'close' if close else 'keep-alive'}\r\n\r\n"
        )
        self._writer.write(head.encode() + data)

    def _start_stream(self) -> None:
        self._writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )

    def _write_chunk(self, data: bytes) -> None:
        self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))


class _Completion:
    """One answer in the two forms of OpenAI's chat completions."""

    def __init__(self, asked: ChatRequest, body: bytes, said: Answer) -> None:
        self._id = hashlib.sha256(body).hexdigest()[:24]
        self._created = int(time.time())
        self._model = asked.model
        self._said = said
        self._with_usage = asked.stream_options is not None and asked.stream_options.include_usage
        prompt = sum(len(message.text) for message in asked.messages) // 4  # a token is some four characters
        completion = max(1, len(said.text or said.arguments) // 4)
        self._usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    def whole(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self._said.text}
        if self._said.tool is not None:
            message["tool_calls"] = [self._call()]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish()}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage}

    def chunks(self) -> list[dict[str, Any]]:
        if self._said.tool is not None:
            deltas: list[dict[str, Any]] = [
                {"role": "assistant", "tool_calls": [{"index": 0, **self._call()}]}
            ]
        else:
            words = (self._said.text or "").split(" ")
            parts = [word + " " for word in words[:-1]] + words[-1:]
            deltas = [{"role": "assistant", "content": ""}, *({"content": part} for part in parts)]
        head = self._head("chat.completion.chunk")
        chunks: list[dict[str, Any]] = [
            {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
        ]
        chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": self._finish()}]})
        if self._with_usage:
            chunks.append({**head, "choices": [], "usage": self._usage})
        return chunks

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{self._id}", "object": kind, "created": self._created, "model": self._model}

    def _call(self) -> dict[str, Any]:
        function = {"name": self._said.tool, "arguments": self._said.arguments}
        return {"id": f"call_{self._id}", "type": "function", "function": function}

    def _finish(self) -> str:
        return "tool_calls" if self._said.tool is not None else "stop"


class _EmbeddingRequest(Struct, frozen=True):
    input: str | list[Any]
    model: str = MODEL
    encoding_format: str = "float"


def _embeddings(body: bytes) -> dict[str, Any]:
    """Return vectors that are equal for equal texts, and otherwise mean nothing."""
    try:
        asked = msgspec.json.decode(body, type=_EmbeddingRequest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _Refused(400, str(error), parameter="input") from error
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    data: list[dict[str, Any]] = []
    for index, text in enumerate(texts):
        vector: Any = _vector(str(text))
        if asked.encoding_format == "base64":
            vector = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    tokens = len(body) // 4
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": asked.model, "usage": usage}


def _vector(text: str) -> list[float]:
    stream = hashlib.shake_256(text.encode()).digest(DIMENSIONS * 2)
    raw = [value / 32_768 for value in struct.unpack(f"<{DIMENSIONS}h", stream)]
    length = sum(value * value for value in raw) ** 0.5
    return [value / length for value in raw]
