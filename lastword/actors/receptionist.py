"""The receptionist: answers the commands that change a status: `start`, `claim`, `cancel`.

Each answer tells how the workflow stands in the log, after the command and whether or not it changed
anything; the command is carried out (appended) before it is answered.
"""

import hashlib
from datetime import UTC
from typing import Final

import msgspec

from lastword.actors.catalogue import Catalogue
from lastword.actors.registrar import Registrar
from lastword.contracts.events import CancelRequested, Claimed, Submitted
from lastword.contracts.ids import id_for_key, is_token, new_event_id, new_workflow_id
from lastword.contracts.messages import Accepted, Cancel, Claim, Definition, FieldError, Problem, Reply, Start
from lastword.contracts.moves import IllegalMove, Refusal
from lastword.contracts.nesting import MAX_NESTING, nesting_of
from lastword.contracts.records import Entry
from lastword.contracts.statuses import Status
from lastword.telemetry.metrics import Metrics, Verb

__all__ = ["Receptionist"]

MAX_KEY: Final = 255  # characters of an idempotency key
MAX_TITLE: Final = 200  # characters
TOO_DEEP: Final = f"They are nested more than {MAX_NESTING} levels deep."
MAX_NAME: Final = 200  # characters of whoever asks; it stands in every record


class Receptionist:
    """Turns commands into events."""

    def __init__(
        self, registrar: Registrar, catalogue: Catalogue, metrics: Metrics, *, max_inputs_bytes: int
    ) -> None:
        self._registrar = registrar
        self._catalogue = catalogue
        self._metrics = metrics
        self._max_inputs_bytes = max_inputs_bytes

    async def start(self, command: Start) -> Reply:
        """Make a workflow, or return the one that the idempotency key already stands for."""
        definition = self._catalogue.find(command.definition)
        if definition is None:
            return self._refuse("start", _unknown_definition(command.definition, self._catalogue.names))
        problem = self._objection(command, definition)
        if problem is not None:
            return self._refuse("start", problem)
        caller = command.started_by or ""
        fingerprint = _fingerprint(command) if command.idempotency_key is not None else None
        event = Submitted(
            definition=definition.name,
            inputs=command.inputs,
            title=command.title,
            started_by=command.started_by,
            retry_of=command.retry_of,
            deadline_s=definition.deadline_s,
            queue_timeout_s=definition.queue_timeout_s,
            fingerprint=fingerprint,
        )
        while True:
            if command.idempotency_key is None:
                workflow_id = new_workflow_id(definition.name)
            else:
                workflow_id = id_for_key(definition.name, caller, command.idempotency_key)
            try:
                entry = await self._registrar.accept(
                    workflow_id, event, event_id=new_event_id(), actor=caller or "anonymous"
                )
            except IllegalMove:  # the id is taken
                if command.idempotency_key is None:
                    continue  # by chance, once in 10^12: draw again
                return await self._repeated(workflow_id, fingerprint)
            return self._done("start", entry, created=True)

    async def claim(self, command: Claim) -> Reply:
        """Give the lease of a pending workflow to an executor, or say why not."""
        try:
            entry = await self._registrar.accept(
                command.id,
                Claimed(executor=command.executor),
                event_id=command.event_id,
                actor=command.executor,
            )
        except IllegalMove as refusal:
            return self._refuse("claim", await self._why_not(command.id, refusal, "claimed"))
        return self._done("claim", entry, created=True)

    async def cancel(self, command: Cancel) -> Reply:
        """Ask a workflow to end. One that is `cancelling` already is answered as it stands."""
        if not is_token(command.id):
            return self._refuse("cancel", _unknown_workflow(command.id))
        if command.by is not None and len(command.by) > MAX_NAME:
            return self._refuse("cancel", _bad_name("by", command.by))
        actor = command.by or "anonymous"
        try:
            entry = await self._registrar.accept(
                command.id, CancelRequested(by=command.by), event_id=new_event_id(), actor=actor
            )
        except IllegalMove as refusal:
            if refusal.status is Status.CANCELLING:
                standing = await self._registrar.standing(command.id)
                if standing is not None and not standing.record.status.is_terminal:
                    return self._done("cancel", standing, created=False)
            return self._refuse("cancel", await self._why_not(command.id, refusal, "cancelled"))
        return self._done("cancel", entry, created=True)

    def _objection(self, command: Start, definition: Definition) -> Problem | None:
        """Return what is wrong with a start, before anything is written."""
        if definition.kind == "broken":
            return Problem(
                status=409,
                code="broken_definition",
                title="The definition cannot be loaded",
                detail=f"{definition.name} ({definition.source}): {definition.error}. "
                "Mend it and restart its executor.",
            )
        text = msgspec.json.encode(command.inputs)
        size = len(text)
        if size > self._max_inputs_bytes:
            return Problem(
                status=413,
                code="inputs_too_large",
                title="The inputs are too large",
                detail=f"They have {size} bytes as JSON; at most {self._max_inputs_bytes} are taken. "
                "Store what is large elsewhere and pass where it is.",
            )
        if nesting_of(text) > MAX_NESTING:
            return _invalid((FieldError(field="inputs", message=TOO_DEEP),))
        problem = _misshapen(command)
        if problem is not None:
            return problem
        errors = self._catalogue.check(definition, command.inputs)
        return _invalid(errors) if errors else None

    async def _repeated(self, workflow_id: str, fingerprint: str | None) -> Reply:
        """Answer a key that was used before: with its workflow, unless the request was another."""
        standing = await self._registrar.standing(workflow_id)
        if standing is None or standing.record.fingerprint != fingerprint:
            problem = Problem(
                status=409,
                code="idempotency_conflict",
                title="The idempotency key was used for another request",
                detail=f"It stands for {workflow_id}, with other inputs. Use a new key for a new request.",
            )
            return self._refuse("start", problem)
        return self._done("start", standing, created=False)

    async def _why_not(self, workflow_id: str, refusal: IllegalMove, what: str) -> Problem:
        standing = await self._registrar.standing(workflow_id)
        if standing is None or refusal.reason is Refusal.UNKNOWN:
            return _unknown_workflow(workflow_id)
        record = standing.record
        if record.status.is_terminal:
            ended = (record.finished_at or record.at).astimezone(UTC)  # its executor's host wrote it
            return Problem(
                status=409,
                code="already_terminal",
                title="The workflow has ended",
                detail=f"{workflow_id} ended already: {record.status} at {ended:%Y-%m-%dT%H:%M:%S.%fZ}. "
                f"Nothing was {what}.",
                workflow=record,
                position=standing.position,
            )
        return Problem(
            status=409,
            code="not_possible_now",
            title="The workflow's status does not allow this",
            detail=f"{workflow_id} is {record.status}; it cannot be {what} now.",
            workflow=record,
            position=standing.position,
        )

    def _done(self, verb: Verb, entry: Entry, *, created: bool) -> Reply:
        self._metrics.command(verb, "accepted" if created else "repeated")
        return Reply(
            accepted=Accepted(
                position=entry.position, stored_at=entry.stored_at, record=entry.record, created=created
            )
        )

    def _refuse(self, verb: Verb, problem: Problem) -> Reply:
        self._metrics.command(verb, "refused")
        return Reply(problem=problem)


def _fingerprint(command: Start) -> str:
    """Return a digest of what the request asks for; the same for the same JSON, whatever its order."""
    asked = (command.definition, command.inputs, command.title, command.retry_of)
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()[:32]


def _unknown_definition(name: str, known: tuple[str, ...]) -> Problem:
    listed = ", ".join(known) if known else "none yet: is an executor running?"
    return Problem(
        status=404,
        code="unknown_definition",
        title="There is no such definition",
        detail=f"{name[:80]!r} is not defined. Known: {listed}",
        known=known,
    )


def _misshapen(command: Start) -> Problem | None:
    """Return what is wrong with a start besides its inputs."""
    if command.idempotency_key is not None and not 1 <= len(command.idempotency_key) <= MAX_KEY:
        return Problem(
            status=422,
            code="bad_idempotency_key",
            title="The idempotency key cannot be used",
            detail=f"It has {len(command.idempotency_key)} characters; 1 to {MAX_KEY} are taken.",
        )
    if command.title is not None and len(command.title) > MAX_TITLE:
        return Problem(
            status=422,
            code="title_too_long",
            title="The title is too long",
            detail=f"It has {len(command.title)} characters; at most {MAX_TITLE} are taken.",
        )
    if command.started_by is not None and len(command.started_by) > MAX_NAME:
        return _bad_name("started_by", command.started_by)
    if command.retry_of is not None and not is_token(command.retry_of):
        # It would make a record that no one could read.
        return _unknown_workflow(command.retry_of)
    return None


def _invalid(errors: tuple[FieldError, ...]) -> Problem:
    return Problem(
        status=422,
        code="invalid_inputs",
        title="The inputs do not fit the definition",
        detail="; ".join(f"{error.field}: {error.message}" for error in errors[:5]),
        errors=errors,
    )


def _bad_name(field: str, name: str) -> Problem:
    message = f"It has {len(name)} characters; at most {MAX_NAME} are taken."
    return Problem(
        status=422,
        code="name_too_long",
        title="The name of who asks is too long",
        detail=f"{field}: {message}",
        errors=(FieldError(field=field, message=message),),
    )


def _unknown_workflow(workflow_id: str) -> Problem:
    return Problem(
        status=404,
        code="unknown_workflow",
        title="There is no such workflow",
        detail=f"No workflow has the id {workflow_id[:80]!r}.",
    )
