"""The numbers of a delivery, as both forms of the reply subject tell them."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.msg import Msg

from lastword.bus._reply import Delivery, read_reply

SHORT = "$JS.ACK.LASTWORD_LOG.dispatch.2.17.5.1767323045000000001.3"
LONG = "$JS.ACK.hub.ACCOUNT.LASTWORD_LOG.dispatch.2.17.5.1767323045000000001.3"
LONGEST = f"{LONG}.random"


@pytest.mark.parametrize("reply", [SHORT, LONG, LONGEST], ids=["short", "domain", "with a token at the end"])
def test_every_form_of_the_reply_subject_tells_the_same_numbers(reply: str) -> None:
    """Servers with a domain, or behind a leaf node, use the long forms."""
    expected = Delivery(tries=2, position=17, sequence=5, stored_ns=1_767_323_045_000_000_001, pending=3)
    assert expected == read_reply(reply)


@pytest.mark.parametrize("reply", [SHORT, LONGEST])
def test_our_reader_agrees_with_the_client_library(reply: str) -> None:
    """It is faster, and says the same."""
    metadata = Msg(_client=None, reply=reply).metadata  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    delivery = read_reply(reply)
    assert metadata.num_delivered == delivery.tries
    assert metadata.sequence.stream == delivery.position
    assert metadata.sequence.consumer == delivery.sequence
    assert metadata.num_pending == delivery.pending


@given(st.integers(0, 4_000_000_000 * 10**9))
def test_a_timestamp_is_the_one_that_a_direct_read_gives(stored_ns: int) -> None:
    """A record that is followed and one that is read have the same time, to the last microsecond."""
    delivery = Delivery(tries=1, position=1, sequence=1, stored_ns=stored_ns, pending=0)
    seconds, fraction = divmod(stored_ns, 10**9)
    text = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09}Z"
    assert msgspec.convert(text, datetime, strict=False) == delivery.stored_at
