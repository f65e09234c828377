"""`lastword health`: whether a role's process works, for the health checks of containers."""

from typing import TYPE_CHECKING

import click

from lastword.cli.edge import load_settings
from lastword.cli.exits import Exit
from lastword.cli.session import Session

if TYPE_CHECKING:
    from lastword.settings import Settings

__all__ = ["health"]


@click.command(short_help="Tell whether a role of this folder works.")
@click.argument("role", type=click.Choice(["supervisor", "auditor", "executor", "edge"]))
@click.pass_obj
def health(session: Session, /, role: str) -> Exit:
    """Tell whether the ROLE that runs here works: it can reach NATS, and does not hang.

    An edge is asked by HTTP on the address of this folder's settings. The other roles are looked up in the
    data folder, where each leaves a sign of life every other second; processes of the same role need a data
    folder each. Ends with 0 or 4, as health checks want it.
    """
    wrong = _judge(role, load_settings(session.environ, session.folder), session)
    if wrong is None:
        session.out.print(f"the {role} works")
        return Exit.SUCCESS
    session.err.print(wrong, soft_wrap=True)
    return Exit.UNREACHABLE


def _judge(role: str, settings: "Settings", session: Session) -> str | None:
    from lastword.wiring.health import ask_edge, look_at

    if role == "edge":
        return ask_edge(settings.http)
    return look_at(role, session.folder / settings.data)
