"""The courier: delivers an executor's final reports, however long that takes.

A report goes to the stream at once.  When that fails, or there is no more time, it is written to disk
(synced, renamed into place) and then tried until the server acknowledges it; what an earlier process of this
host left behind is delivered at the start.  A repetition is harmless: the stream knows the message id for two
minutes, and the registrar knows the event for ever.
"""

import asyncio
import os
import threading
from pathlib import Path
from typing import Final

import msgspec
import structlog

from lastword.actors.bulk import report_without_bulk
from lastword.actors.ports import Post, ResultKeeper
from lastword.bus import MAX_INLINE_RESULT, TooLarge, Unavailable
from lastword.contracts import subjects
from lastword.contracts.events import Succeeded
from lastword.contracts.messages import Report

__all__ = ["Courier"]

log = structlog.get_logger(__name__)

FIRST_DELAY_S: Final = 0.05  # between the first two tries, doubling
LAST_DELAY_S: Final = 1.0  # to this: soon enough for a status that somebody waits for


class Courier:
    """Delivers reports, with an outbox on disk for bad days."""

    def __init__(self, post: Post, results: ResultKeeper, outbox: Path) -> None:
        self._post = post
        self._results = results
        self._outbox = outbox
        self._decoder = msgspec.json.Decoder(Report)

    async def deliver(self, report: Report) -> None:
        """Deliver the report; when cancelled before that, leave it in the outbox.

        A result of over 256 KiB goes to the bucket first, and the report carries where it lies.
        """
        path = self._outbox / f"{report.event_id}.json"
        kept = False
        delay_s = FIRST_DELAY_S
        try:
            while not await self._try(report):
                if not kept:
                    kept = await asyncio.to_thread(self._keep, report, path)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, LAST_DELAY_S)
        except asyncio.CancelledError:
            if not kept:  # at once: whoever cancels does not wait for a thread
                self._keep(report, path)
            raise
        if kept:
            path.unlink(missing_ok=True)
            log.info("report.delivered", workflow=report.id)

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
        subject = subjects.report(report.id)
        try:
            light = await self._lightened(report)
            try:
                payload = msgspec.json.encode(light)
                await self._post.store(subject, payload, message_id=report.event_id, is_bulky=True)
            except TooLarge as error:
                log.warning("report.trimmed", workflow=report.id, why=str(error))
                slim = msgspec.json.encode(report_without_bulk(light))
                await self._post.store(subject, slim, message_id=report.event_id)
        except Unavailable as error:
            log.debug("report.not_yet", workflow=report.id, why=str(error))
            return False
        return True

    async def _lightened(self, report: Report) -> Report:
        event = report.event
        if not isinstance(event, Succeeded) or event.result is None:
            return report
        result = event.result if isinstance(event.result, msgspec.Raw) else msgspec.json.encode(event.result)
        if len(bytes(result)) <= MAX_INLINE_RESULT:
            return report
        reference = await self._results.keep_result(report.id, event.lease, bytes(result))
        return msgspec.structs.replace(
            report, event=msgspec.structs.replace(event, result=None, result_ref=reference)
        )

    def _keep(self, report: Report, path: Path) -> bool:
        """Write the report so that it outlives this process and the host's power; tell whether it could be.

        Where the disk does not take it there is still memory, and the next try.
        """
        part = path.with_suffix(f".{threading.get_ident()}.part")  # when cancelled, two threads may write it
        try:
            self._outbox.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(msgspec.json.encode(report))
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            _sync_folder(self._outbox)  # the new name, too
        except OSError as error:
            log.error("report.not_kept", workflow=report.id, file=str(path), why=str(error))  # noqa: TRY400  the disk's fault
            return False
        log.warning("report.kept", workflow=report.id, file=path.name)
        return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
