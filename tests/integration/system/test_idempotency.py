"""Idempotency keys, from the client to the log and back: one key, one workflow."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest

from tests.integration.system.harness import System

ADD = {"definition": "add", "inputs": {"a": 1}}


def start(system: System, key: str, body: dict[str, Any], path: str = "/workflows") -> httpx.Response:
    """Ask for a workflow under a key."""
    return httpx.post(f"{system.url}{path}", json=body, headers={"Idempotency-Key": key}, timeout=20)


def test_one_key_is_one_workflow_however_many_ask_at_once(shared: System) -> None:
    """Twenty requests at the same time: one 201, nineteen 200 that say so, one workflow in the list."""
    body = ADD | {"title": "asked for at once"}
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(partial(start, shared, "at-once"), [body] * 20))
    assert {201: 1, 200: 19} == Counter(answer.status_code for answer in answers)
    assert 1 == len({answer.json()["id"] for answer in answers})
    for answer in answers:
        assert (answer.status_code == 200) == (answer.headers.get("idempotent-replayed") == "true")
    found = shared.get("/workflows", params={"q": "asked for at once"}).json()["items"]
    assert [answers[0].json()["id"]] == [item["id"] for item in found]


@pytest.mark.parametrize(
    "other",
    [
        {"inputs": {"a": 2}},
        {"inputs": {"a": 1, "b": 2}},
        {"title": "another"},
    ],
    ids=["inputs", "more-inputs", "title"],
)
def test_the_same_key_with_another_body_is_a_conflict(shared: System, other: dict[str, Any]) -> None:
    """409, whatever differs, also after the first has ended; the first is what stands."""
    key = f"conflict-{sorted(other.items())}"
    first = start(shared, key, ADD)
    assert 201 == first.status_code
    shared.await_end(first.json()["id"])
    refused = start(shared, key, ADD | other)
    assert (409, "idempotency_conflict") == (refused.status_code, refused.json()["code"])
    again = start(shared, key, ADD)
    assert (200, first.json()["id"], "success") == (
        again.status_code,
        again.json()["id"],
        again.json()["status"],
    )


def test_two_requests_that_race_for_a_key_leave_one_winner(shared: System) -> None:
    """Ten with one body and ten with another: one body wins, and everyone who sent the other is refused."""
    bodies = [ADD | {"inputs": {"a": number % 2}} for number in range(20)]
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(partial(start, shared, "race"), bodies))
    assert {201: 1, 200: 9, 409: 10} == Counter(answer.status_code for answer in answers)
    winner = next(answer.json() for answer in answers if answer.status_code == 201)
    for body, answer in zip(bodies, answers, strict=True):
        assert (answer.status_code == 409) == (body["inputs"] != winner["inputs"])


def test_a_key_belongs_to_a_caller_and_a_definition(shared: System) -> None:
    """The same key of another of them is another key; and what begins a retry begins no start."""
    first = start(shared, "shared-key", ADD)
    other = start(shared, "shared-key", {"definition": "steps", "inputs": {"count": 1}})
    callers = start(shared, "shared-key", ADD | {"started_by": "another"})
    assert [201] * 3 == [answer.status_code for answer in (first, other, callers)]
    assert 3 == len({answer.json()["id"] for answer in (first, other, callers)})
    ended = shared.await_end(first.json()["id"])
    path = f"/workflows/{ended['id']}/retry"
    retried = [start(shared, "retry-key", {}, path) for _ in range(2)]
    assert [201, 200] == [answer.status_code for answer in retried]
    assert 1 == len({answer.json()["id"] for answer in retried})
    assert ended["id"] == retried[0].json()["retry_of"]
    for refused in (start(shared, "shared-key", {}, path), start(shared, "retry-key", ADD)):
        assert (409, "idempotency_conflict") == (refused.status_code, refused.json()["code"])


def test_a_request_that_was_refused_has_used_up_no_key(shared: System) -> None:
    """What could not be begun can be mended and sent again; the order of its fields says nothing."""
    refused = start(shared, "mended", {"definition": "add", "inputs": {"a": "one"}})
    assert (422, "invalid_inputs") == (refused.status_code, refused.json()["code"])
    first = start(shared, "mended", {"definition": "add", "inputs": {"a": 1, "b": 2}})
    again = start(shared, "mended", {"inputs": {"b": 2, "a": 1}, "definition": "add"})
    assert (201, 200) == (first.status_code, again.status_code)
    assert first.json()["id"] == again.json()["id"]


@pytest.mark.parametrize("key", ["x" * 256, "\xe9", "tab\there"], ids=["long", "not-ascii", "tab"])
def test_a_key_that_is_none_is_refused(shared: System, key: str) -> None:
    """400, and the header is named; 255 printable characters are taken."""
    refused = httpx.post(
        f"{shared.url}/workflows", json=ADD, headers={b"Idempotency-Key": key.encode("latin-1")}, timeout=20
    )
    assert (400, "invalid_parameter") == (refused.status_code, refused.json()["code"])
    assert ["Idempotency-Key"] == [error["field"] for error in refused.json()["errors"]]
    assert 201 == start(shared, f"{len(key):x>255}", ADD).status_code
