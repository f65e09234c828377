"""Write what is derived from the contracts: the JSON Schema, the diagram of statuses, the types, the model.

`python -m tools.generate` writes the files; `--check` writes nothing and fails, naming the stale ones.  All
are committed, so that a change of a contract shows in a review what it does to others.
"""

import argparse
import ast
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from lastword.cli.reference import cli_page
from lastword.contracts import events, frames, messages, records, views
from lastword.contracts.moves import EVENTS, MOVES, Moves
from lastword.contracts.schemas import json_schema
from lastword.contracts.statuses import Status
from lastword.telemetry.reference import metrics_page
from tools import generate_promela, generate_typescript, permissions_reference, settings_reference

__all__ = ["FILES", "main", "render_diagram", "render_schema", "splice", "stale"]

ROOT: Final = Path(__file__).parent.parent
BEGIN, END = "<!-- printed from MOVES: begin -->", "<!-- printed from MOVES: end -->"


def render_schema() -> str:
    """Return the JSON Schema of every message, with the docstring of each field as its description."""
    document = json_schema()
    for name, text in _field_docstrings():
        struct, _, field = name.partition(".")
        properties: dict[str, Any] = document["$defs"].get(struct, {}).get("properties", {})
        if field in properties:
            of_type = properties[field].get("description", "")
            properties[field]["description"] = f"{text} {of_type}".rstrip()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def render_diagram(moves: Moves = MOVES) -> str:
    """Return the table of moves as a Mermaid state diagram; events with the same effect share an arrow."""
    lines = ["```mermaid", "stateDiagram-v2", "    direction LR"]
    for status in (None, *Status):
        row = moves[status]
        for then in dict.fromkeys(row[kind] for kind in EVENTS if kind in row):
            causes = ", ".join(kind.__name__ for kind in EVENTS if row.get(kind) is then)
            lines.append(f"    {status or '[*]'} --> {then}: {causes}")
    lines += [f"    {status} --> [*]" for status in Status if not moves[status]]
    return "\n".join([*lines, "```"])


def splice(text: str, content: str) -> str:
    """Return `text` with `content` between the markers; raise `ValueError` where they are not, once each."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"expected one {BEGIN!r} and one {END!r}")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{content}\n{END}{rest.partition(END)[2]}"


def _statuses_page(path: Path = ROOT / "docs" / "explanation" / "statuses.md") -> str:
    return splice(path.read_text("utf-8"), render_diagram())


FILES: Final[Mapping[Path, Callable[[], str]]] = {
    ROOT / "docs" / "reference" / "messages.schema.json": render_schema,
    ROOT / "docs" / "explanation" / "statuses.md": _statuses_page,
    generate_typescript.TARGET: generate_typescript.render,
    generate_promela.TARGET: generate_promela.render,
    settings_reference.TARGET: settings_reference.render,
    permissions_reference.TARGET: permissions_reference.render,
    ROOT / "docs" / "reference" / "cli.md": cli_page,
    ROOT / "docs" / "reference" / "metrics.md": metrics_page,
}
"""Each generated file, and what makes its text."""


def stale() -> list[Path]:
    """Return the files whose text is not what it should be."""
    return [
        path for path, render in FILES.items() if not path.exists() or path.read_text("utf-8") != render()
    ]


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with `--check` compare them; return the exit code."""
    parser = argparse.ArgumentParser(description="Write what is derived from the contracts.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    options = parser.parse_args(arguments)
    for path in (behind := stale()):
        name = path.relative_to(ROOT)
        if options.check:
            print(f"{name} is stale: run `make generate` and commit what changes", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(FILES[path](), "utf-8")
            print(f"wrote {name}")
    return 1 if options.check and behind else 0


def _field_docstrings() -> Iterator[tuple[str, str]]:
    """Yield `Struct.field` and the string that stands below the field in the source."""
    for module in (events, frames, messages, records, views):
        structs = [
            kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, Struct)
        ]
        own = {
            node.name: node
            for node in ast.parse(inspect.getsource(module)).body
            if isinstance(node, ast.ClassDef)
        }
        for struct in structs:
            for ancestor in struct.__mro__:
                if ancestor.__name__ in own:
                    for field, text in _below_fields(own[ancestor.__name__]):
                        yield f"{struct.__name__}.{field}", text


def _below_fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in zip(node.body, node.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str() as text)),
            ):
                yield name, inspect.cleandoc(text)
            case _:
                pass


if __name__ == "__main__":
    sys.exit(main())
