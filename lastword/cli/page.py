"""One workflow, whole, as a page of text: for `show`, and for the end of a watch."""

from datetime import datetime
from typing import Final

from rich.text import Text

from lastword.cli.words import clock, duration, error_facts, sign_of, span_s, value_text
from lastword.contracts.events import TaskProgress
from lastword.contracts.views import History, Workflow
from lastword.telemetry.inert import inert, shortened

__all__ = ["ending", "facts", "headline", "task_lines"]

KEY_WIDTH: Final = 12  # columns


def headline(workflow: Workflow, now: datetime) -> Text:
    """Return id, status and time on one line."""
    sign = sign_of(workflow)
    line = Text.assemble((inert(workflow.id), "bold"), "  ", (f"{sign.mark} {sign.label}", sign.style))
    seconds = span_s(workflow, now)
    if seconds is not None:
        doubt = "≥ " if workflow.heartbeat == "stale" else ""
        line.append(f"  {doubt}{duration(seconds)}", "dim")
    if workflow.title:
        line.append(f"  {shortened(inert(workflow.title), 80)}", "italic")
    return line


def task_lines(workflow: Workflow, now: datetime) -> list[Text]:
    """Return the tasks begun so far, each with what it took; one that was cut short took until the end."""
    if workflow.progress is None:
        return []
    until = workflow.finished_at or now
    return [_task(task, until, cut=workflow.is_terminal) for task in workflow.progress.tasks]


def facts(workflow: Workflow, history: History | None, now: datetime) -> list[Text]:
    """Return everything that is known, line by line."""
    lines = [headline(workflow, now)]

    def fact(key: str, value: object, style: str = "default") -> None:
        if value not in {None, ""}:
            lines.append(Text.assemble((f"  {key:<{KEY_WIDTH}}", "dim"), (inert(str(value)), style)))

    fact("definition", workflow.definition)
    fact("created", clock(workflow.created_at, now))
    fact("started", workflow.started_at and clock(workflow.started_at, now))
    fact("finished", workflow.finished_at and clock(workflow.finished_at, now))
    if workflow.heartbeat is not None:
        style = "yellow" if workflow.heartbeat == "stale" else "default"
        fact("heartbeat", f"{workflow.heartbeat}, last at {clock(workflow.last_heartbeat_at, now)}", style)
    fact("executor", workflow.executor)
    fact("started by", workflow.started_by)
    fact("retry of", workflow.retry_of)
    fact("waiting for", workflow.waiting_for, "magenta")
    fact("deadline", workflow.deadline_s and duration(workflow.deadline_s))
    if workflow.usage is not None:
        usage = workflow.usage
        fact("tokens", f"{usage.total_tokens} in {usage.calls} call{'' if usage.calls == 1 else 's'}")
    if workflow.inputs:
        lines.append(Text("  inputs", "dim"))
        lines += [_indented(f"{inert(name)}: {value_text(value)}") for name, value in workflow.inputs.items()]
    if workflow.progress is not None and workflow.progress.tasks:
        total = "" if workflow.progress.total is None else f" of {workflow.progress.total}"
        lines.append(Text(f"  tasks ({workflow.progress.done}{total} done)", "dim"))
        lines += [Text("  ").append_text(line) for line in task_lines(workflow, now)]
    if history is not None:
        lines.append(Text("  history", "dim"))
        for item in history.items:
            words = f"{clock(item.at, now)}  {item.status:<10}  {inert(item.cause)} by {inert(item.actor)}"
            lines.append(_indented(words))
    return lines + ending(workflow)


def ending(workflow: Workflow) -> list[Text]:
    """Return how it ended: the result with its warnings, or the error; nothing while it has not."""
    lines = [Text.assemble(("  warning  ", "yellow"), inert(warning)) for warning in workflow.warnings]
    if workflow.error is not None:
        error = workflow.error
        lines.append(Text.assemble((f"  {error_facts(error)}", "red"), f": {inert(error.message)}"))
        for text in (error.traceback, error.output):
            if text:
                lines += [_indented(inert(text.rstrip(), keep_lines=True))]
    if workflow.result_ref is not None:
        lines.append(
            Text(f"  result of {workflow.result_ref.size} bytes: `lastword show {workflow.id} --result`")
        )
    elif workflow.status == "success" and workflow.result is not None:
        lines += [Text("  result", "dim"), _indented(value_text(workflow.result))]
    return lines


def _task(task: TaskProgress, until: datetime, *, cut: bool) -> Text:
    mark, style = ("✓", "green") if task.finished_at else ("–", "dim") if cut else ("●", "blue")  # noqa: RUF001  a dash
    line = Text.assemble((f"  {mark} ", style), shortened(inert(task.label), 100))
    if task.started_at is not None:
        spent = ((task.finished_at or until) - task.started_at).total_seconds()
        line.append(f"  {duration(spent)}", "dim")
    return line


def _indented(text: str) -> Text:
    return Text("\n".join(f"    {row}" for row in text.split("\n")))
