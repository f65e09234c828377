"""Never finishes its import."""

import time

time.sleep(600)


def work() -> None:
    """Never come to this."""
