"""`lastword canary`: check from outside, again and again, that what clients are told is true."""

import asyncio
import signal
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import click
import structlog

from lastword.cli.errors import BadUsage
from lastword.cli.exits import Exit
from lastword.cli.options import edge_options
from lastword.cli.session import Session
from lastword.telemetry.canary import ENDINGS, WIRES, CanaryMetrics, Ending, Wire

__all__ = ["canary"]

log = structlog.get_logger(__name__)


@click.command(short_help="Check from outside that clients are told the truth.")
@click.option("--interval", type=click.FloatRange(min=1), default=60.0, show_default=True, metavar="SECONDS")
@click.option(
    "--listen",
    "address",
    default="127.0.0.1:9484",
    show_default=True,
    metavar="HOST:PORT",
    help="Where Prometheus finds its metrics, at /metrics.",
)
@click.option("--definition", default="canary", show_default=True, help="What to start.")
@click.option(
    "--late",
    "late_s",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How late an end may be told, the time that the start took included.",
)
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(min=0.1),
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for a workflow to be run, and for its end to be told.",
)
@click.option(
    "--wire",
    "wires",
    type=click.Choice(WIRES),
    multiple=True,
    default=WIRES,
    help="What to watch over. Default: ws and sse in turn; name one where the other is turned off.",
)
@click.option(
    "--once", is_flag=True, help="Try each ending over each wire once; exit 1 unless all were told."
)
@edge_options
def canary(
    session: Session, *, interval: float, address: str, wires: tuple[Wire, ...], once: bool, **song: Any
) -> Exit:
    """Start a tiny workflow every minute, watch it, end it, and compare what was told with what was.

    It is a client like any other, and shares nothing with the server: run it where your users are, with an
    operator's token. An executor must serve its workflow: `[workflows.canary]` with
    `run = "lastword.examples.canary:sing"`.
    """
    from prometheus_client import CollectorRegistry

    from lastword.settings import LogSettings
    from lastword.telemetry.logs import configure_logs

    close_logs = configure_logs(LogSettings(), "canary")
    registry = CollectorRegistry()
    metrics = CanaryMetrics(registry, interval_s=interval)
    songs: list[tuple[Ending, Wire]] = [(ending, wire) for wire in wires for ending in ENDINGS]
    try:
        if once:
            all_were_told = asyncio.run(_sing(session, iter(songs), metrics, 0.0, song))
            return Exit.SUCCESS if all_were_told else Exit.FAILED
        _serve(address, registry)
        asyncio.run(_sing(session, cycle(songs), metrics, interval, song))
        return Exit.SUCCESS
    finally:
        close_logs()


async def _sing(
    session: Session,
    songs: Iterator[tuple[Ending, Wire]],
    metrics: CanaryMetrics,
    interval_s: float,
    given: dict[str, Any],
) -> bool:
    """Sing, a song every `interval_s`, until all are sung or a signal comes; say whether all were told."""
    from lastword.cli.singing import Song

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sent in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sent, stop.set)
    all_were_told = True
    async with session.announced() as client:
        for ending, wire in songs:
            began_s = loop.time()
            singing = asyncio.create_task(Song(client, ending, wire, **given).sing(), name="song")
            stopping = asyncio.create_task(stop.wait(), name="stop")
            await asyncio.wait({singing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not singing.done():
                singing.cancel()
                await asyncio.wait({singing})
                break
            sung = singing.result()
            metrics.ran(ending, wire, sung.outcome, sung.lag_s)
            all_were_told = all_were_told and sung.outcome == "told"
            (log.info if sung.outcome == "told" else log.warning)(
                "canary.sang",
                ending=ending,
                wire=wire,
                outcome=sung.outcome,
                why=sung.why,
                workflow=sung.workflow_id,
                lag_s=None if sung.lag_s is None else round(sung.lag_s, 3),
            )
            try:
                async with asyncio.timeout(max(0.0, began_s + interval_s - loop.time())):
                    await stop.wait()
                break
            except TimeoutError:
                continue
    return all_were_told


def _serve(address: str, registry: Any) -> None:
    from prometheus_client import start_http_server

    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit()):
        raise BadUsage(f"--listen takes HOST:PORT, not {address!r}")
    try:
        start_http_server(int(port), host.strip("[]"), registry)
    except OSError as error:
        raise BadUsage(f"--listen {address}: {error.strerror}") from error
