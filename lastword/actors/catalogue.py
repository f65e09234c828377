"""The catalogue: what can be started, as executors have announced it, and whether inputs fit."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import structlog
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from lastword.bus import Bus, Follower, Heard
from lastword.contracts import subjects
from lastword.contracts.messages import Definition, FieldError

__all__ = ["Catalogue"]

log = structlog.get_logger(__name__)


class Catalogue:
    """Follows the definitions' stream."""

    def __init__(self) -> None:
        self._known: dict[str, Definition] = {}
        self._validators: dict[str, Draft202012Validator] = {}
        self._decoder = msgspec.json.Decoder(Definition)

    @asynccontextmanager
    async def open(self, bus: Bus) -> AsyncGenerator[None, None]:
        """Follow until the block is left; what is announced already is known when it is entered."""
        follower = Follower(
            bus,
            stream=subjects.DEFINITION_STREAM,
            subject=subjects.definition(),
            deliver=self._hear,
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

    def define(self, definition: Definition) -> None:
        """Take a definition in, instead of an older one of the same name."""
        self._known[definition.name] = definition
        self._validators.pop(definition.name, None)

    def check(self, definition: Definition, inputs: dict[str, Any]) -> tuple[FieldError, ...]:
        """Return what is wrong with the inputs, field by field; nothing where they fit the schema."""
        validator = self._validators.get(definition.name)
        if validator is None:
            validator = self._validators[definition.name] = Draft202012Validator(definition.input_schema)
        found: dict[tuple[str, str], FieldError] = {}
        for error in validator.iter_errors(inputs):
            for one in _explain(error):
                found[one.field, one.message] = one
        return tuple(sorted(found.values(), key=lambda one: one.field))[:50]

    def _hear(self, heard: Heard) -> None:
        if not heard.data:
            self._known.pop(subjects.last_token(heard.subject), None)
            return
        try:
            self.define(self._decoder.decode(heard.data))
        except msgspec.DecodeError as error:
            log.warning("definition.unreadable", subject=heard.subject, error=str(error))


def _explain(error: ValidationError) -> list[FieldError]:
    """Say which field is wrong: for what is missing or too much, the field itself and not its parent."""
    path = ".".join(["inputs", *(str(step) for step in error.absolute_path)])
    instance: Any = error.instance
    if error.validator == "required" and isinstance(instance, dict):
        missing = [name for name in error.validator_value if name not in instance]
        return [FieldError(field=f"{path}.{name}", message="This is required.") for name in missing]
    if error.validator == "additionalProperties" and isinstance(instance, dict):
        known = sorted(error.schema.get("properties", {}))
        extra = [name for name in instance if name not in known]
        takes = f"It takes: {', '.join(known)}." if known else "It takes no inputs."
        return [
            FieldError(field=f"{path}.{name}", message=f"There is no such input. {takes}") for name in extra
        ]
    return [FieldError(field=path, message=error.message[:500])]
