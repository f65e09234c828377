"""How deeply JSON is nested: bounded, so that whatever one process could read, every other can write.

Decoders and encoders of JSON call themselves once per level, and how many levels they can take depends on how
deep the stack is already.  Without a bound of its own a value could be taken by one actor, written to the log
and then be read by no other.

Written with the standard library alone: the child's side uses it too.
"""

import re
from itertools import accumulate
from typing import Final

__all__ = ["MAX_NESTING", "MESSAGE_NESTING", "nesting_of"]

MAX_NESTING: Final = 100
"""Levels of inputs and of results; a tenth of what decoders take, and more than people write."""
MESSAGE_NESTING: Final = MAX_NESTING + 20
"""Levels of a whole message, with what is around inputs or result."""

# Each of these takes a time that grows with the length alone, whatever is sent.
_ESCAPED: Final = re.compile(rb"\\.", re.DOTALL)  # a backslash stands within strings only
_OTHERS: Final = bytes(set(range(256)) - set(b'"[]{}'))
_STRING: Final = re.compile(rb'"[^"]*"?')
_STEPS: Final = tuple({"[": 1, "{": 1, "]": -1, "}": -1}.get(chr(byte), 0) for byte in range(256))


def nesting_of(text: bytes, limit: int = MAX_NESTING) -> int:
    """Return how many levels of lists and objects lie within one another in a text of JSON.

    Exact where it is more than `limit`; below that, perhaps too much: nothing is looked at one by one where
    there are not even so many brackets.
    """
    brackets = text.count(b"[") + text.count(b"{")
    if brackets <= limit:
        return brackets
    bare = _STRING.sub(b"", _ESCAPED.sub(b"", text).translate(None, _OTHERS))
    return max(accumulate(map(_STEPS.__getitem__, bare)), default=0)
