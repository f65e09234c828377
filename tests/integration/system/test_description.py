"""The committed description of the API, held against the system as its users start it.

Schemathesis makes requests from the description, good ones and bad ones, follows links from what they answer
to what that leads to, and checks every answer against the description again.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from lastword.http.examples import WORKFLOW_ID
from tests.integration.backends import Backend
from tests.integration.system.harness import System

COMMITTED = Path(__file__).parents[3] / "docs" / "reference" / "openapi.json"
CONFIG = Path(__file__).with_name("schemathesis.toml")
TOKEN = "the-token-of-this-test"  # noqa: S105  a secret of nobody's
SEARCHES = settings.get_current_profile_name() != "steady"
STEADY = ("--max-examples", "20", "--generation-deterministic")
SEARCH = ("--max-examples", "300", "--max-time", "900")
SHORT_STREAMS = {"LASTWORD_HTTP__MAX_STREAM_AGE_S": "0.05", "LASTWORD_HTTP__PING_S": "0.1"}
"""Streams end by themselves soon, so that whole ones can be looked at."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> Iterator[System]:
    """Give a system that wants credentials."""
    system = backend.system(tmp_path_factory.mktemp("guarded"), LASTWORD_HTTP__TOKEN=TOKEN, **SHORT_STREAMS)
    try:
        yield system.start().await_definitions("add")
    finally:
        system.destroy()


def test_what_is_served_is_what_is_committed(guarded: System) -> None:
    """Both documents, to the last field."""
    for name in ("openapi.json", "asyncapi.json"):
        assert (
            json.loads(COMMITTED.with_name(name).read_text("utf-8")) == guarded.get(f"/schema/{name}").json()
        )


@pytest.mark.slow
@pytest.mark.timeout(0 if SEARCHES else 240)  # it ends by the number of its requests
def test_no_request_gets_an_answer_that_is_not_described(guarded: System, tmp_path: Path) -> None:
    """Neither a good one nor a bad one, alone or after others."""
    ended = guarded.begin("add", a=1)
    guarded.await_end(ended)
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(fitted(ended)), "utf-8")
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
            *("run", str(document), "--url", guarded.url, "--header", f"Authorization: Bearer {TOKEN}"),
            *("--no-color", "--report-json-path", str(report), *(SEARCH if SEARCHES else STEADY)),
        ],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert 0 == done.returncode, done.stdout[-6_000:] + done.stderr[-2_000:]
    rates = json.loads(report.read_text("utf-8"))["valid_rates"]
    assert described(document) == {name for name, phases in rates.items() if got_through(phases)}


def described(document: Path) -> set[str]:
    """Return the operations of a description: `GET /workflows`."""
    paths = json.loads(document.read_text("utf-8"))["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def got_through(phases: dict[str, dict[str, int]]) -> bool:
    """Tell whether any request came to the operation itself: one that ended already cannot be cancelled."""
    return any(counts["accepted"] + counts["conflicts"] for counts in phases.values())


def fitted(ended: str) -> dict[str, Any]:
    """Return the committed description with examples that this system knows.

    It wants credentials, which the description leaves open.
    """
    text = COMMITTED.read_text("utf-8").replace(WORKFLOW_ID, ended)
    document: dict[str, Any] = json.loads(text)
    document["security"].remove({})
    for path, example in (
        ("/workflows", {"definition": "add", "inputs": {"a": 1}}),
        ("/session", {"token": TOKEN}),
    ):
        document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"] = example
    return document
