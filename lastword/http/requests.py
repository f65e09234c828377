"""What clients ask, read into Structs; what cannot be read is refused, naming the culprit."""

import difflib
import re
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from msgspec import Meta, Struct

from lastword.contracts.events import Instant
from lastword.contracts.messages import FieldError
from lastword.contracts.statuses import ErrorCode, Status
from lastword.http.filters import Filter
from lastword.http.problems import refuse
from lastword.storage import Sort, WorkflowQuery

__all__ = [
    "KEY_LENGTH",
    "KEY_PATTERN",
    "AfterQuery",
    "CancelRequest",
    "ListQuery",
    "LogsQuery",
    "NoQuery",
    "ResumeQuery",
    "StreamQuery",
    "idempotency_key",
    "parse_query",
    "read_body",
    "read_query",
]

T = TypeVar("T", bound=Struct)
Named = Annotated[str, Meta(max_length=200)]
Cursor = Annotated[str, Meta(max_length=512)]
Place = Annotated[str, Meta(max_length=64)]
Counted = Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")]
Order = Literal[
    "created_at",
    "-created_at",
    "updated_at",
    "-updated_at",
    "started_at",
    "-started_at",
    "finished_at",
    "-finished_at",
    "definition",
    "-definition",
    "status",
    "-status",
    "executor",
    "-executor",
]
KEY_LENGTH: Final = 255  # characters of an idempotency key
KEY_PATTERN: Final = r"^[!-~]([ -~]*[!-~])?$"
"""Printable ASCII; spaces at the ends are no part of a header's value."""
NUMBERS: Final = frozenset({"limit"})
"""Parameters that are numbers: all else is read as it is written, so that `until=5` is no time."""
MAX_ERRORS: Final = 16  # culprits that are named
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")
_PATH: Final = re.compile(r" - at `\$?\.?(?P<path>[^`]*)`$")
_UNKNOWN: Final = re.compile(r"unknown field `(?P<name>[^`]*)`")


class NoQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No parameters."""


class AfterQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a read that must not be older than what the client knows."""

    after: Annotated[
        Place | None,
        Meta(description="A position that the answer must not be older than, or `<epoch>:<position>`."),
    ] = None


class ResumeQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a stream that goes on from where another has ended."""

    after: Annotated[
        Place | None,
        Meta(description="Resume after this position, or `<epoch>:<position>`; of output, this `cursor`."),
    ] = None


class ListQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of the list."""

    status: Annotated[
        tuple[Status, ...], Meta(description="Only these statuses; repeated, or separated by commas.")
    ] = ()
    definition: Annotated[
        tuple[Named, ...], Meta(description="Only these definitions; repeated, or separated by commas.")
    ] = ()
    error: Annotated[
        tuple[ErrorCode, ...],
        Meta(description="Only those that failed for these reasons; repeated, or separated by commas."),
    ] = ()
    q: Annotated[
        Named | None, Meta(description="Part of the id, title, definition, executor or error, in any case.")
    ] = None
    since: Annotated[Instant | None, Meta(description="Created at or after this time.")] = None
    until: Annotated[Instant | None, Meta(description="Created before this time.")] = None
    executor: Annotated[Named | None, Meta(description="Only those that this executor took.")] = None
    started_by: Annotated[
        Named | None, Meta(description="Only those that this person or program started.")
    ] = None
    retry_of: Annotated[Named | None, Meta(description="Only retries of this workflow.")] = None
    sort: Annotated[Order, Meta(description="What to sort by; with `-` before it, descending.")] = (
        "-created_at"
    )
    limit: Annotated[int, Meta(ge=1, le=200, description="How many workflows at most.")] = 50
    cursor: Annotated[Cursor | None, Meta(description="`next_cursor` of the page before.")] = None
    after: Annotated[Place | None, Meta(description="A position that the list must not be older than.")] = (
        None
    )

    @property
    def stored(self) -> WorkflowQuery:
        """The query for the database."""
        return WorkflowQuery(
            status=frozenset(self.status),
            definition=frozenset(self.definition),
            error=frozenset(self.error),
            q=self.q,
            since=self.since,
            until=self.until,
            retry_of=self.retry_of,
            started_by=self.started_by,
            executor=self.executor,
            sort=Sort(self.sort.removeprefix("-")),
            descending=self.sort.startswith("-"),
            limit=self.limit,
            cursor=self.cursor,
        )


class StreamQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a stream of many workflows: either `ids`, or a filter."""

    ids: Annotated[
        tuple[Annotated[str, Meta(extra_json_schema={"pattern": "^[A-Za-z0-9_-]{0,64}$"})], ...] | None,
        Meta(description="The workflows; repeated, or separated by commas. Excludes a filter."),
    ] = None
    status: Annotated[tuple[Status, ...], Meta(description="Filter: only these statuses.")] = ()
    definition: Annotated[Named | None, Meta(description="Filter: only this definition.")] = None
    q: Annotated[Named | None, Meta(description="Filter: part of the id, the title or the definition.")] = (
        None
    )
    executor: Annotated[Named | None, Meta(description="Filter: only those that this executor took.")] = None
    retry_of: Annotated[Named | None, Meta(description="Filter: only retries of this workflow.")] = None
    after: Annotated[
        Place | None, Meta(description="Resume after this position, or `<epoch>:<position>`.")
    ] = None

    @property
    def filter(self) -> Filter:
        """The filter; an empty one shows everything."""
        return Filter(
            statuses=frozenset(self.status),
            definition=self.definition,
            q=self.q,
            executor=self.executor,
            retry_of=self.retry_of,
        )


class LogsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a workflow's output."""

    cursor: Annotated[Counted | None, Meta(description="`next_cursor` of the page before.")] = None
    limit: Annotated[
        int, Meta(ge=1, le=1000, description="How many messages at most; each has one or more lines.")
    ] = 200


class CancelRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /workflows/{id}/cancel`; may be left out."""

    by: Annotated[str, Meta(max_length=200)] | None = None
    """Who asks, for the record."""


def read_query(request: Request[Any, Any, Any], shape: type[T]) -> T:
    """Return the query as `shape`; raise the refusal `invalid_parameter` naming each culprit."""
    query: bytes = request.scope["query_string"]
    return parse_query(parse_qsl(query.decode("latin-1"), keep_blank_values=True), shape)


def parse_query(pairs: Iterable[tuple[str, str]], shape: type[T]) -> T:
    """Return name and value pairs as `shape`; raise the refusal `invalid_parameter`."""
    fields = shape.__struct_fields__
    defaults = dict(zip(fields[::-1], shape.__struct_defaults__[::-1], strict=False))
    raw: dict[str, Any] = {}
    errors: list[FieldError] = []
    for name, value in pairs:
        if len(errors) == MAX_ERRORS:
            break
        if name not in fields:
            near: list[str] = difflib.get_close_matches(name[:64], fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(fields) or 'none'}"
            errors.append(FieldError(field=name[:64], message=f"no such parameter; {hint}"))
        elif isinstance(defaults[name], tuple) or name == "ids":
            raw.setdefault(name, []).extend(part for part in value.split(",") if part)
        elif name in raw:
            errors.append(FieldError(field=name, message="given twice"))
        elif name in NUMBERS and _NUMBER.fullmatch(value):
            raw[name] = int(value)
        else:
            raw[name] = value
    for name, value in raw.items():
        try:  # one at a time, so that each culprit is named
            msgspec.convert({name: value}, shape)
        except msgspec.ValidationError as error:
            errors.append(_field_error(error, name))
    if errors:
        detail = "; ".join(f"{error.field}: {error.message}" for error in errors)
        raise refuse("invalid_parameter", detail, errors=tuple(errors))
    return msgspec.convert(raw, shape)


async def read_body(request: Request[Any, Any, Any], shape: type[T], *, optional: bool = False) -> T:
    """Return the body as `shape`; raise `unsupported_media_type`, `malformed_json` or `invalid_request`."""
    body = await request.body()
    if not body and optional:
        return shape()
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise refuse("unsupported_media_type", f"Send application/json, not {kind[:80]}.")
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        problem = _field_error(error)
        raise refuse(
            "invalid_request", f"{problem.field or 'The body'}: {problem.message}", errors=(problem,)
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise refuse("malformed_json", str(error)) from error


def idempotency_key(request: Request[Any, Any, Any]) -> str | None:
    """Return the key under which a request may be repeated; raise `invalid_parameter` where it is none."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if len(key) > KEY_LENGTH or not re.fullmatch(KEY_PATTERN, key):
        error = FieldError(field="Idempotency-Key", message=f"1 to {KEY_LENGTH} printable ASCII characters")
        raise refuse("invalid_parameter", f"{error.field}: {error.message}", errors=(error,))
    return key


def _field_error(error: msgspec.ValidationError, name: str = "") -> FieldError:
    text = str(error)
    found = _PATH.search(text)
    path = found["path"] if found else name
    message = text[: found.start()] if found else text
    unknown = _UNKNOWN.search(message)
    if unknown:
        path = f"{path}.{unknown['name']}".lstrip(".")
    return FieldError(field=name or path, message=message)
