"""What an executor says is cut where its operations end, however it arrives."""

import pytest

from tests.chaos.reports import Operations, again, is_report

PLAIN = b"PUB lastword.report.w-1 _INBOX.x.7 4\r\nfour\r\n"
HEADED = b"HPUB lastword.report.w-1 _INBOX.x.8 35 39\r\nNATS/1.0\r\nNats-Msg-Id: w-1.done\r\n\r\nfour\r\n"
BEAT = b"PUB lastword.pulse.x0 4\r\n\r\n\r\n\r\n"
SAID = (b'CONNECT {"verbose":false}\r\n', b"PING\r\n", PLAIN, b"SUB a.b 1\r\n", HEADED, BEAT)


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_operations_come_whole(size: int) -> None:
    """A payload may hold what looks like an end."""
    said = b"".join(SAID)
    operations = Operations()

    assert list(SAID) == [
        operation
        for start in range(0, len(said), size)
        for operation in operations.feed(said[start : start + size])
    ]


def test_reports_are_known() -> None:
    """Nothing else is held or repeated."""
    assert [PLAIN, HEADED] == [operation for operation in SAID if is_report(operation)]


def test_a_repeated_report_is_one_that_the_stream_does_not_know() -> None:
    """It carries no message id of the first, and asks for no answer; its lengths still fit."""
    assert b"PUB lastword.report.w-1 4\r\nfour\r\n" == again(PLAIN)
    assert HEADED.replace(b" _INBOX.x.8", b"").replace(b"Nats-Msg-Id", b"Nats-Msg-No") == again(HEADED)
    assert [again(HEADED)] == list(Operations().feed(again(HEADED)))
