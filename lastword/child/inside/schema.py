"""What inputs the work takes: as JSON Schema for people and forms, and as a check before the call.

A function's annotations decide.  msgspec reads most of them (dataclasses, `Literal`, enums, `datetime`, its
own Structs); where one mentions a pydantic model, or msgspec is absent, pydantic does.  Both convert: a
parameter annotated with a dataclass is given one.
"""

import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, cast

from lastword.child.inside.failures import InvalidInputs, LoadFailed
from lastword.child.inside.results import plain

__all__ = ["Field", "Inputs", "for_crew", "for_flow", "for_function"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = "#/$defs/{name}"
_PLACEHOLDER = re.compile(
    r"[A-Za-z_][A-Za-z0-9_-]*"
)  # what CrewAI itself puts in; `{"a": 1}` is no placeholder
_REQUIRED = "required, and missing"

Convert = Callable[[Any], Any]


class Field:
    """One input: its schema, whether it must be given, and how it is converted."""

    def __init__(self, schema: dict[str, Any], *, required: bool, convert: Convert) -> None:
        self.schema = schema
        self.required = required
        self.convert = convert


class Inputs:
    """All inputs of one target."""

    def __init__(
        self, fields: dict[str, Field], *, others: bool = False, definitions: dict[str, Any] | None = None
    ) -> None:
        self.fields = fields
        self.others = others
        self.definitions = definitions or {}

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of the inputs as one object."""
        schema: dict[str, Any] = {
            "$schema": DIALECT,
            "type": "object",
            "properties": {name: field.schema for name, field in self.fields.items()},
            "required": [name for name, field in self.fields.items() if field.required],
            "additionalProperties": self.others,
        }
        if self.definitions:
            schema["$defs"] = self.definitions
        return schema

    def convert(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return `values` as the work wants them; raise `InvalidInputs` naming every bad field."""
        problems: dict[str, str] = {}
        converted: dict[str, Any] = {}
        for name, value in values.items():
            field = self.fields.get(name)
            if field is not None:
                try:
                    converted[name] = field.convert(value)
                except ValueError as error:  # msgspec's and pydantic's ValidationError both are
                    problems[name] = _problem(error)
            elif self.others:
                converted[name] = value
            else:
                known = ", ".join(self.fields) or "none"
                problems[name] = f"unknown; the inputs are: {known}"
        for name, field in self.fields.items():
            if field.required and name not in values:
                problems[name] = _REQUIRED
        if problems:
            raise InvalidInputs(problems)
        return converted


def _problem(error: ValueError) -> str:
    details = getattr(error, "errors", None)
    if callable(details):  # pydantic's
        parts = [
            f"{detail['msg']}{' - at ' + '.'.join(map(str, detail['loc'])) if detail['loc'] else ''}"
            for detail in cast("list[dict[str, Any]]", details())
        ]
        return "; ".join(parts)
    return str(error)


def for_function(function: Callable[..., Any]) -> Inputs:
    """Return the inputs that a function's annotations ask for; raise `LoadFailed` for one JSON cannot be."""
    try:
        signature = inspect.signature(function)
        hints = typing.get_type_hints(function, include_extras=True)
    except (TypeError, ValueError, NameError) as error:
        raise LoadFailed(f"the annotations of {function!r} cannot be read: {error}") from error
    fields: dict[str, Field] = {}
    definitions: dict[str, Any] = {}
    others = False
    for name, parameter in signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            others = True
        elif parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise LoadFailed(f"parameter {name!r} is positional only, and inputs are given by name")
        elif parameter.kind is not inspect.Parameter.VAR_POSITIONAL:
            try:
                schema, convert = _read(hints.get(name, Any), definitions)
            except (TypeError, ValueError, NotImplementedError) as error:
                raise LoadFailed(f"parameter {name!r} has a type that JSON cannot give: {error}") from error
            required = parameter.default is inspect.Parameter.empty
            if not required:
                schema = _with_default(schema, parameter.default)
            fields[name] = Field(schema, required=required, convert=convert)
    return Inputs(fields, others=others, definitions=definitions)


def for_crew(placeholders: Iterable[str], defaults: dict[str, Any], *, prepared: bool) -> Inputs:
    """Return the inputs of a crew: its placeholders, required unless it has defaults for them.

    A crew that prepares its inputs itself (`@before_kickoff`) may make them up, so nothing is required.
    """
    names = {name for name in placeholders if _PLACEHOLDER.fullmatch(name)}
    fields = {
        name: Field(
            _with_default({"type": "string"}, defaults[name]) if name in defaults else {"type": "string"},
            required=name not in defaults and not prepared,
            convert=_interpolable,
        )
        for name in sorted(names)
    }
    return Inputs(fields, others=prepared)


def for_flow(state: object, defaults: dict[str, Any] | None = None) -> Inputs:
    """Return the inputs of a flow: the fields of its state, `id` aside. `state` is a fresh flow's."""
    model = type(state)
    if not hasattr(model, "model_json_schema"):
        known = cast("dict[str, Any]", state) if isinstance(state, dict) else {}
        return Inputs(
            {
                name: Field(_with_default({}, value), required=False, convert=_same)
                for name, value in known.items()
                if name != "id"
            },
            others=True,
        )
    schema: dict[str, Any] = cast("Any", model).model_json_schema(ref_template=_REFERENCE_PYDANTIC)
    definitions: dict[str, Any] = schema.pop("$defs", {})
    adapters = _adapters(model)
    given = defaults or {}
    fields = {
        name: Field(
            _with_default(part, given[name]) if name in given else part,
            required=name in schema.get("required", []) and name not in given,
            convert=adapters.get(name, _same),
        )
        for name, part in schema.get("properties", {}).items()
        if name != "id"
    }
    others = cast("Any", model).model_config.get("extra") == "allow"
    return Inputs(fields, others=others, definitions=definitions)


_REFERENCE_PYDANTIC = "#/$defs/{model}"


def _adapters(model: Any) -> dict[str, Convert]:
    """Check each field by itself, and leave the value as it is: CrewAI builds the state."""
    from pydantic import TypeAdapter

    def checking(annotation: Any) -> Convert:
        adapter: Any = TypeAdapter(annotation)

        def check(value: Any) -> Any:
            adapter.validate_python(value)
            return value

        return check

    return {name: checking(field.annotation) for name, field in model.model_fields.items()}


def _interpolable(value: Any) -> Any:
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")  # noqa: TRY004  as a bad value, with the rest
    return value


def _same(value: Any) -> Any:
    return value


def _read(annotation: Any, definitions: dict[str, Any]) -> tuple[dict[str, Any], Convert]:
    """Return the schema of a type, and how a JSON value becomes one; shared parts go to `definitions`."""
    if annotation is Any:
        return {}, _same
    if _mentions_pydantic(annotation):
        return _read_with_pydantic(annotation, definitions)
    try:
        import msgspec
    except ImportError:  # an interpreter of the project's own, which has pydantic if it has CrewAI
        try:
            return _read_with_pydantic(annotation, definitions)
        except ImportError:
            return _read_plainly(annotation)
    (schema,), components = msgspec.json.schema_components([annotation], ref_template=_REFERENCE)
    definitions.update(components)
    return schema, lambda value: msgspec.convert(value, annotation)


def _read_with_pydantic(annotation: Any, definitions: dict[str, Any]) -> tuple[dict[str, Any], Convert]:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticSchemaGenerationError

    try:
        adapter: Any = TypeAdapter(annotation)
    except PydanticSchemaGenerationError as error:
        raise TypeError(str(error).partition("\n")[0]) from error
    schema: dict[str, Any] = adapter.json_schema(ref_template=_REFERENCE_PYDANTIC)
    definitions.update(schema.pop("$defs", {}))
    return schema, adapter.validate_python


def _read_plainly(annotation: Any) -> tuple[dict[str, Any], Convert]:
    """Do without either: the simple types are checked, anything else is taken as it comes."""
    plain_type = typing.get_origin(annotation) or annotation
    name = _PLAIN.get(plain_type)
    if name is None:
        return {}, _same

    def check(value: Any) -> Any:
        is_bool = isinstance(value, bool) and plain_type is not bool
        if is_bool or not isinstance(value, (int, float) if plain_type is float else plain_type):
            raise ValueError(f"Expected `{plain_type.__name__}`, got `{type(value).__name__}`")
        return value

    return {"type": name}, check


_PLAIN: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}


def _mentions_pydantic(annotation: Any) -> bool:
    if isinstance(annotation, type) and hasattr(annotation, "__pydantic_core_schema__"):
        return True
    parts = typing.get_args(annotation)
    return any(_mentions_pydantic(part) for part in parts if not isinstance(part, (str, types.NoneType)))


def _with_default(schema: dict[str, Any], default: object) -> dict[str, Any]:
    try:
        return {**schema, "default": json.loads(json.dumps(default, default=plain, allow_nan=False))}
    except (TypeError, ValueError):
        return schema  # a default that is no JSON is the function's own business
