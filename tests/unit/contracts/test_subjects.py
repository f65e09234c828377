"""Every subject, and the names that cannot stand in one."""

from collections.abc import Callable

import pytest

from lastword.contracts import subjects
from lastword.contracts.subjects import BadToken

NAMED: list[tuple[Callable[[str], str], str]] = [
    (subjects.log, "lastword.log.w-1"),
    (subjects.status, "lastword.status.w-1"),
    (subjects.report, "lastword.report.w-1"),
    (subjects.job, "lastword.job.w-1"),
    (subjects.pulse, "lastword.pulse.w-1"),
    (subjects.progress, "lastword.progress.w-1"),
    (subjects.logline, "lastword.logline.w-1"),
    (subjects.refused, "lastword.refused.w-1"),
    (subjects.definition, "lastword.definition.w-1"),
    (subjects.command, "lastword.command.w-1"),
    (subjects.executor, "lastword.executor.w-1"),
    (subjects.metrics, "lastword.metrics.w-1"),
]
ALL: list[Callable[[], str]] = [
    subjects.log,
    subjects.status,
    subjects.report,
    subjects.job,
    subjects.pulse,
    subjects.progress,
    subjects.logline,
    subjects.refused,
    subjects.definition,
    subjects.metrics,
]
BAD = ["", "*", ">", "a.b", "a.*", "a b", "a\n", "a\r\nPUB lastword.log.x 0", "\0", "wörk", "✓", "x" * 10_240]


@pytest.mark.parametrize(("build", "subject"), NAMED, ids=lambda each: getattr(each, "__name__", ""))
def test_a_subject_ends_with_its_name(build: Callable[[str], str], subject: str) -> None:
    """The words are the contract with every subscriber."""
    assert subject == build("w-1")
    assert "w-1" == subjects.last_token(subject)


@pytest.mark.parametrize("build", ALL, ids=lambda each: each.__name__)
def test_without_a_name_it_is_the_subject_of_all(build: Callable[[], str]) -> None:
    """One wildcard, of one token."""
    assert f"lastword.{build.__name__}.*" == build()


@pytest.mark.parametrize("text", BAD, ids=lambda each: ascii(each[:24]))
@pytest.mark.parametrize("build", [build for build, _ in NAMED], ids=lambda each: each.__name__)
def test_a_name_that_is_no_token_is_refused(build: Callable[[str], str], text: str) -> None:
    """A wildcard from a client would read every workflow, a newline would speak NATS's protocol."""
    with pytest.raises(BadToken) as refused:
        build(text)
    assert text == refused.value.text
    assert 200 > len(str(refused.value))


def test_a_report_lies_in_a_partition() -> None:
    """The server's transform puts the partition in, and it can be read back."""
    assert "lastword.report.3.w-1" == subjects.report_partition(3, "w-1")
    assert "lastword.report.3.*" == subjects.report_partition(3)
    assert 3 == subjects.partition_of("lastword.report.3.w-1")
    with pytest.raises(BadToken):
        subjects.report_partition(3, "*")


def test_what_is_public_is_what_is_heard() -> None:
    """Nobody listens where supervisors append, since refused writes can be heard there."""
    assert subjects.log("w-1") != subjects.status("w-1")


def test_every_stream_carries_the_name() -> None:
    """One prefix, by which an operator finds all of them."""
    streams = [getattr(subjects, name) for name in subjects.__all__ if name.endswith(("_STREAM", "_BUCKET"))]
    assert 9 == len(set(streams))
    assert all(stream.startswith("LASTWORD_") for stream in streams)
