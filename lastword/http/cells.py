"""What the edge remembers of one workflow: its last record, its overlays, and their bytes.

Bytes are made when first asked for and kept until something they show has changed; GET, the snapshot frame
and each client of it share them.
"""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final, NamedTuple

from lastword.contracts.frames import Snapshot
from lastword.contracts.messages import ProgressMade
from lastword.contracts.records import Entry
from lastword.contracts.views import Heartbeat, Workflow, view
from lastword.http.headers import COMMON_HEADERS
from lastword.http.packets import Packet, encode, response_head

__all__ = ["BASE_HEADERS", "BEFORE_END", "Cell", "Overlay", "Shown", "place_after", "tag_of"]

BASE_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Authorization, Cookie, Origin"),
    *((name.encode(), value.encode()) for name, value in COMMON_HEADERS.items()),
)


BEFORE_END: Final = "~"
"""Behind a place in the log: the terminal status there was told, and its end was not."""


class Overlay(NamedTuple):
    """What is known beside the record."""

    made: ProgressMade | None
    heartbeat: Heartbeat | None
    last_heartbeat_at: datetime | None
    turned_at: datetime | None
    """When the freshness last changed, as this edge saw it."""


class Shown(NamedTuple):
    """A workflow, ready to be sent."""

    body: bytes
    etag: str
    modified: datetime
    headers: list[tuple[bytes, bytes]]
    """Of the 200."""
    headers_304: list[tuple[bytes, bytes]]
    head: bytes
    """Status line and headers of the 200, but for those that the server adds itself."""
    head_304: bytes


def tag_of(epoch: str, entry: Entry, overlay: Overlay) -> str:
    """Return the weak ETag: it covers version, progress and freshness, and not the beat's time.

    Position stands for the version, and is the same on every edge.
    """
    made = overlay.made if overlay.made is not None and overlay.made.lease == entry.lease else None
    fresh = (overlay.heartbeat or "-")[0]
    return f'W/"{epoch}.{entry.position}.{made.revision if made else 0}{fresh}"'


def place_after(epoch: str, entry: Entry) -> str:
    """Return the id by which a client goes on that was told of a record.

    A terminal one is marked: its `end` is still to come, and must not be lost with the connection.
    """
    return f"{epoch}:{entry.position}{BEFORE_END if entry.record.status.is_terminal else ''}"


class Cell:
    """One workflow."""

    __slots__ = ("_key", "_shown", "_snapshot", "_snapshot_key", "ahead", "entry", "id", "size", "turned_at")

    def __init__(self, entry: Entry, size: int) -> None:
        self.id = entry.record.id
        self.entry = entry
        """The last record that the feed delivered, or that was read while nobody watched."""
        self.ahead: Entry | None = None
        """A newer record that was read; the feed will bring it, and until then only readers see it."""
        self.size = size
        self.turned_at: datetime | None = None
        """When the freshness last changed, as this edge saw it."""
        self._key: object = None
        self._shown: Shown | None = None
        self._snapshot_key: object = None
        self._snapshot: Packet | None = None

    @property
    def standing(self) -> Entry:
        """The newest record known."""
        return self.ahead or self.entry

    @property
    def has_ended(self) -> bool:
        """Whether the feed has delivered the terminal status."""
        return self.entry.record.status.is_terminal

    def view(self, overlay: Overlay) -> Workflow:
        """Return the workflow as the feed has it, for the live streams."""
        return view(
            self.entry,
            made=overlay.made,
            heartbeat=overlay.heartbeat,
            last_heartbeat_at=overlay.last_heartbeat_at,
        )

    def shown(self, epoch: str, overlay: Overlay) -> Shown:
        """Return the newest state for GET; the same bytes until something in them has changed."""
        entry = self.standing
        key = (epoch, entry.position, overlay)
        if self._shown is None or key != self._key:
            self._shown = _show(epoch, entry, overlay)
            self._key = key
        return self._shown

    def snapshot(self, epoch: str, overlay: Overlay) -> Packet:
        """Return the snapshot frame of the state that the feed has."""
        key = (epoch, self.entry.position, overlay)
        if self._snapshot is None or key != self._snapshot_key:
            frame = Snapshot(workflow=self.view(overlay))
            self._snapshot = Packet("snapshot", encode(frame), place_after(epoch, self.entry))
            self._snapshot_key = key
        return self._snapshot


def _show(epoch: str, entry: Entry, overlay: Overlay) -> Shown:
    workflow = view(
        entry, made=overlay.made, heartbeat=overlay.heartbeat, last_heartbeat_at=overlay.last_heartbeat_at
    )
    body = encode(workflow)
    etag = tag_of(epoch, entry, overlay)
    times = [entry.record.at]
    if overlay.made is not None and overlay.made.lease == entry.lease:
        times.append(overlay.made.at)
    if overlay.turned_at is not None:
        times.append(overlay.turned_at)
    modified = max(times).astimezone(UTC)
    repeated = [
        (b"etag", etag.encode()),
        (b"last-modified", format_datetime(modified, usegmt=True).encode()),
        (b"lastword-position", b"%d" % entry.position),
        *BASE_HEADERS,
    ]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *repeated]
    return Shown(
        body, etag, modified, headers, repeated, response_head(200, headers), response_head(304, repeated)
    )
