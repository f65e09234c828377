"""The edge and what it sees: readiness, executors that beat or are silent, definitions that nobody serves."""

from collections.abc import AsyncIterator

from lastword import __version__
from lastword.cli.checks.findings import Finding, fail, fine, skip, warn
from lastword.cli.client import EdgeClient
from lastword.cli.errors import CommandFailed, Refused, Unreachable
from lastword.contracts.messages import Definition
from lastword.contracts.views import ExecutorView

__all__ = ["examine_edge"]


async def examine_edge(client: EdgeClient) -> AsyncIterator[Finding]:
    """Ask the edge for what it sees."""
    try:
        await client.ready()
    except Unreachable as error:
        yield skip("edge", str(error), "Name one by --url or LASTWORD_URL, or start one.")
        return
    except Refused as error:
        yield fail("edge", f"{client.address.shown} is not ready: {error}")
        return
    try:
        config = await client.config()
        executors = (await client.executors()).value.items
        definitions = (await client.definitions()).value.items
        summary = await client.summary()
    except CommandFailed as error:
        yield fail("edge", f"{client.address.shown} answers: {error}", " ".join(error.hints) or None)
        return
    yield fine("edge", f"{client.address.shown} is ready, version {config.version}")
    if client.address.is_guess:
        remedy = "Start this folder's with `lastword up`, or name the one that you mean by --url."
        yield warn("edge", f"{client.address.shown} is not this folder's, where nothing runs", remedy)
    if config.version != __version__:
        remedy = "Upgrade in the order of docs/how-to/deploy.md; older and newer work side by side."
        yield warn("versions", f"the edge is version {config.version}, this is {__version__}", remedy)
    for finding in (*_executors(executors), *_definitions(definitions, executors)):
        yield finding
    if summary.stale:
        remedy = "`lastword list` shows them; `lastword reconcile` asks after one now."
        yield warn("heartbeats", f"{summary.stale} workflows have a stale heartbeat", remedy)


def _executors(executors: tuple[ExecutorView, ...]) -> list[Finding]:
    living = [one for one in executors if one.state in {"serving", "draining"}]
    found = [
        warn(
            "executor",
            f"{one.executor} on {one.host} has been silent since {one.last_beat_at}",
            "See whether it runs, and whether it reaches NATS.",
        )
        for one in executors
        if one.state == "silent"
    ]
    if living:
        busy, slots = sum(len(one.running) for one in living), sum(one.slots for one in living)
        found.append(fine("executors", f"{len(living)} beating, {busy} of {slots} slots taken"))
    else:
        found.append(fail("executors", "none beats", "Start one: `lastword run executor`."))
    return found


def _definitions(definitions: tuple[Definition, ...], executors: tuple[ExecutorView, ...]) -> list[Finding]:
    served = {name for one in executors if one.state == "serving" for name in one.definitions}
    found: list[Finding] = []
    for definition in definitions:
        if definition.kind == "broken":
            text = f"{definition.name} cannot be loaded by {definition.announced_by}: {definition.error}"
            found.append(fail("definition", text, "Mend it, and restart its executor."))
        elif definition.name not in served:
            text = f"no executor serves {definition.name}: what is started of it waits"
            found.append(warn("definition", text, "Start an executor whose lastword.toml declares it."))
    return found
