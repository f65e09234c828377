"""Write what is derived from the contracts: schemas, OpenAPI, AsyncAPI, diagrams, tables, types, the model.

`python -m tools.generate` writes the files; `--check` writes nothing and fails, naming the stale ones.  All
are committed, so that a change of a contract shows in a review what it does to others.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from lastword import __version__
from lastword.cli.reference import cli_page
from lastword.contracts.schemas import json_schema
from lastword.http.asyncapi import asyncapi_document
from lastword.http.endpoints import OPERATIONS
from lastword.http.openapi import openapi_document
from tools import (
    channels_reference,
    decisions_reference,
    endpoints_reference,
    generate_promela,
    generate_typescript,
    metrics_reference,
    permissions_reference,
    settings_reference,
    tables,
)
from tools.dashboards import DASHBOARDS

__all__ = ["FILES", "main", "render_schema", "splice", "stale"]

ROOT: Final = Path(__file__).parent.parent


def render_schema() -> str:
    """Return the JSON Schema of every message, with the docstring of each field as its description."""
    return _pretty(json_schema())


def splice(text: str, content: str, table: str) -> str:
    """Return `text` with `content` between a table's markers.

    Raises `ValueError` where they are not there once each.
    """
    begin, end = (f"<!-- printed from {table}: {place} -->" for place in ("begin", "end"))
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"expected one {begin!r} and one {end!r}")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{content}\n{end}{rest.partition(end)[2]}"


def _pretty(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _page(name: str, **content: Callable[[], str]) -> tuple[Path, Callable[[], str]]:
    """Return a page that people write, and its text with what is printed into it, table by table."""
    path = ROOT / "docs" / name

    def render() -> str:
        text = path.read_text("utf-8")
        for table, print_it in content.items():
            text = splice(text, print_it(), table)
        return text

    return path, render


def _openapi() -> str:
    return _pretty(openapi_document(OPERATIONS, version=__version__))


def _asyncapi() -> str:
    return _pretty(asyncapi_document(version=__version__))


FILES: Final[Mapping[Path, Callable[[], str]]] = {
    ROOT / "docs" / "reference" / "messages.schema.json": render_schema,
    ROOT / "docs" / "reference" / "openapi.json": _openapi,
    ROOT / "docs" / "reference" / "asyncapi.json": _asyncapi,
    generate_typescript.TARGET: generate_typescript.render,
    generate_promela.TARGET: generate_promela.render,
    settings_reference.TARGET: settings_reference.render,
    permissions_reference.TARGET: permissions_reference.render,
    ROOT / "docs" / "reference" / "cli.md": cli_page,
    metrics_reference.TARGET: metrics_reference.render,
    endpoints_reference.TARGET: endpoints_reference.render,
    channels_reference.TARGET: channels_reference.render,
    decisions_reference.TARGET: decisions_reference.render,
    **dict(
        (
            _page("reference/nats.md", TRAFFIC=tables.subjects),
            _page(
                "reference/http.md",
                frames=tables.frames,
                close_codes=tables.close_codes,
                problems=tables.problems,
            ),
            _page(
                "explanation/statuses.md",
                Status=tables.statuses,
                MOVES=tables.diagram,
                Refusal=tables.refusals,
                ErrorCode=tables.error_codes,
            ),
            _page("explanation/truth.md", MOVES=tables.ratchet),
        )
    ),
    **{
        ROOT / "deploy" / "grafana" / "dashboards" / f"{dashboard.name}.json": dashboard.render
        for dashboard in DASHBOARDS
    },
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


if __name__ == "__main__":
    sys.exit(main())
