"""The greeting of `lastword up --demo`, over answers that are played."""

import json
import time
from typing import Any, cast

import httpx
import pytest

from lastword.cli.up import Greeting
from lastword.settings import Settings
from lastword.wiring.stack import Stack


class _Stack:
    http_url = "http://127.0.0.1:1"
    nats_url = "nats://127.0.0.1:2"


def test_an_answer_that_comes_too_late_starts_no_second_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start is asked for again under the same key, and never once it was answered."""
    asked: list[tuple[str, str]] = []

    def get(url: str, **_: Any) -> httpx.Response:
        return httpx.Response(200, json={"items": []} if url.endswith("/workflows") else {})

    def post(url: str, *, headers: dict[str, str], **body: Any) -> httpx.Response:
        del url
        asked.append((headers["idempotency-key"], json.dumps(body["json"])))
        if len(asked) == 1:
            raise httpx.ReadTimeout("slow")
        return httpx.Response(200)

    monkeypatch.setattr(httpx, "get", get)
    monkeypatch.setattr(httpx, "post", post)
    greeting = Greeting(
        cast("Stack", _Stack()),
        Settings(),
        offline=True,
        provider=None,
        demo=True,
        began_s=time.monotonic(),
    )
    for _ in range(5):
        greeting.look()
    assert 2 == len(asked)
    assert 1 == len(set(asked))
