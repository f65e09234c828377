"""The queues of jobs: one durable consumer a definition, shared by all executors that serve it.

Supervisors make them and executors take from them.  Whoever may create a consumer may have its messages
delivered under any subject, the log's included, and executors run other people's code (see
`contracts.permissions`).
"""

from lastword.bus import Bus, PullConsumer
from lastword.contracts import subjects

__all__ = ["job_queue"]


def job_queue(bus: Bus, definition: str, *, made_elsewhere: bool = False) -> PullConsumer:
    """Return the consumer of a definition's jobs."""
    return PullConsumer(
        bus,
        stream=subjects.JOB_STREAM,
        durable=f"job-{definition}",
        subject=subjects.job(definition),
        batch=1,
        made_elsewhere=made_elsewhere,
    )
