"""The six statuses and their ranks."""

from lastword.contracts.statuses import LIVE, RANK, TERMINAL, Status


def test_every_status_has_a_rank() -> None:
    """A status without a rank could be left and entered at will."""
    assert set(Status) == set(RANK)


def test_the_terminal_statuses_are_the_highest_ones() -> None:
    """Three ways to end, and all of them stand above everything else."""
    assert {Status.SUCCESS, Status.FAILED, Status.CANCELLED} == TERMINAL
    assert max(RANK[status] for status in set(Status) - TERMINAL) < min(RANK[status] for status in TERMINAL)


def test_is_terminal_says_what_the_set_says() -> None:
    """The property and the set cannot drift apart."""
    assert {status: status in TERMINAL for status in Status} == {
        status: status.is_terminal for status in Status
    }


def test_live_statuses_lie_between_waiting_and_ended() -> None:
    """A lease exists exactly between the claim and the end."""
    assert {status for status, rank in RANK.items() if 0 < rank < 3} == LIVE


def test_statuses_are_written_as_they_are_in_json() -> None:
    """The words are the contract with every client."""
    assert ["pending", "running", "cancelling", "success", "failed", "cancelled"] == [*Status]
