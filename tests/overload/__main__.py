"""`python -m tests.overload [ordeal ...]`: play them in full, and print the table."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.overload.ordeals import ORDEALS
from tests.overload.stage import open_stage
from tests.overload.table import HEAD, RULE, row


def main() -> int:
    """Return 1 where anything was that must not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.overload", description=__doc__)
    parser.add_argument("ordeals", nargs="*", help=f"of {', '.join(ORDEALS)}; all by default")
    parser.add_argument("--share", type=float, default=1.0, help="of the full size")
    asked = parser.parse_args()
    faults = 0
    temporary = tempfile.TemporaryDirectory(prefix="overload-", ignore_cleanup_errors=True)
    with temporary as folder, open_stage(Path(folder)) as stage:
        print(f"{HEAD}\n{RULE}", flush=True)
        for name in asked.ordeals or ORDEALS:
            outcome = ORDEALS[name](stage, asked.share)
            print(row(outcome), flush=True)
            for fault in outcome.faults:
                print(f"FAULT {name}: {fault}", file=sys.stderr, flush=True)
            faults += len(outcome.faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
