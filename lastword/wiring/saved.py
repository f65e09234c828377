"""The files of a back-up, and the manifest that says of each what its digest is."""

import hashlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, Self

import msgspec
from msgspec import Struct

from lastword.bus import Snapshot

__all__ = [
    "FORMAT",
    "BackupError",
    "Manifest",
    "NewFile",
    "SavedFile",
    "SavedStream",
    "check",
    "new_folder",
    "pieces",
    "write_manifest",
]

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
PIECE: Final = 131_072  # bytes


class BackupError(Exception):
    """A back-up cannot be made, is damaged, or cannot be restored here; the message says what to do."""


class SavedFile(Struct, frozen=True, kw_only=True):
    """A file of the back-up."""

    file: str
    size: int
    sha256: str


class SavedStream(Struct, frozen=True, kw_only=True):
    """A stream's snapshot."""

    snapshot: Snapshot
    saved: SavedFile

    @property
    def name(self) -> str:
        """The stream's name."""
        return str(self.snapshot.config["name"])


class Manifest(Struct, frozen=True, kw_only=True):
    """What a back-up holds; written last, so that a folder without it is none."""

    format: int
    version: str
    """Of the lastword that made it."""
    made_at: datetime
    layout: int
    """Of the streams."""
    revision: str
    """Of the database."""
    epoch: str
    """Of the log that was saved."""
    position: int
    """The last one in it."""
    log_sha256: str
    """Of the log's records, one line each: its position and the record."""
    streams: tuple[SavedStream, ...]
    database: SavedFile


def new_folder(folder: Path) -> None:
    """Make the folder, for its owner's eyes; raise `BackupError` where something is in it."""
    if folder.exists() and any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty; name a new folder for each back-up")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def check(folder: Path) -> Manifest:
    """Return what a back-up holds, once all of it was read; raise `BackupError` where it is damaged."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise BackupError(f"{folder} holds no complete back-up: there is no {MANIFEST}") from error
    except msgspec.DecodeError as error:
        raise BackupError(f"{folder / MANIFEST} cannot be read: {error}") from error
    if manifest.format > FORMAT:
        raise BackupError(f"{folder} was made by a newer lastword ({manifest.version}); use that one")
    for saved in (*(stream.saved for stream in manifest.streams), manifest.database):
        found = hashlib.sha256()
        try:
            for piece in pieces(folder / saved.file):
                found.update(piece)
        except FileNotFoundError as error:
            raise BackupError(f"{folder / saved.file} is missing") from error
        if found.hexdigest() != saved.sha256:
            raise BackupError(f"{folder / saved.file} is damaged: its digest is not what {MANIFEST} says")
    return manifest


class NewFile:
    """A new file for its owner's eyes, synced to disk when it is closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Self:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def write(self, data: bytes) -> None:
        """Append."""
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    @property
    def saved(self) -> SavedFile:
        """What the manifest says of it."""
        return SavedFile(file=self._path.name, size=self.size, sha256=self._digest.hexdigest())


def pieces(path: Path) -> Iterator[bytes]:
    """Yield what a file holds."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Complete a back-up."""
    with NewFile(folder / MANIFEST) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest)))
