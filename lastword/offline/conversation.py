"""What a request to the model is about: its task, its tools, what was found so far.

It knows the words in which CrewAI puts a task, and makes do without them.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta, Struct

__all__ = ["BadRequest", "ChatRequest", "Conversation", "Tool", "decode", "read"]


class BadRequest(Exception):
    """A request that a real provider would refuse too."""

    def __init__(self, problem: str, *, parameter: str | None = None) -> None:
        super().__init__(problem)
        self.parameter = parameter


class _Function(Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Offered(Struct, frozen=True):
    function: _Function


class _Part(Struct, frozen=True):
    text: str = ""


class _Message(Struct, frozen=True):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[_Offered] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class _JsonSchema(Struct, frozen=True):
    schema: dict[str, Any] | None = None


class _Format(Struct, frozen=True):
    type: str = "text"
    json_schema: _JsonSchema | None = None


class _StreamOptions(Struct, frozen=True):
    include_usage: bool = False


class ChatRequest(Struct, frozen=True):
    """The part of a chat completion's body that matters here."""

    model: Annotated[str, Meta(min_length=1)]
    messages: Annotated[list[_Message], Meta(min_length=1)]
    tools: list[_Offered] | None = None
    tool_choice: str | _Offered | None = None
    response_format: _Format | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None


@dataclass(frozen=True)
class Tool:
    """A tool that the model may call."""

    name: str
    description: str
    schema: dict[str, Any]


@dataclass
class Conversation:
    """One request, understood."""

    role: str
    """Who the model is told to be; empty where it is not told."""
    task: str
    expected: str
    """What the answer should be like."""
    topic: str
    context: str
    """What earlier tasks have found."""
    tools: list[Tool] = field(default_factory=list[Tool])
    called: list[str] = field(default_factory=list[str])
    """Names of the tools that were called already."""
    found: list[str] = field(default_factory=list[str])
    """What they answered."""
    is_react: bool = False
    """Whether tools are described in the text, and called by `Action:` lines."""
    wants_marker: bool = False
    """Whether the answer must follow `Final Answer:`."""
    schema: dict[str, Any] | None = None
    """JSON Schema of the answer, where JSON is asked for."""
    must_call: str | None = None
    """The tool that the caller insists on."""


_TASK = re.compile(
    r"Current Task:\s*(?P<task>.*?)"
    r"(?:\n\nThis is the expected criteria for your final answer:\s*(?P<expected>.*?)\nyou MUST.*?)?"
    r"(?:\n\nThis is the context you're working with:\n(?P<context>.*?))?"
    r"(?:\n\nBegin! .*|\n\nProvide your complete response:.*)?\Z",
    re.DOTALL,
)
_ROLE = re.compile(r"You are (?P<role>[^.\n]+)")
_REACT_TOOL = re.compile(
    r"Tool Name:\s*(?P<name>[^\n]+)\nTool Arguments:\s*(?P<arguments>.*?)\nTool Description:\s*"
    r"(?P<description>.*?)(?=\nTool Name:|\n\nIMPORTANT:|\Z)",
    re.DOTALL,
)
_CALLED = re.compile(r"^Action:\s*(?P<name>[^\n]+)$", re.MULTILINE)
_OBSERVED = re.compile(r"Observation:\s*(?P<found>.*?)(?=\nThought:|\nAction:|\Z)", re.DOTALL)
_TOPIC = (
    re.compile(r"topic\s*(?:is|:)\s*[\"']?(?P<topic>[^\"'.;\n]{2,80})", re.IGNORECASE),
    re.compile(r"\"(?P<topic>[^\"\n]{2,80})\""),
    re.compile(
        r"\b(?:about|on|of|into|regarding)\s+(?P<topic>(?!the following)[^\"'.,;:()\n]{2,60})", re.IGNORECASE
    ),
)


def decode(body: bytes) -> ChatRequest:
    """Read the body of a chat completion; raise `BadRequest` as OpenAI would."""
    try:
        return msgspec.json.decode(body, type=ChatRequest)
    except msgspec.ValidationError as error:
        named = re.search(r"at `\$\.(\w+)", str(error)) or re.search(r"field `(\w+)`", str(error))
        raise BadRequest(str(error), parameter=named[1] if named else None) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"we could not parse the JSON body of your request: {error}") from error


def read(request: ChatRequest) -> Conversation:
    """Understand a request."""
    system = "\n".join(one.text for one in request.messages if one.role in {"system", "developer"})
    users = [one.text for one in request.messages if one.role == "user"]
    spoken = "\n".join(one.text for one in request.messages if one.role == "assistant")
    tasks = [text for text in users if "Current Task:" in text]
    asked = (tasks or users or [system])[-1]
    match = _TASK.search(asked)
    task = (match["task"] if match else asked).strip()
    role = _ROLE.search(system)
    react = [] if request.tools else _react_tools(system)
    conversation = Conversation(
        role=role["role"].strip() if role else "",
        task=task,
        expected=(match["expected"] or "").strip() if match else "",
        topic=_topic(task),
        context=(match["context"] or "").strip() if match else "",
        tools=[_tool(one) for one in request.tools or ()] or react,
        is_react=bool(react),
        wants_marker="Final Answer:" in system + asked,
        schema=_schema(request.response_format, f"{asked}\n{system}"),
    )
    if react:
        conversation.called = [one["name"].strip() for one in _CALLED.finditer(spoken)]
        observed = _OBSERVED.finditer("\n".join((spoken, *users)))
        conversation.found = [one["found"].strip() for one in observed]
    else:
        for message in request.messages:
            conversation.called += [call.function.name for call in message.tool_calls or ()]
            if message.role == "tool":
                conversation.found.append(message.text)
    if request.tool_choice == "none" or any("stop using any tools" in text for text in users):
        conversation.tools = []
    elif isinstance(request.tool_choice, _Offered):
        conversation.must_call = request.tool_choice.function.name
    return conversation


def _tool(offered: _Offered) -> Tool:
    function = offered.function
    return Tool(function.name, function.description or "", function.parameters or {})


def _react_tools(system: str) -> list[Tool]:
    return [
        Tool(one["name"].strip(), one["description"].strip(), _react_schema(one["arguments"]))
        for one in _REACT_TOOL.finditer(system)
    ]


def _react_schema(arguments: str) -> dict[str, Any]:
    """Read the arguments as CrewAI writes them into a prompt: a JSON Schema, or a dict of descriptions."""
    try:
        value = msgspec.json.decode(arguments, type=dict[str, Any])
    except msgspec.DecodeError:
        names = re.findall(r"'(\w+)':\s*\{", arguments)
        value = {name: {"type": "string"} for name in names}
    return value if "properties" in value else {"type": "object", "properties": value}


def _schema(asked: _Format | None, text: str) -> dict[str, Any] | None:
    """Return the schema that the request demands, or that the prompt spells out."""
    if asked is not None and asked.type == "json_schema":
        given = asked.json_schema.schema if asked.json_schema is not None else None
        return given or {"type": "object"}
    if asked is not None and asked.type == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    start = re.search(r"schema:\s*(?=\{)", text)
    if start is None:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(text, start.end())
    except ValueError:
        return None
    schema = cast("dict[str, Any]", value)
    inner: dict[str, Any] = schema.get("json_schema", {}).get("schema", schema)
    return inner


def _topic(task: str) -> str:
    for pattern in _TOPIC:
        match = pattern.search(task)
        if match:
            return " ".join(match["topic"].split())
    words = re.split(r"[.,:;\n]", task)[0].split()
    return " ".join(words[1:7] if len(words) > 1 else words) or "the question"  # without its verb
