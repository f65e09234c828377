"""Values that fit a JSON Schema, made up from what a conversation is about."""

import re
from collections.abc import Iterator
from typing import Any, cast

__all__ = ["fit"]

MAX_DEPTH = 8  # of nested or recursive schemas
Schema = dict[str, Any]

_BY_FORMAT = {
    "date": "2025-03-14",
    "date-time": "2025-03-14T09:30:00Z",
    "time": "09:30:00",
    "email": "reader@example.org",
    "uri": "https://example.org/",
    "url": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_BY_NAME = (
    (re.compile(r"url|link|website", re.IGNORECASE), "https://example.org/"),
    (re.compile(r"e-?mail", re.IGNORECASE), "reader@example.org"),
    (re.compile(r"path|file", re.IGNORECASE), "notes.txt"),
    (re.compile(r"language", re.IGNORECASE), "English"),
    (re.compile(r"\bdate", re.IGNORECASE), "2025-03-14"),
)


def fit(schema: Schema, topic: str, sentences: list[str] | None = None) -> Any:
    """Return a value that `schema` accepts; its strings speak of `topic`, the long ones in `sentences`."""
    return _Fitting(schema, topic, sentences or []).value(schema, "")


class _Fitting:
    def __init__(self, root: Schema, topic: str, sentences: list[str]) -> None:
        self._root = root
        self._topic = topic
        self._sentences = self._cycle(sentences or [topic])
        self._prose = bool(sentences)

    @staticmethod
    def _cycle(sentences: list[str]) -> Iterator[str]:
        while True:
            yield from sentences

    def value(self, schema: Schema, name: str, depth: int = 0) -> Any:
        schema = self._resolve(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        if "default" in schema and schema["default"] is not None:
            return schema["default"]
        for union in ("anyOf", "oneOf", "allOf"):
            options = [self._resolve(one) for one in schema.get(union, [])]
            real = [one for one in options if one.get("type") != "null"] or options
            if real and depth < 2 * MAX_DEPTH:
                return self.value(real[0], name, depth + 1)
        return self._typed(schema, name, depth)

    def _resolve(self, schema: Schema) -> Schema:
        for _ in range(MAX_DEPTH):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                break
            node: Any = self._root
            for step in reference.removeprefix("#/").split("/"):
                node = cast("Schema", node).get(step, {}) if isinstance(node, dict) else {}
            schema = cast("Schema", node) if isinstance(node, dict) else {}
        return schema

    def _typed(self, schema: Schema, name: str, depth: int) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((one for one in cast("list[str]", kind) if one != "null"), "null")
        if kind == "object" or (kind is None and "properties" in schema):
            return self._object(schema, depth)
        simple: dict[object, Any] = {"boolean": True, "null": None}
        if kind in simple:
            return simple[kind]
        if kind in {"integer", "number"}:
            return int(_number(schema, 3)) if kind == "integer" else _number(schema, 2.5)
        return self._array(schema, name, depth) if kind == "array" else self._text(schema, name)

    def _object(self, schema: Schema, depth: int) -> Schema:
        properties: dict[str, Schema] = schema.get("properties", {})
        required = set(schema.get("required", ()))
        if depth >= MAX_DEPTH:
            properties = {name: part for name, part in properties.items() if name in required}
        if depth >= 2 * MAX_DEPTH:  # a schema that requires itself has no value at all
            return {}
        return {name: self.value(part, name, depth + 1) for name, part in properties.items()}

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        if depth >= MAX_DEPTH:
            return []
        least, most = int(schema.get("minItems", 0)), int(schema.get("maxItems", 64))
        count = min(max(3 if self._prose else 1, least), most)
        return [self.value(schema.get("items", {}), name, depth + 1) for _ in range(count)]

    def _text(self, schema: Schema, name: str) -> str:
        given = _BY_FORMAT.get(str(schema.get("format")))
        if given is not None:
            return given
        text = next((value for pattern, value in _BY_NAME if pattern.search(name)), None)
        if text is None:
            is_short = re.search(r"title|name|topic|subject|label|heading", name, re.IGNORECASE)
            text = self._topic.capitalize() if is_short else next(self._sentences)
        text = text[: int(schema.get("maxLength", len(text)))]
        return text.ljust(int(schema.get("minLength", 0)), ".")


def _number(schema: Schema, wanted: float) -> float:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is not None and wanted <= low:
        wanted = low + (1 if "exclusiveMinimum" in schema else 0)
    if high is not None and wanted >= high:
        wanted = high - (1 if "exclusiveMaximum" in schema else 0)
    step = schema.get("multipleOf")
    return wanted if not step else round(wanted / step) * step
