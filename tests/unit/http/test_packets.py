"""Frames made ready for the wire."""

import pytest
from websockets.frames import Frame, Opcode

from lastword.http.packets import Burst, Packet, Wire, websocket_frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_000])
def test_frames_are_those_of_the_library(size: int) -> None:
    """Byte for byte, at each size where the header changes."""
    payload = b"x" * size
    assert Frame(Opcode.TEXT, payload).serialize(mask=False) == websocket_frame(payload)


def test_a_burst_is_one_write_for_sse_and_for_prepared_sockets() -> None:
    """Without the extension a WebSocket message is a send of its own."""
    burst = Burst((Packet("a", b'{"n":1}', "log:1"), Packet("b", b'{"n":2}')), prelude=b":\n")
    (sse,) = burst.messages(Wire.SSE)
    assert b':\nid: log:1\nevent: a\ndata: {"n":1}\n\nevent: b\ndata: {"n":2}\n\n' == sse["body"]
    assert b"3c\r\n" + sse["body"] + b"\r\n" == burst.framed(Wire.SSE)
    assert websocket_frame(b'{"n":1}') + websocket_frame(b'{"n":2}') == burst.framed(Wire.WS)
    assert ['{"n":1}', '{"n":2}'] == [message["text"] for message in burst.messages(Wire.WS)]
    assert burst.messages(Wire.SSE) is burst.messages(Wire.SSE)
