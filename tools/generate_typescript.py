"""Write the browser app's types from the contracts: `frontend/src/app/api/contracts.ts`.

The Structs in `lastword.contracts` are the one source of every JSON that crosses the wire; the app must
not have a second opinion.  msgspec gives each Struct as JSON Schema, and this turns those few forms of
schema that msgspec emits into TypeScript; a form that it does not know stops it, since a guess would be
a type that lies.

Run `python -m tools.generate_typescript` after changing a contract; `--check` writes nothing and fails
when the committed file is stale.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from lastword.contracts import frames, messages, views
from lastword.contracts.statuses import RANK, TERMINAL, Status

__all__ = ["main", "render"]

TARGET: Final = Path(__file__).parent.parent / "frontend" / "src" / "app" / "api" / "contracts.ts"
SERVED: Final = (
    views.Workflow,
    views.WorkflowPage,
    views.History,
    views.LogPage,
    views.StartRequest,
    views.DefinitionPage,
    views.ExecutorPage,
    views.Summary,
    views.Trends,
    views.ClientConfig,
    messages.Problem,
)
"""The bodies of the API; what they are made of follows by itself."""

FRAMES: Final = (
    frames.Hello,
    frames.Snapshot,
    frames.Changed,
    frames.Progressed,
    frames.Beat,
    frames.Ping,
    frames.Resync,
    frames.End,
    frames.Output,
    frames.Rejected,
)
"""The frames of the live streams, told apart by `type`."""

RENAMED: Final = {"Error": "WorkflowError", "Record": "LogRecord"}
"""TypeScript has an `Error` and a `Record` of its own."""

PLAIN: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}

HEADER: Final = """\
// Generated from lastword/contracts by `python -m tools.generate_typescript`. Do not edit.
"""


class UnknownSchema(Exception):
    """A contract uses a form of schema for which there is no TypeScript here yet."""

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__(f"no TypeScript for this schema: {schema}")


def render() -> str:
    """Return the whole file."""
    _, components = msgspec.json.schema_components((*SERVED, *FRAMES), ref_template="{name}")
    parts = [HEADER]
    parts.extend(_declaration(name, components[name]) for name in sorted(components))
    members = " | ".join(frame.__name__ for frame in FRAMES)
    parts.append(f"/** Whatever a live stream says. */\nexport type Frame = {members};\n")
    parts.append(_statuses())
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or with `--check` compare it; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the browser app's types from the contracts.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is stale")
    options = parser.parse_args(arguments)
    fresh = render()
    if not options.check:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(fresh, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == fresh:
        return 0
    print(f"{TARGET.name} is stale: run python -m tools.generate_typescript", file=sys.stderr)
    return 1


def _declaration(name: str, schema: dict[str, Any]) -> str:
    comment = _comment(schema.get("description"))
    name = RENAMED.get(name, name)
    if "enum" in schema:
        choices = _type(schema).replace(" | ", "\n  | ")
        return f"{comment}export type {name} =\n  | {choices};\n"
    required = set(schema.get("required", ()))
    lines = [f"{comment}export interface {name} {{"]
    for key, value in schema.get("properties", {}).items():
        # What the server encodes is always there, unless the Struct omits defaults (Error, Problem);
        # msgspec's schema does not tell the two apart, so a field with a default may be absent.
        mark = "" if key in required else "?"
        lines.append(f"  readonly {key}{mark}: {_type(value)};")
    lines.append("}\n")
    return "\n".join(lines)


def _type(schema: dict[str, Any]) -> str:  # noqa: PLR0911 - one return per form of schema
    match schema:
        case {"$ref": str(name)}:
            return RENAMED.get(name, name)
        case {"enum": values}:
            return " | ".join(map(_literal, values))
        case {"anyOf": choices}:
            return " | ".join(map(_type, choices))
        case {"type": "array"}:
            item = _type(schema.get("items") or {})
            return f"readonly ({item})[]" if " | " in item else f"readonly {item}[]"
        case {"type": "object"}:
            inner = schema.get("additionalProperties")
            of = _type(cast("dict[str, Any]", inner)) if isinstance(inner, dict) else "unknown"
            return f"Readonly<Record<string, {of}>>"
        case {"type": str(plain)} if plain in PLAIN:
            return PLAIN[plain]
        case _ if not set(schema) - {"default", "description"}:
            return "unknown"
        case _:
            raise UnknownSchema(schema)


def _literal(value: object) -> str:
    return "'" + value.replace("'", "\\'") + "'" if isinstance(value, str) else str(value).lower()


def _comment(text: str | None) -> str:
    if not text:
        return ""
    first = text.strip().split("\n\n")[0].replace("\n", " ")
    return f"/** {first} */\n"


def _statuses() -> str:
    names = ", ".join(f"'{status}'" for status in Status)
    ended = ", ".join(f"'{status}'" for status in Status if status in TERMINAL)
    ranks = ", ".join(f"{status}: {rank}" for status, rank in RANK.items())
    return (
        "/** Every status, in the order of the table of moves. */\n"
        f"export const STATUSES = [{names}] as const satisfies readonly Status[];\n\n"
        "/** The statuses that nothing follows. */\n"
        f"export const TERMINAL = [{ended}] as const satisfies readonly Status[];\n\n"
        "/** A move must raise the rank. */\n"
        f"export const RANK: Readonly<Record<Status, number>> = {{ {ranks} }};\n"
    )


if __name__ == "__main__":
    sys.exit(main())
