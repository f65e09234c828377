"""The API's description for people: one page of plain HTML, without scripts, and nothing from elsewhere."""

import html
from typing import Any, Final

import msgspec

__all__ = ["schema_page"]

STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}code,pre{font-family:ui-monospace,monospace;font-size:.9em}"
    "pre{overflow:auto;padding:.75rem;border:1px solid #8886;border-radius:6px}"
    "details{border:1px solid #8886;border-radius:6px;margin:.5rem 0;padding:.5rem .75rem}"
    "summary{cursor:pointer}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8883}"
    ".method{font-weight:600;text-transform:uppercase;display:inline-block;min-width:4rem}"
)


OTHERS: Final = (
    '<p>For programs: <a href="/schema/openapi.json">openapi.json</a> (OpenAPI 3.1), and, for what travels '
    'on the live streams and on NATS, <a href="/schema/asyncapi.json">asyncapi.json</a> (AsyncAPI 3).</p>'
)


def schema_page(document: dict[str, Any]) -> str:
    """Return the page for an OpenAPI document."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>lastword API</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style></head><body><h1>lastword API {_text(document['info']['version'])}</h1>",
        f"<p>{_prose(document['info']['summary'])}</p><p>{_prose(document['info']['description'])}</p>{OTHERS}",
    ]
    for tag in document["tags"]:
        parts.append(f"<h2>{_text(tag['name'])}</h2><p>{_prose(tag['description'])}</p>")
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    parts.append(_render_operation(path, method, operation))
    parts.append("<h2>schemas</h2>")
    for name, schema in document["components"]["schemas"].items():
        parts.append(
            f'<details id="{_text(name)}"><summary><code>{_text(name)}</code> '
            f"{_prose(schema.get('description', ''))}</summary>{_render_json(schema)}</details>"
        )
    parts.append("</body></html>")
    return "".join(parts)


def _render_operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{_text(given['name'])}</code></td><td>{_text(given['in'])}</td>"
        f"<td>{_prose(given.get('description', ''))}</td></tr>"
        for given in operation.get("parameters", ())
    )
    answers = "".join(
        f"<tr><td>{_text(status)}</td><td colspan=2>{_prose(response['description'])}</td></tr>"
        for status, response in operation["responses"].items()
    )
    body = ""
    if "requestBody" in operation:
        body = f"<p>Body:</p>{_render_json(operation['requestBody']['content']['application/json'])}"
    return (
        f'<details><summary><span class="method">{_text(method)}</span> <code>{_text(path)}</code> '
        f"{_text(operation['summary'])}</summary><p>{_prose(operation.get('description', ''))}</p>{body}"
        f"<table>{rows}{answers}</table></details>"
    )


def _render_json(value: object) -> str:
    return f"<pre>{_text(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())}</pre>"


def _prose(text: str) -> str:
    """Return a text whose words in backticks are code."""
    parts = _text(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _text(value: object) -> str:
    return html.escape(str(value))
