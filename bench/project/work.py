"""What the measurements run."""

import os
import time

import lastword


def instant() -> float:
    """Say when the first line of the work ran."""
    return time.time()


def failing() -> None:
    """Raise."""
    raise ValueError("measured")


def parked() -> None:
    """Say which process this is, and wait to be killed."""
    lastword.progress(0, 1, str(os.getpid()))
    time.sleep(600)
