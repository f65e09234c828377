"""Whatever is wrong with a payload, one error says so."""

import msgspec
import pytest

from lastword.bus._decode import decode
from lastword.contracts.messages import Start

DECODER = msgspec.json.Decoder(Start)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"definition": 1}',
        b'{"definition": "\xff"}',
        b'{"definition": "x", "inputs": {"deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    ],
    ids=["empty", "cut off", "another kind", "a field missing", "a wrong type", "no UTF-8", "too deep"],
)
def test_what_cannot_be_read_is_one_error(payload: bytes) -> None:
    """An actor that expects `DecodeError` never crashes on a message, however odd."""
    with pytest.raises(msgspec.DecodeError):
        decode(DECODER, payload)


def test_what_can_be_read_is_returned() -> None:
    """Good messages pass."""
    assert Start(definition="x") == decode(DECODER, b'{"definition": "x"}')
