"""JSON Schemas as Markdown that people read: a table of fields for each shape, and the words for a type."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

__all__ = ["anchor", "cell", "shape_tables", "shapes_in", "type_words"]

Schema = Mapping[str, Any]
PLAIN: Final = {"integer": "whole number", "boolean": "true or false", "string": "text"}
FORMATS: Final = {"date-time": "time", "uri-reference": "address"}


def shape_tables(schemas: Schema, names: Iterable[str]) -> Iterator[str]:
    """Yield the lines that describe these shapes, each under a heading of its own, in alphabetical order."""
    for name in sorted(names):
        schema = schemas[name]
        yield from (f"### `{name}`", "")
        description = " ".join(str(schema.get("description", "")).split())
        if description:
            yield from (description, "")
        if "properties" in schema:
            yield from _fields(schema)
        else:
            yield f"{_capital(type_words(schema))}."
        yield ""


def _fields(schema: Schema) -> Iterator[str]:
    required = schema.get("required", ())
    yield from ("| field | what | meaning |", "|---|---|---|")
    for name, field in schema["properties"].items():
        words = type_words(field)
        if name not in required:
            words += "; may be left out"
        yield f"| `{name}` | {cell(words)} | {cell(field.get('description', ''))} |"


def type_words(schema: Schema) -> str:
    """Return what a value of this schema is, in words, with links to other shapes of the page."""
    words = "anything"
    match schema:
        case {"$ref": ref}:
            name = str(ref).rpartition("/")[2]
            words = f"[{name}](#{anchor(name)})"
        case {"anyOf": parts} | {"oneOf": parts}:
            words = " or ".join(dict.fromkeys(type_words(part) for part in parts))
        case {"enum": values}:
            words = ", ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": items}:
            words = f"list of {type_words(items)}"
        case {"type": "object", "additionalProperties": {"type": _} | {"$ref": _} as values}:
            words = f"object of {type_words(values)}"
        case {"type": kind}:
            plain = FORMATS.get(schema.get("format", "")) or PLAIN.get(kind, kind)
            words = f"{plain}{_bounds(schema)}"
        case _:
            pass
    return words


def _bounds(schema: Schema) -> str:
    """Return the bounds that are worth saying: that a number is not negative goes without."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if high is not None:
        return f", {low} to {high}" if low is not None else f", at most {high}"
    if low:
        return f", at least {low}"
    longest = schema.get("maxLength")
    return f", at most {longest:,} characters" if longest else ""


def shapes_in(schema: object, schemas: Schema) -> set[str]:
    """Return the names of all shapes that this schema, or list or table of schemas, is made of."""
    found: set[str] = set()
    waiting: list[object] = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            table = cast("Schema", part)
            name = str(table.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in schemas and name not in found:
                found.add(name)
                waiting.append(schemas[name])
            waiting += table.values()
        elif isinstance(part, list):
            waiting += cast("list[object]", part)
    return found


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as GitHub and the site make it."""
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def cell(text: str) -> str:
    """Return text as it stands in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
