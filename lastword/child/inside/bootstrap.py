"""The first file of a fork server, run by its path: `python bootstrap.py <control fd> <options>`.

It makes this very copy of lastword importable by its location, so that an interpreter which has none, or
another version, speaks the same protocol; and nothing else of lastword's own environment becomes visible
to the project, as it would if a folder of site-packages were put on PYTHONPATH.
"""

import importlib.util
import json
import os
import socket
import sys
from pathlib import Path


def _expose_lastword() -> None:
    here = Path(__file__).resolve().parent
    if sys.path and sys.path[0] and Path(sys.path[0]).resolve() == here:
        del sys.path[0]  # a script's own folder comes first, and would make its modules top-level names
    package = here.parent.parent
    spec = importlib.util.spec_from_file_location(
        "lastword", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"no lastword in {package}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["lastword"] = module
    spec.loader.exec_module(module)


def main() -> None:
    """Serve forks until the executor closes its end."""
    _expose_lastword()
    from lastword.child.inside.forkserver import serve

    options = json.loads(sys.argv[2])
    control = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(control.fileno(), False)  # noqa: FBT003  it takes no keyword
    serve(control, preload=options["preload"], forget=options["forget"])


if __name__ == "__main__":
    main()
