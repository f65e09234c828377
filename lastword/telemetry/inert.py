"""Text from elsewhere, made unable to do anything but be read.

What workflows print, name and raise can hold escape sequences that move a cursor, line ends that forge a
line of the log, and marks that turn the direction of writing.  Every such character is shown as its
escape instead, so that the text stays whole and harmless.
"""

from typing import Final

__all__ = ["inert", "shortened"]

_JOINERS: Final = frozenset("\u200c\u200d")
"""Zero-width joiners: invisible, harmless, and part of how emoji and Persian are written."""


def inert(text: str, *, keep_lines: bool = False) -> str:
    """Return `text` with every control and format character escaped; `keep_lines` spares newline and tab."""
    if text.isprintable():
        return text
    spared = _JOINERS | {"\n", "\t"} if keep_lines else _JOINERS
    return "".join(c if c.isprintable() or c in spared else _escape(c) for c in text)


def shortened(text: str, limit: int) -> str:
    """Return `text`, or its first `limit` characters (at least one) with an ellipsis as the last of them."""
    return text if len(text) <= limit else text[: max(limit, 1) - 1] + "…"


def _escape(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    if named is not None:
        return named
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
