"""Secrets, kept out of the logs by the names of keys and by the shape of values.

Two nets, because either alone has holes: a key such as `password` or `tls_key_password` hides its value
whatever it is, and a value that looks like a URL with a password, a bearer token or a provider's API key
is cut wherever it stands, tracebacks included.  A secret under an innocent name and of no known shape
gets through; that is the known flaw, and the reason why actors log ids and never whole messages.
"""

import re
from functools import lru_cache
from itertools import pairwise
from typing import Final

__all__ = ["HIDDEN", "hides", "without_secrets"]

HIDDEN: Final = "***"
"""What stands in a secret's place."""

_WORDS: Final = frozenset(
    {"apikey", "authorization", "cookie", "credential", "nkey", "passphrase", "passwd", "password", "pwd"}
    | {"secret", "secrets", "seed", "token"}
)  # `tokens` is a count of a language model's, and no secret
_PAIRS: Final = frozenset({("access", "key"), ("api", "key"), ("private", "key"), ("secret", "key")})
_SPLIT: Final = re.compile(r"[^a-z0-9]+")
_SHAPES: Final = (
    (re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+(?=@)"), rf"\1:{HIDDEN}"),  # scheme://user:password@host
    (re.compile(r"(?<=://)[^/\s:@]{12,}(?=@)"), HIDDEN),  # scheme://token@host
    # With a digit in it: "basic research" and "bearer authentication" are prose.
    (re.compile(r"(?i)\b(bearer|basic)\s+(?=[^\s\d]*\d)[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{12,}"), HIDDEN),  # OpenAI, Anthropic and those who copy them
    (re.compile(r"\blw_([0-9a-z]{8})_[A-Za-z0-9_-]{20,}"), rf"lw_\1_{HIDDEN}"),  # a token of `lastword auth`
    (re.compile(r"\bS[UAOCNX][A-Z2-7]{54,}\b"), HIDDEN),  # an nkey seed
)
_MARKS: Final = re.compile(r"://|earer|asic|EARER|ASIC|sk-|lw_|S[UAOCNX]")
"""Without one of these no shape can match: looking for them is much cheaper than matching."""


@lru_cache(maxsize=1_024)  # a few dozen keys come again and again
def hides(key: str) -> bool:
    """Tell whether a value under `key` is a secret by its name."""
    lowered = key.lower()
    if lowered.isalpha():
        return lowered in _WORDS
    words = tuple(word for word in _SPLIT.split(lowered) if word)
    return any(word in _WORDS for word in words) or any(pair in _PAIRS for pair in pairwise(words))


def without_secrets(text: str) -> str:
    """Return `text` with everything that has the shape of a secret replaced."""
    if _MARKS.search(text) is None:
        return text
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text
