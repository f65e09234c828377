"""The queues of jobs, under the users who make them and take from them."""

import asyncio

import pytest

from lastword.actors.queues import job_queue
from lastword.bus import Bus, Unavailable
from lastword.contracts import subjects
from tests.integration.servers import NatsServer


async def test_executors_take_from_queues_that_supervisors_make(nats_server: NatsServer, bus: Bus) -> None:
    """An executor waits until the queue is there, and cannot make one itself."""
    async with nats_server.open("supervisor") as supervisor, nats_server.open("executor") as executor:
        await supervisor.store(subjects.job("triage"), b"work")
        queue = job_queue(executor, "triage", made_elsewhere=True)
        with pytest.raises(Unavailable):
            await queue.ensure()

        async def take() -> bytes:
            async for delivered in queue:
                await delivered.ack()
                return delivered.data
            raise AssertionError

        taking = asyncio.create_task(take())
        await job_queue(supervisor, "triage").ensure()
        async with asyncio.timeout(20):
            assert b"work" == await taking
        with pytest.raises(Unavailable):
            await job_queue(executor, "another").ensure()
