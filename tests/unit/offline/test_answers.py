"""What the offline model says."""

import json
from typing import Any

import pytest

from lastword.offline.answers import Answer, answer
from lastword.offline.conversation import BadRequest, decode, read

SYSTEM = "You are Researcher. Knows much.\nYour personal goal is: find things"
TASK = (
    "\nCurrent Task: Gather what is known. The topic: tidal power.\n\n"
    "This is the expected criteria for your final answer: Five bullet points.\n"
    "you MUST return the actual complete content as the final answer, not a summary."
)
SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Search.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    },
}
DELEGATE = {
    "type": "function",
    "function": {
        "name": "delegate_work_to_coworker",
        "description": "Delegate a specific task to one of the following coworkers: Writer, Editor\nThe",
        "parameters": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("task", "context", "coworker")},
        },
    },
}


def ask(*messages: dict[str, Any], system: str = SYSTEM, task: str = TASK, **more: Any) -> Answer:
    """Ask as CrewAI does."""
    body = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": task}, *messages],
        **more,
    }
    return answer(read(decode(json.dumps(body).encode())))


def called(name: str, found: str) -> list[dict[str, Any]]:
    """Return the messages of a call and its result."""
    call = {"id": "c", "type": "function", "function": {"name": name, "arguments": "{}"}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": found},
    ]


def test_each_tool_is_called_once_then_comes_the_answer() -> None:
    """With an argument that fits, and with what the tool found."""
    assert Answer(None, "search", '{"query": "tidal power"}') == ask(tools=[SEARCH])
    found = "A survey of 48 projects found that 31 of them met their targets."
    text = ask(*called("search", found), tools=[SEARCH]).text or ""
    lines = text.splitlines()
    assert 5 == len(lines)
    assert all(line.startswith("- ") for line in lines)
    assert f"- {found}" in lines


def test_the_same_question_has_the_same_answer() -> None:
    """Another one has another."""
    assert ask() == ask()
    assert ask() != ask(task=TASK.replace("tidal power", "wind"))


@pytest.mark.parametrize(
    ("expected", "shape"),
    [("A brief in Markdown: a heading and two paragraphs.", "# Tidal power\n\n"), ("Text.", "")],
)
def test_the_answer_has_the_shape_that_is_expected(expected: str, shape: str) -> None:
    """A heading where one is wanted."""
    text = ask(task=TASK.replace("Five bullet points.", expected)).text or ""
    assert text.startswith(shape)
    assert "- " not in text


def test_earlier_tasks_are_drawn_upon() -> None:
    """What they found comes up again."""
    fact = "The tide turns twice a day in most places."
    text = ask(task=f"{TASK}\n\nThis is the context you're working with:\n- {fact}").text or ""
    assert fact in text


def test_tools_in_the_prompt_are_called_in_words() -> None:
    """The older way, for models without function calls."""
    system = (
        f"{SYSTEM}\n\nYou ONLY have access to the following tools:\n\n"
        'Tool Name: search\nTool Arguments: {"properties": {"query": {"type": "string"}}}\n'
        "Tool Description: Search.\n\nIMPORTANT: Use the following format\nFinal Answer: the final answer"
    )
    first = ask(system=system).text or ""
    assert 'Action: search\nAction Input: {"query": "tidal power"}' in first
    observed = {"role": "assistant", "content": f"{first}\nObservation: A long enough fact about the tides."}
    second = ask(observed, system=system).text or ""
    assert second.startswith("Thought: I now can give a great answer\nFinal Answer: ")
    assert "A long enough fact about the tides." in second


def test_only_a_manager_delegates() -> None:
    """Or the delegates would, to each other, for ever."""
    assert ask(tools=[DELEGATE]).tool is None
    said = ask(tools=[DELEGATE], system="You are Crew Manager. You manage.")
    assert "delegate_work_to_coworker" == said.tool
    arguments = json.loads(said.arguments)
    assert "Writer" == arguments["coworker"]
    assert "Gather what is known. The topic: tidal power." == arguments["task"]


@pytest.mark.parametrize("choice", ["none", {"type": "function", "function": {"name": "other"}}])
def test_a_choice_of_tools_is_heeded(choice: object) -> None:
    """None at all, or that one and no other."""
    assert ask(tools=[SEARCH], tool_choice=choice).tool is None


def test_a_last_call_for_the_answer_is_heeded() -> None:
    """CrewAI demands it of an agent that is out of steps."""
    last = {
        "role": "user",
        "content": "Now it's time. You'll stop using any tools, and just return your answer.",
    }
    assert ask(last, tools=[SEARCH]).tool is None


@pytest.mark.parametrize(
    "form",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "Out", "schema": {
            "type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]
        }}}},
        {"task": TASK + '\nFormat your final answer according to the following OpenAPI schema: '
         '{"type": "object", "properties": {"title": {"type": "string"}}}\n\nIMPORTANT: keep it.'},
        {"system": 'Use the following schema: {"type": "json_schema", "json_schema": {"schema": '
         '{"type": "object", "properties": {"title": {"type": "string"}}}}}'},
    ],
)  # fmt: skip
def test_json_is_given_where_it_is_asked_for(form: dict[str, Any]) -> None:
    """By the request, or by the words of the prompt."""
    assert {"title": "Tidal power"} == json.loads(ask(**form).text or "")


def test_any_json_will_do_where_no_schema_is_given() -> None:
    """An object, as the format says."""
    assert {"answer"} == json.loads(ask(response_format={"type": "json_object"}).text or "").keys()


@pytest.mark.parametrize(
    ("message", "option"),
    [("I was charged twice", "billing"), ("It crashes with an error", "bug"), ("Good day", "question")],
)
def test_one_of_several_options_is_chosen(message: str, option: str) -> None:
    """By its words; the last one where nothing speaks for any."""
    task = f"Answer with exactly one of: billing, bug, question.\n\nThe message: {message}"
    assert option == ask(task=task).text


@pytest.mark.parametrize(
    ("task", "topic"),
    [
        ('Explain "ebb and flow" to a child.', "ebb and flow"),
        ("Write a poem about the sea, in rhymes.", "the sea"),
        ("Compare turbines. Be brief.", "turbines"),
        ("Help", "Help"),
    ],
)
def test_the_topic_is_found(task: str, topic: str) -> None:
    """By the usual ways to name one."""
    body = {"model": "m", "messages": [{"role": "user", "content": task}]}
    assert topic == read(decode(json.dumps(body).encode())).topic


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "model"),
    ({"model": "", "messages": [{"role": "user"}]}, "model"),
    ({"model": "m"}, "messages"),
    ({"model": "m", "messages": []}, "messages"),
    ({"model": "m", "messages": [{"content": "x"}]}, "messages"),
    ({"model": "m", "messages": [{"role": "user"}], "tools": [{"function": {}}]}, "tools"),
]


@pytest.mark.parametrize(("body", "parameter"), BAD)
def test_a_bad_request_names_its_parameter(body: object, parameter: str) -> None:
    """As a real provider does."""
    with pytest.raises(BadRequest) as failure:
        decode(json.dumps(body).encode())
    assert parameter == failure.value.parameter


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    """With words about JSON."""
    with pytest.raises(BadRequest):
        decode(body)


def test_a_content_in_parts_is_read() -> None:
    """As clients send that also send pictures."""
    content = [
        {"type": "text", "text": "Explain"},
        {"type": "image_url"},
        {"type": "text", "text": "the sea"},
    ]
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    assert "Explain\n\nthe sea" == read(decode(json.dumps(body).encode())).task
