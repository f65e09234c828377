"""The courier: delivers an executor's final reports, however long that takes.

A report goes to the stream at once.  When that fails it is written to disk first (synced, renamed into
place) and then tried until the server acknowledges it; what an earlier process of this host left behind is
delivered at the start.  A repetition is harmless: the stream knows the message id for two minutes, and the
registrar knows the event for ever.
"""

import asyncio
import os
from pathlib import Path

import msgspec
import nats.js.errors
import structlog

from lastword.bus import MAX_INLINE_RESULT, Bus, Outputs, Unavailable
from lastword.bus.connection import TRANSIENT
from lastword.contracts import subjects
from lastword.contracts.events import Succeeded
from lastword.contracts.messages import Report

__all__ = ["Courier"]

log = structlog.get_logger(__name__)


class Courier:
    """Delivers reports, with an outbox on disk for bad days."""

    def __init__(self, bus: Bus, outputs: Outputs, outbox: Path) -> None:
        self._bus = bus
        self._outputs = outputs
        self._outbox = outbox
        self._decoder = msgspec.json.Decoder(Report)

    async def deliver(self, report: Report, *, patience_s: float | None = None) -> bool:
        """Deliver the report; return False where `patience_s` passed first and it stays in the outbox.

        A result of over 256 KiB goes to the bucket first, and the report carries where it lies.
        """
        loop = asyncio.get_running_loop()
        until = None if patience_s is None else loop.time() + patience_s
        kept: Path | None = None
        delay_s = 0.05
        while not await self._try(report):
            if kept is None:
                kept = await asyncio.to_thread(self._keep, report)
                log.warning("report.kept", workflow=report.id, file=kept.name)
            if until is not None and loop.time() > until:
                return False
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, 1.0)
        if kept is not None:
            kept.unlink(missing_ok=True)
            log.info("report.delivered", workflow=report.id)
        return True

    async def deliver_leftovers(self) -> None:
        """Deliver what an earlier process left in the outbox."""
        for path in sorted(self._outbox.glob("*.json")):
            try:
                report = self._decoder.decode(path.read_bytes())
            except (OSError, msgspec.DecodeError) as error:
                log.warning("report.unreadable", file=str(path), error=str(error))
                continue
            log.info("report.found", workflow=report.id, file=path.name)
            await self.deliver(report)
            path.unlink(missing_ok=True)

    async def _try(self, report: Report) -> bool:
        try:
            payload = msgspec.json.encode(await self._lightened(report))
            await self._bus.js.publish(
                subjects.report(report.id), payload, headers={"Nats-Msg-Id": report.event_id}
            )
        except (Unavailable, nats.js.errors.Error, *TRANSIENT) as error:
            log.debug("report.not_yet", workflow=report.id, error=type(error).__name__)
            return False
        return True

    async def _lightened(self, report: Report) -> Report:
        event = report.event
        if not isinstance(event, Succeeded) or event.result is None:
            return report
        result = event.result if isinstance(event.result, msgspec.Raw) else msgspec.json.encode(event.result)
        if len(bytes(result)) <= MAX_INLINE_RESULT:
            return report
        reference = await self._outputs.keep_result(report.id, event.lease, bytes(result))
        return msgspec.structs.replace(
            report, event=msgspec.structs.replace(event, result=None, result_ref=reference)
        )

    def _keep(self, report: Report) -> Path:
        """Write the report so that it survives this process and, once written, the host's power."""
        self._outbox.mkdir(parents=True, exist_ok=True)
        path = self._outbox / f"{report.event_id}.json"
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(msgspec.json.encode(report))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        return path
