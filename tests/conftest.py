"""What every test shares: how Hypothesis searches, and that Ctrl-C reaches what tests start."""

import os
import signal

from hypothesis import settings

# The suite passes every time: the same examples, no clock. `HYPOTHESIS_PROFILE=search` looks for new ones,
# which takes longer than a test usually may: give pytest `--timeout 0` as well.
settings.register_profile("steady", derandomize=True, deadline=None, database=None)
settings.register_profile("search", deadline=None, max_examples=1_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

# A shell starts what it runs in the background with Ctrl-C ignored, and every program would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
