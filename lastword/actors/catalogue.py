"""The catalogue: what can be started, as executors have announced it, and whether inputs fit.

A schema comes from whoever wrote the definition.  One that is no JSON Schema, or that refers to what is not
in it, makes the definition a broken one: nobody's inputs can be judged by it, and nothing is ever fetched.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, Final, cast

import msgspec
import structlog
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from lastword.bus import Bus, Follower, Heard, Inspector
from lastword.contracts import subjects
from lastword.contracts.messages import MAX_DEFINITIONS, Definition, FieldError
from lastword.telemetry.metrics import Metrics

__all__ = ["Catalogue"]

log = structlog.get_logger(__name__)

_Json = dict[str, Any] | list[Any] | str | float | bool | None

MAX_ERRORS: Final = 50  # that one answer lists
MAX_MESSAGE: Final = 500  # characters; a validator quotes what it was given


class Catalogue:
    """Follows the definitions' stream."""

    def __init__(self, metrics: Metrics) -> None:
        self._known: dict[str, Definition] = {}
        self._validators: dict[str, Draft202012Validator] = {}
        self._inspector = Inspector("definition", Definition, metrics, name_of=lambda one: one.name)
        self.changed = asyncio.Event()
        """Set when something is announced; whoever waits clears it."""

    @asynccontextmanager
    async def open(self, bus: Bus) -> AsyncGenerator[None, None]:
        """Follow until the block is left; what is announced already is known when it is entered."""
        follower = Follower(
            bus,
            stream=subjects.DEFINITION_STREAM,
            subject=subjects.definition(),
            deliver=self.hear,
            origin="latest",
        )
        async with follower.open():
            await follower.synced.wait()
            yield

    def find(self, name: str) -> Definition | None:
        """Return the definition of that name."""
        return self._known.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of everything that can be started, in order."""
        return tuple(sorted(name for name, definition in self._known.items() if definition.kind != "broken"))

    @property
    def announced(self) -> tuple[str, ...]:
        """The names of everything that executors have announced, what is broken included."""
        return tuple(sorted(self._known))

    def define(self, definition: Definition) -> None:
        """Take a definition in, instead of an older one of the same name."""
        why = _fault(definition.input_schema)
        if why is not None:
            error = f"its input schema cannot be used: {why}"
            definition = msgspec.structs.replace(definition, kind="broken", error=error)
            log.warning("definition.broken", definition=definition.name, error=error)
        self._known[definition.name] = definition
        self.changed.set()
        self._validators.pop(definition.name, None)

    def check(self, definition: Definition, inputs: dict[str, Any]) -> tuple[FieldError, ...]:
        """Return what is wrong with the inputs, field by field; nothing where they fit the schema."""
        validator = self._validators.get(definition.name)
        if validator is None:
            validator = Draft202012Validator(definition.input_schema, registry=Registry())
            self._validators[definition.name] = validator
        found: dict[tuple[str, str], FieldError] = {}
        try:
            # The first few are enough, and finding all of what 64 KiB can hold would take seconds.
            for error in islice(validator.iter_errors(inputs), MAX_ERRORS):
                for one in _explain(error):
                    found[one.field, one.message] = one
        except RecursionError:
            return (FieldError(field="inputs", message="They are nested too deeply to be checked."),)
        return tuple(sorted(found.values(), key=lambda one: one.field))[:MAX_ERRORS]

    def hear(self, heard: Heard) -> None:
        """Take in what the stream of definitions says."""
        name = subjects.last_token(heard.subject)
        if not heard.data:
            self._known.pop(name, None)
            return
        definition = self._inspector.read(heard.subject, heard.data)
        if definition is None:
            return
        if name not in self._known and len(self._known) >= MAX_DEFINITIONS:
            self._inspector.doorkeeper.turn_away("excess", heard.subject, f"{MAX_DEFINITIONS} are known")
            return
        self.define(definition)


def _fault(schema: dict[str, Any]) -> str | None:
    """Return why nothing can be checked by the schema, or None."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return error.message[:MAX_MESSAGE]
    registry: Registry[Any] = Registry()
    resolver = registry.resolver_with_root(DRAFT202012.create_resource(schema))
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            return f"it refers to {reference!r}, which is not in it"[:MAX_MESSAGE]
    return None


def _references(schema: _Json) -> Iterator[str]:
    """Yield every `$ref`; one in an example or a default is looked up for nothing, and seldom missed."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _explain(error: ValidationError) -> list[FieldError]:
    """Say which field is wrong: for what is missing or too much, the field itself and not its parent."""
    path = ".".join(["inputs", *(str(step) for step in error.absolute_path)])
    schema = cast("dict[str, Any]", error.schema)
    given = cast("dict[str, Any]", error.instance)  # where it is looked into: both keywords judge objects
    if error.validator == "required":
        missing = [name for name in schema["required"] if name not in given]
        return [FieldError(field=f"{path}.{name}", message="This is required.") for name in missing]
    if error.validator == "additionalProperties":
        known = sorted(schema.get("properties", {}))
        extra = [name for name in given if name not in known]
        takes = f"It takes: {', '.join(known)}." if known else "It takes no inputs."
        message = f"There is no such input. {takes}"[:MAX_MESSAGE]
        return [FieldError(field=f"{path}.{name}", message=message) for name in extra]
    return [FieldError(field=path, message=error.message[:MAX_MESSAGE])]
