"""The canary's workflow: it ends as it is told, when it is told (see `lastword canary`)."""

import os
import signal
import time
from typing import Literal

__all__ = ["sing"]


def sing(ending: Literal["success", "killed", "cancelled"] = "success", seconds: float = 1.0) -> str:
    """Live for some seconds, then return, be killed, or live on until somebody cancels it."""
    time.sleep(seconds)
    if ending == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if ending == "cancelled":
        time.sleep(3_600)
    return "sang"
