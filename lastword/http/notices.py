"""The frames that clients are told of the log and its overlays, made ready for the wire."""

from datetime import datetime
from typing import Final

from lastword.contracts.frames import Beat, Changed, End, Ping, Progressed, Resync
from lastword.contracts.messages import ProgressMade
from lastword.contracts.records import Entry
from lastword.contracts.views import Heartbeat
from lastword.http.cells import Cell, Overlay, place_after
from lastword.http.packets import Packet, encode

__all__ = ["beat", "end", "ping", "progress", "resync", "status"]

COMPARED: Final = (
    "status",
    "version",
    "updated_at",
    "started_at",
    "finished_at",
    "executor",
    "error",
    "warnings",
    "usage",
    "progress",
    "result",
    "result_ref",
)
"""The fields of a workflow that a status can move."""
NOTHING: Final = Overlay(None, None, None, None)


def status(
    epoch: str, entry: Entry, cell: Cell, overlay: Overlay, before: Entry | None = None
) -> list[Packet]:
    """Return the frames of one accepted status, with its `end` where it is terminal.

    An older record than the cell's is shown bare: the overlay is of the newest.
    """
    record = entry.record
    ended = record.status.is_terminal
    shown = cell.view(overlay) if cell.entry.position == entry.position else Cell(entry, 0).view(NOTHING)
    frame = Changed(previous=record.previous, changed=_changed(before, entry), workflow=shown)
    packet = Packet("status", encode(frame), place_after(epoch, entry))
    return [packet, end(epoch, entry)] if ended else [packet]


def end(epoch: str, entry: Entry) -> Packet:
    """Return the frame after which nothing follows."""
    frame = End(id=entry.record.id, position=entry.position)
    return Packet("end", encode(frame), f"{epoch}:{entry.position}")


def ping(epoch: str, position: int) -> Packet:
    """Return a sign of life that says how far the log has come."""
    return Packet("ping", encode(Ping(position=position)), f"{epoch}:{position}")


def resync(reason: str) -> Packet:
    """Return the frame that says that something cannot be made up."""
    return Packet("resync", encode(Resync(reason=reason)))


def progress(cell: Cell, made: ProgressMade, overlay: Overlay) -> Packet:
    """Return the frame of a workflow that got further."""
    frame = Progressed(
        id=cell.id,
        position=cell.entry.position,
        revision=made.revision,
        progress=made.progress,
        usage=made.usage,
        waiting_for=made.waiting_for,
        workflow=cell.view(overlay),
    )
    return Packet("progress", encode(frame))


def beat(cell: Cell, heartbeat: Heartbeat, at: datetime | None, overlay: Overlay) -> Packet:
    """Return the frame of a heartbeat that became stale, or fresh again."""
    frame = Beat(
        id=cell.id,
        position=cell.entry.position,
        heartbeat=heartbeat,
        last_heartbeat_at=at,
        workflow=cell.view(overlay),
    )
    return Packet("heartbeat", encode(frame))


def _changed(before: Entry | None, entry: Entry) -> tuple[str, ...]:
    """Name the fields that differ from the record before; without one, those that a status always moves."""
    if before is None:
        return ("status",) if entry.record.previous is not None else COMPARED
    old, new = before.record, entry.record
    names = {"updated_at": "at"}
    return tuple(
        name
        for name in COMPARED
        if getattr(old, names.get(name, name)) != getattr(new, names.get(name, name))
    )
