"""Canned answers: the same request always gets the same one.

They are made to look sensible in a demonstration, not to be right: each offered tool is called once, with
arguments that fit its schema, and then a few sentences are built from the task, from what the tools found
and from what earlier tasks said.
"""

import json
import re
import zlib
from dataclasses import dataclass
from typing import Any

from lastword.offline.arguments import fit
from lastword.offline.conversation import Conversation, Tool

__all__ = ["Answer", "answer"]


@dataclass(frozen=True)
class Answer:
    """What the model says: a text, or one call of a tool."""

    text: str | None
    tool: str | None = None
    arguments: str = "{}"


_DELEGATES = re.compile(r"delegate|ask_question", re.IGNORECASE)
_OPTIONS = re.compile(
    r"(?:exactly )?one of(?: the following)?[^:\n]{0,40}:\s*(?P<options>[^.\n]+)", re.IGNORECASE
)
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
_OPENERS = (
    "The material at hand gives a clear picture of {topic}.",
    "Three things stand out about {topic}.",
    "What follows sums up what is known here about {topic}.",
    "{topic} is best understood from what was gathered for it.",
)
_MIDDLES = (
    "Its practical value depends on cost, reliability and the people who have to run it.",
    "Early projects show that the details of a place matter more than the general idea.",
    "The evidence is strongest where several sources agree, and thin where only one speaks.",
    "Most of the open questions are about scale: what works once must work a hundred times.",
    "Those who adopted it first report fewer surprises than they had expected.",
    "A sober plan starts small, measures honestly and grows only where the numbers hold.",
)
_CLOSERS = (
    "A next step would be to check these points against a primary source.",
    "Anyone who acts on this should first confirm the figures for the case at hand.",
    "These points are enough to decide what to look at next.",
)


def answer(conversation: Conversation) -> Answer:
    """Return what the offline model says to a conversation."""
    tool = _next_tool(conversation)
    if tool is not None:
        arguments = json.dumps(_arguments(tool, conversation), ensure_ascii=False)
        if conversation.is_react:
            return Answer(
                f"Thought: {tool.name} can help here.\nAction: {tool.name}\nAction Input: {arguments}"
            )
        return Answer(None, tool.name, arguments)
    if conversation.schema is not None:
        value = fit(conversation.schema, conversation.topic, _sentences(conversation))
        return Answer(json.dumps(value, ensure_ascii=False))
    text = _option(conversation) or _prose(conversation)
    if conversation.wants_marker:
        text = f"Thought: I now can give a great answer\nFinal Answer: {text}"
    return Answer(text)


def _next_tool(conversation: Conversation) -> Tool | None:
    """Choose the first tool not called yet; only a manager delegates, or delegation would never end."""
    for tool in conversation.tools:
        if conversation.must_call is not None:
            if tool.name == conversation.must_call and tool.name not in conversation.called:
                return tool
            continue
        if tool.name in conversation.called:
            continue
        if _DELEGATES.search(tool.name) and "manager" not in conversation.role.lower():
            continue
        return tool
    return None


def _arguments(tool: Tool, conversation: Conversation) -> dict[str, Any]:
    arguments: dict[str, Any] = fit({"type": "object", **tool.schema}, conversation.topic)
    if "coworker" in arguments:
        listed = re.search(r"coworkers:\s*([^,\n]+)", tool.description)
        arguments["coworker"] = listed[1].strip() if listed else ""
        for name in ("task", "question"):
            if name in arguments:
                arguments[name] = conversation.task
        arguments["context"] = conversation.context or conversation.expected
    return arguments


def _option(conversation: Conversation) -> str | None:
    """Choose among options that the task lists ("one of: a, b, c").

    It is the one whose words the task has most, and the last where it has none, which is often "other".
    """
    found = _OPTIONS.search(f"{conversation.task}\n{conversation.expected}")
    if found is None:
        return None
    options = [one.strip(" `'\"*") for one in re.split(r",|\bor\b|/|\|", found["options"])]
    options = [one for one in options if one and len(one) < 40]
    rest = f"{conversation.task} {conversation.context}".lower().replace(found["options"].lower(), " ")
    return max(reversed(options), key=lambda option: _likeness(option, rest), default=None)


def _likeness(option: str, text: str) -> int:
    related = {
        "billing": ("invoice", "charge", "refund", "payment", "price", "billed"),
        "bug": ("error", "crash", "broken", "fail", "wrong", "exception"),
        "high": ("urgent", "down", "lost", "immediately", "outage"),
        "technical": ("error", "crash", "install", "fail", "exception"),
    }
    words = (option.lower(), *related.get(option.lower(), ()))
    return sum(text.count(word) for word in words)


def _prose(conversation: Conversation) -> str:
    expected = conversation.expected.lower()
    sentences = _sentences(conversation)
    if re.search(r"bullet|list|points|questions", expected):
        items = sentences[: _count(expected, 5)]
        return "\n".join(f"- {item}" for item in items)
    title = conversation.topic[:1].upper() + conversation.topic[1:]
    half = (len(sentences) + 1) // 2
    paragraphs = f"{' '.join(sentences[:half])}\n\n{' '.join(sentences[half:])}"
    if re.search(r"markdown|report|brief|article|heading", expected):
        return f"# {title}\n\n{paragraphs}"
    return paragraphs


def _count(expected: str, default: int) -> int:
    found = re.search(r"\b(\d{1,2}|two|three|four|five|six|seven|eight)\b", expected)
    if found is None:
        return default
    return _NUMBERS.get(found[1]) or max(1, min(12, int(found[1])))


def _sentences(conversation: Conversation) -> list[str]:
    """Return some sentences: an opener, what was found, what is generally true, a closer."""
    seed = zlib.crc32(f"{conversation.task}|{conversation.role}".encode())
    opener = _OPENERS[seed % len(_OPENERS)].format(topic=conversation.topic)
    found: list[str] = []
    for text in (*conversation.found, conversation.context):
        found += _split(text)[:3]
    turn = seed % len(_MIDDLES)
    middles = [*_MIDDLES[turn:], *_MIDDLES[:turn]]
    sentences = [opener[:1].upper() + opener[1:], *found[:6], *middles]
    unique = list(dict.fromkeys(sentences))[:9]
    return [*unique, _CLOSERS[seed % len(_CLOSERS)]]


def _split(text: str) -> list[str]:
    """Return the sentences of some text, without Markdown's marks."""
    plain = re.sub(r"^[#>*\-\d.\s]+", "", text, flags=re.MULTILINE)
    parts = re.split(r"(?<=[.!?])\s+|\n+", plain)
    return [part.strip() for part in parts if 20 <= len(part.strip()) <= 240 and not part.startswith("Error")]
