"""Who may say and hear what on NATS, as a table."""

import pytest

from lastword.bus import BusSettings
from lastword.bus.streams import stream_configs
from lastword.contracts import subjects
from lastword.contracts.permissions import STREAMS, TALK, User, allows, grant, inbox, is_inbox, matches
from lastword.contracts.schemas import MESSAGES


def test_every_subject_has_a_rule() -> None:
    """A message that is added to the contracts must say who may send it."""
    for subject in MESSAGES:
        assert subject in TALK
        hears_from_stream = subject in {subjects.log(), subjects.report(), subjects.job(), subjects.pulse()}
        assert TALK[subject].says or subject == subjects.status(), subject
        assert TALK[subject].hears or hears_from_stream or subject.split(".")[1] in STREAMED


STREAMED = {"progress", "logline", "refused", "definition"}


def test_every_stream_has_a_rule() -> None:
    """A stream that is added must say who may read it."""
    configs = stream_configs(replicas=1, partitions=1, settings=BusSettings())
    assert {config["name"] for config in configs} | {subjects.RESULT_OBJECTS} == set(STREAMS)


def test_only_supervisors_write_the_log() -> None:
    """And nobody at all writes what the server republishes, or deletes anything."""
    assert [User.SUPERVISOR] == [user for user in User if allows(grant(user).publish, subjects.log("w-1"))]
    for subject in (
        subjects.status("w-1"),
        f"$JS.API.STREAM.DELETE.{subjects.LOG_STREAM}",
        f"$JS.API.STREAM.PURGE.{subjects.LOG_STREAM}",
        f"$JS.API.STREAM.MSG.DELETE.{subjects.LOG_STREAM}",
        f"$JS.API.CONSUMER.DELETE.{subjects.REPORT_STREAM}.supervisor-0",
        "$JS.API.STREAM.CREATE.ANOTHER",
    ):
        assert not [user for user in User if allows(grant(user).publish, subject)], subject


@pytest.mark.parametrize("user", [User.EXECUTOR, User.VIEWER, User.OPERATOR])
def test_who_runs_or_is_a_stranger_makes_no_consumer(user: User) -> None:
    """A consumer's messages can be delivered under any subject, the log's included."""
    made = [
        subject for subject in grant(user).publish if "CONSUMER.CREATE" in subject or "DURABLE" in subject
    ]
    assert [] == made


def test_each_inbox_has_one_reader() -> None:
    """Nobody hears the answers to another; a viewer asks nothing."""
    for owner in User:
        subject = f"{inbox(owner)}.x.y"
        readers = [user for user in User if allows(grant(user).subscribe, subject)]
        assert readers == ([] if owner is User.VIEWER else [owner])
    assert not any(allows(grant(user).subscribe, "_INBOX.x") for user in User)


def test_a_viewer_says_nothing() -> None:
    """It may listen, to what tells how workflows stand."""
    listens = ("lastword.status.>", "lastword.pulse.>", "lastword.progress.>")
    assert ((), listens) == grant(User.VIEWER)


@pytest.mark.parametrize(
    ("pattern", "subject", "covers"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a.*", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("a.*", "a.>", False),
        ("a.b", "a.*", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a.>", True),
        ("a.>", "a.*", True),
        ("a.>", "a", False),
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.b.d", False),
    ],
)
def test_patterns_cover_as_the_server_has_it(pattern: str, subject: str, *, covers: bool) -> None:
    """`*` is one token, `>` one or more, and a pattern never covers a wider one."""
    assert covers is matches(pattern, subject)


def test_only_inboxes_are_answered_to() -> None:
    """A request that names another subject for its answer would write there with our rights."""
    assert is_inbox("_INBOX.abc.def")
    assert is_inbox(f"{inbox(User.EDGE)}.abc")
    for subject in (subjects.log("w-1"), "", "$JS.API.STREAM.DELETE.LASTWORD_LOG"):
        assert not is_inbox(subject)
