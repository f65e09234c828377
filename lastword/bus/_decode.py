"""Reading what others wrote: whatever is wrong with it, one error says so."""

from typing import TypeVar

import msgspec

__all__ = ["decode"]

T = TypeVar("T")


def decode(decoder: "msgspec.json.Decoder[T]", payload: bytes) -> T:
    """Return what `payload` says; raise `msgspec.DecodeError` where it cannot be read, for any reason.

    msgspec lets two more out: `UnicodeDecodeError` for text that is no UTF-8, and `RecursionError` for JSON
    nested too deeply.  An actor that only expects the first would crash on each delivery of such a message.
    """
    try:
        return decoder.decode(payload)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error
