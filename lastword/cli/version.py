"""`lastword version`."""

import platform

import click
import msgspec

from lastword import __version__
from lastword.cli.exits import Exit
from lastword.cli.session import Session

__all__ = ["version"]


@click.command(short_help="Show the version.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.pass_obj
def version(session: Session, /, *, as_json: bool) -> Exit:
    """Show the version of lastword and of Python."""
    told = {"lastword": __version__, "python": platform.python_version()}
    if as_json:
        session.document(msgspec.json.encode(told))
    else:
        session.out.print(f"lastword {told['lastword']} (Python {told['python']})")
    return Exit.SUCCESS
