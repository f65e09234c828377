"""`lastword list`, `show`, `definitions` and `executors`."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
from rich.table import Table
from rich.text import Text

from lastword.cli.errors import BadUsage
from lastword.cli.exits import Exit
from lastword.cli.options import edge_options
from lastword.cli.page import facts
from lastword.cli.session import Session
from lastword.cli.words import clock, duration, inputs_of, sign_of, span_s, utc_now, value_text
from lastword.contracts.statuses import ErrorCode, Status
from lastword.contracts.views import Workflow
from lastword.telemetry.inert import inert, shortened

if TYPE_CHECKING:
    from lastword.cli.client import EdgeClient

__all__ = ["definitions", "executors", "list_", "show", "since_instant"]

_AGO: Final = re.compile(r"(\d{1,6})([smhd])")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@click.command("list", short_help="List workflows.")
@click.option(
    "--status", multiple=True, type=click.Choice([str(one) for one in Status]), help="Only these; repeatable."
)
@click.option("--definition", help="Only this definition.")
@click.option(
    "--error",
    multiple=True,
    type=click.Choice([str(one) for one in ErrorCode]),
    help="Only what failed for this; repeatable.",
)
@click.option("-q", "text", metavar="TEXT", help="Part of the id, the title or the definition.")
@click.option("--since", metavar="TIME", help="Created since: 30m, 2h, 7d, or an RFC 3339 time.")
@click.option(
    "--sort", metavar="FIELD", help="A field to sort by; -FIELD is descending. Newest first if unset."
)
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="At most so many.")
@click.option("--cursor", help="Go on after the page whose `next_cursor` this is.")
@edge_options
def list_(
    session: Session,
    status: tuple[str, ...],
    definition: str | None,
    error: tuple[str, ...],
    text: str | None,
    since: str | None,
    sort: str | None,
    limit: int,
    cursor: str | None,
) -> Exit:
    """List workflows, newest first."""
    query: dict[str, Any] = {"status": list(status), "error": list(error), "limit": limit}
    since_at = None if since is None else since_instant(since, utc_now()).isoformat()
    rest = {"definition": definition, "q": text, "since": since_at, "sort": sort, "cursor": cursor}
    query |= {name: value for name, value in rest.items() if value is not None}

    async def work(client: "EdgeClient") -> Exit:
        reading = await client.workflows(query)
        if session.as_json:
            session.document(reading.raw)
            return Exit.SUCCESS
        page = reading.value
        now = utc_now()
        rows = [_row(workflow, now) for workflow in page.items]
        _print_table(session, ("ID", "STATUS", "PROGRESS", "CREATED", "TOOK", "TITLE"), rows)
        if not rows:
            session.hint("no workflows; see what can be started with `lastword definitions`")
        if page.next_cursor is not None:
            session.hint(f"there are more: --cursor {page.next_cursor}")
        return Exit.SUCCESS

    return session.run(work)


@click.command(short_help="Show one workflow whole.")
@click.argument("workflow_id", metavar="ID")
@click.option("--result", "result_only", is_flag=True, help="Write the result alone, however large.")
@edge_options
def show(session: Session, workflow_id: str, result_only: bool) -> Exit:  # noqa: FBT001  click's way
    """Show one workflow: times, inputs, tasks, history, and its result or error."""

    async def work(client: "EdgeClient") -> Exit:
        if result_only:
            reading = await client.result(workflow_id)
            if session.as_json:
                session.document(reading.raw)
            else:
                session.out.print(Text(value_text(reading.value)))
            return Exit.SUCCESS
        found = await client.workflow(workflow_id)
        if session.as_json:
            session.document(found.raw)
            return Exit.SUCCESS
        history = (await client.history(workflow_id)).value
        for line in facts(found.value, history, utc_now()):
            session.out.print(line)
        return Exit.SUCCESS

    return session.run(work)


@click.command(short_help="List what can be started.")
@edge_options
def definitions(session: Session) -> Exit:
    """List what can be started, with its inputs; what is broken, with the error."""

    async def work(client: "EdgeClient") -> Exit:
        reading = await client.definitions()
        if session.as_json:
            session.document(reading.raw)
            return Exit.SUCCESS
        rows = [
            (
                Text(inert(one.name), "bold"),
                Text(one.kind, "red" if one.error else "default"),
                Text(
                    f"broken: {inert(one.error)}" if one.error else inputs_of(one), "red" if one.error else ""
                ),
                Text(inert(one.description)),
            )
            for one in reading.value.items
        ]
        _print_table(session, ("NAME", "KIND", "INPUTS", "DESCRIPTION"), rows)
        if not rows:
            session.hint("nothing can be started: declare [workflows.<name>] in lastword.toml")
        return Exit.SUCCESS

    return session.run(work)


@click.command(short_help="List who runs workflows.")
@edge_options
def executors(session: Session) -> Exit:
    """List the executors heard of lately, and what they run."""

    async def work(client: "EdgeClient") -> Exit:
        reading = await client.executors()
        if session.as_json:
            session.document(reading.raw)
            return Exit.SUCCESS
        now = utc_now()
        rows = [
            (
                Text(inert(one.executor), "bold"),
                Text(one.state, {"serving": "green", "silent": "yellow"}.get(one.state, "dim")),
                Text(f"{len(one.running)}/{one.slots}"),
                Text(clock(one.last_beat_at, now)),
                Text(inert(f"{one.host} ({one.pid})")),
                Text(shortened(inert(", ".join(one.definitions)), 80)),
            )
            for one in reading.value.items
        ]
        _print_table(session, ("EXECUTOR", "STATE", "RUNS", "LAST BEAT", "HOST (PID)", "SERVES"), rows)
        return Exit.SUCCESS

    return session.run(work)


def since_instant(text: str, now: datetime) -> datetime:
    """Return the moment that `30m`, `2h`, `7d` or an RFC 3339 time names; raise `BadUsage` for others."""
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return now - timedelta(seconds=int(ago[1]) * _UNIT_S[ago[2]])
        return msgspec.convert(text, datetime).astimezone(now.tzinfo)
    except (msgspec.ValidationError, OverflowError) as error:
        raise BadUsage(
            f"--since {text!r} is no time", "Write 30m, 2h, 7d or 2026-01-31T12:00:00Z."
        ) from error


def _row(workflow: Workflow, now: datetime) -> tuple[Text, ...]:
    sign = sign_of(workflow)
    seconds = span_s(workflow, now)
    progress = workflow.progress
    done = f"{progress.done}/{progress.total}" if progress is not None and progress.total else ""
    label = f"{sign.label} ({workflow.error.code})" if workflow.error is not None else sign.label
    return (
        Text(inert(workflow.id), "bold"),
        Text(f"{sign.mark} {label}", sign.style),
        Text(done),
        Text(clock(workflow.created_at, now)),
        Text("" if seconds is None else duration(seconds)),
        Text(shortened(inert(workflow.title or ""), 60)),
    )


def _print_table(session: Session, heads: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    """Print rows under their heads; where no terminal is, separated by tabs and never cut."""
    if not session.out.is_terminal:
        for cells in (heads, *([cell.plain for cell in row] for row in rows)):
            session.out.file.write("\t".join(cells) + "\n")
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, no_wrap=place == 0, overflow="fold" if place == 0 else "ellipsis")
    for row in rows:
        table.add_row(*row)
    if rows:
        session.out.print(table)
