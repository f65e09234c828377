"""`lastword run`: one role in this process, for real deployments."""

import asyncio
import os
import sys
from pathlib import Path

import click

from lastword.settings import BadSetting, read_settings
from lastword.wiring import roles
from lastword.wiring.process import run_role

__all__ = ["run"]


@click.command(short_help="Run one role, for real deployments.")
@click.argument("role", type=click.Choice(roles.ROLES))
def run(role: roles.Role) -> None:
    """Run one role until SIGTERM, Ctrl-C or the terminal's end.

    It connects to LASTWORD_BUS__URL, or to the embedded server of the data folder where one runs.
    """
    try:
        settings = read_settings(os.environ, Path.cwd())
    except BadSetting as error:
        click.echo(f"lastword: {error}", err=True)
        sys.exit(1)

    async def work(stop: asyncio.Event) -> None:
        match role:
            case "supervisor":
                await roles.run_supervisor(settings, stop)
            case "auditor":
                await roles.run_auditor(settings, stop)
            case "executor":
                await roles.run_executor(settings, stop)
            case "edge":
                await roles.run_edge(settings, stop)

    sys.exit(run_role(role, settings, work))
