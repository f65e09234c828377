"""What each field of a contract means: the string below it, as the schemas show it.

Python keeps no docstrings of fields, so they are read from the source, once; where that is not there (a
frozen program) the schemas have types and no words.
"""

import ast
import inspect
from collections.abc import Iterable, Iterator
from functools import cache
from types import ModuleType
from typing import Any

import msgspec
from msgspec import Struct
from msgspec import inspect as types

__all__ = ["describe_fields", "field_docstrings", "structs_in"]


def field_docstrings(struct: type[Struct]) -> dict[str, str]:
    """Return the docstring of each field that has one, inherited ones included.

    >>> from lastword.contracts.frames import End, Hello
    >>> field_docstrings(Hello)["epoch"], field_docstrings(End)
    ('Names the log: after a change of epoch no position means anything.', {})
    """
    found: dict[str, str] = {}
    for ancestor in reversed(struct.__mro__):
        module = inspect.getmodule(ancestor)
        if issubclass(ancestor, Struct) and ancestor is not Struct and module is not None:
            found |= _docstrings_of(module).get(ancestor.__name__, {})
    return found


def structs_in(shapes: Iterable[Any]) -> dict[str, type[Struct]]:
    """Return every Struct that these types are made of, themselves included, by name."""
    found: dict[str, type[Struct]] = {}
    for info in types.multi_type_info(shapes):
        _collect(info, found)
    return found


def describe_fields(components: dict[str, Any], shapes: Iterable[Any]) -> None:
    """Write the docstrings into the schemas that msgspec made of `shapes`."""
    for name, struct in structs_in(shapes).items():
        schema = components[name]
        schema["description"] = inspect.cleandoc(schema.get("description", ""))
        texts = field_docstrings(struct)
        for field in msgspec.structs.fields(struct):
            if field.name in texts:
                described = schema["properties"][field.encode_name]
                described["description"] = f"{texts[field.name]} {described.get('description', '')}".rstrip()


def _collect(info: types.Type, found: dict[str, type[Struct]]) -> None:
    match info:
        case types.StructType(cls=struct, fields=fields):
            if struct.__name__ not in found:
                found[struct.__name__] = struct
                for field in fields:
                    _collect(field.type, found)
        case types.UnionType(types=parts):
            for part in parts:
                _collect(part, found)
        case (
            types.Metadata(type=inner)
            | types.DictType(value_type=inner)
            | types.VarTupleType(item_type=inner)
        ):
            _collect(inner, found)
        case _:  # plain values, of which nothing is made
            pass


@cache
def _docstrings_of(module: ModuleType) -> dict[str, dict[str, str]]:
    try:
        source = inspect.getsource(module)
    except OSError:
        return {}
    return {
        node.name: dict(_below_fields(node))
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef)
    }


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
