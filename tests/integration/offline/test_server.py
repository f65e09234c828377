"""The offline model over HTTP, as OpenAI's client and worse ones speak to it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from lastword.offline import OfflineModel, serve

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Search.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
    },
}


@pytest_asyncio.fixture
async def model() -> AsyncGenerator[OfflineModel, None]:
    """Serve the model without delay."""
    async with serve(0.0) as running:
        yield running


@pytest_asyncio.fixture
async def client(model: OfflineModel) -> AsyncGenerator[openai.AsyncOpenAI, None]:
    """Return OpenAI's own client."""
    async with openai.AsyncOpenAI(base_url=model.base_url, api_key="offline", max_retries=0) as one:
        yield one


async def test_openai_s_client_lists_the_model(client: openai.AsyncOpenAI) -> None:
    """By the name under which CrewAI knows it."""
    assert ["gpt-4o-mini"] == [one.id async for one in client.models.list()]


async def test_a_question_is_answered_with_usage(client: openai.AsyncOpenAI) -> None:
    """Tokens are counted, roughly."""
    done = await client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "Explain the sea."}]
    )
    assert done.choices[0].message.content
    assert "stop" == done.choices[0].finish_reason
    assert done.usage is not None
    assert done.usage.prompt_tokens + done.usage.completion_tokens == done.usage.total_tokens > 0


async def test_a_tool_is_called(client: openai.AsyncOpenAI) -> None:
    """In the form that clients read."""
    done = await client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "Explain the sea."}], tools=[TOOL]
    )
    calls = done.choices[0].message.tool_calls or []
    assert "tool_calls" == done.choices[0].finish_reason
    assert ["search"] == [call.function.name for call in calls if call.type == "function"]


@pytest.mark.parametrize("tools", [[], [TOOL]])
async def test_a_stream_says_the_same_as_a_whole_answer(client: openai.AsyncOpenAI, tools: list[Any]) -> None:
    """Piece by piece, with the usage at the end."""
    asked: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Explain the sea."}],
        **({"tools": tools} if tools else {}),
    }
    create: Any = client.chat.completions.create
    whole: ChatCompletion = await create(**asked)
    chunk: ChatCompletionChunk
    text, arguments, usage = "", "", None
    stream = await create(**asked, stream=True, stream_options={"include_usage": True})
    async for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or []:
                arguments += (call.function.arguments or "") if call.function else ""
    message = whole.choices[0].message
    assert (message.content or "") == text
    assert whole.usage == usage
    if tools:
        assert json.loads(arguments) == {"query": "Explain the sea"} or "sea" in arguments


async def test_embeddings_are_equal_for_equal_texts(client: openai.AsyncOpenAI) -> None:
    """Of length one, in either encoding."""
    made = await client.embeddings.create(model="text-embedding-3-small", input=["a", "b", "a"])
    first, second, third = (one.embedding for one in made.data)
    assert first == third != second
    assert 1536 == len(first)
    assert 1.0 == pytest.approx(sum(value * value for value in first), rel=1e-3)
    plain = await client.embeddings.create(model="m", input="a", encoding_format="float")
    assert pytest.approx(first) == plain.data[0].embedding


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/nothing", b"", 404),
        ("GET", "/v1/chat/completions", b"", 405),
        ("POST", "/v1/models", b"{}", 405),
        ("POST", "/v1/chat/completions", b"{", 400),
        ("POST", "/v1/chat/completions", b"{}", 400),
        ("POST", "/v1/embeddings", b"{}", 400),
    ],
)
async def test_bad_requests_get_openai_s_errors(
    model: OfflineModel, method: str, path: str, body: bytes, status: int
) -> None:
    """With a message, and the connection goes on where it can."""
    async with httpx.AsyncClient(base_url=model.base_url.removesuffix("/v1")) as http:
        answer = await http.request(method, path, content=body)
        assert status == answer.status_code
        assert {"message", "type", "param", "code"} == answer.json()["error"].keys()
        assert 200 == (await http.get("/v1/models")).status_code


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"501"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", b"431"),
    ],
)
async def test_what_is_hardly_http_is_refused_and_closed(
    model: OfflineModel, request_bytes: bytes, status: bytes
) -> None:
    """The server lives on."""
    port = int(model.base_url.rpartition(":")[2].partition("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_bytes)
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 " + status)
    writer.close()
    async with httpx.AsyncClient(base_url=model.base_url) as http:
        assert 200 == (await http.get("/models")).status_code


async def test_a_client_that_leaves_in_the_middle_disturbs_nobody() -> None:
    """Nor does leaving the block while answers are still being made."""
    async with serve(30.0) as model:
        port = int(model.base_url.rpartition(":")[2].partition("/")[0])
        body = json.dumps(
            {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
        ).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        for part in (head[:20], head + body):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(part)
            await writer.drain()
            writer.close()
        _, staying = await asyncio.open_connection("127.0.0.1", port)
        staying.write(head + body)
        await staying.drain()
        while model.requests < 2:  # noqa: ASYNC110  nothing but the server's own count tells that it has begun
            await asyncio.sleep(0)
    staying.close()
