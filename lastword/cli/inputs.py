"""Inputs, as they are typed: `-i key=text`, `-i key:=json`, and a file of JSON."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from lastword.cli.errors import BadUsage

__all__ = ["Inputs", "parse_inputs"]


class Inputs(NamedTuple):
    """What a workflow is given."""

    values: dict[str, Any]
    typed: frozenset[str]
    """The names that were given as text with `=`; where the schema wants another type, a hint says how."""


def parse_inputs(pairs: Sequence[str], file: str | None, folder: Path, stdin: IO[str]) -> Inputs:
    """Return the inputs: those of `file` (`-` is standard input), overlaid by `pairs`.

    Raises `BadUsage` naming the pair or the place in the file that cannot be used.
    """
    values = {} if file is None else _from_file(file, folder, stdin)
    given: set[str] = set()
    typed: set[str] = set()
    for pair in pairs:
        key, sign, text = pair.partition("=")
        is_json = key.endswith(":")
        key = key.removesuffix(":")
        if not sign or not key:
            raise BadUsage(f"-i {pair!r} is no input", "Write `-i key=text`, or `-i key:=json`.")
        if key in given:
            raise BadUsage(f"-i {key} is given twice", "Leave one out; a list is written `-i key:='[1, 2]'`.")
        given.add(key)
        if is_json:
            values[key] = _json(text, f"-i {key}:=")
        else:
            values[key] = text
            typed.add(key)
    return Inputs(values, frozenset(typed))


def _from_file(file: str, folder: Path, stdin: IO[str]) -> dict[str, Any]:
    try:
        text = stdin.read() if file == "-" else (folder / file).read_text("utf-8")
    except OSError as error:
        raise BadUsage(f"--inputs {file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadUsage(f"--inputs {file}: not UTF-8 ({error.reason} at byte {error.start})") from error
    values: object = _json(text, f"--inputs {file}: ")
    if not isinstance(values, dict):
        raise BadUsage(f"--inputs {file}: not a JSON object", 'Write one like {"topic": "tidal power"}.')
    return cast("dict[str, Any]", values)


def _json(text: str, source: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        hint = "Text needs quotes in JSON; `-i key=text` takes it without." if source.startswith("-i") else ""
        raise BadUsage(f"{source}{text[:80]!r} is not JSON ({error})", *([hint] if hint else [])) from error


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large")
    return number
