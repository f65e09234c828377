"""What the live streams carry: told by `type`, whole, and in the words that clients switch on."""

import inspect
from typing import Any, get_args

import msgspec
import pytest
from msgspec import Struct

from lastword.contracts import frames
from lastword.contracts.frames import (
    Beat,
    Changed,
    End,
    Frame,
    Hello,
    OutputFrame,
    Ping,
    Progressed,
    Resync,
    Snapshot,
    WorkflowFrame,
)
from lastword.contracts.statuses import Status
from lastword.contracts.views import view
from tests.samples import LEASE, entry_at

WORKFLOW = view(entry_at(Status.SUCCESS))
TOLD: list[tuple[Frame, str]] = [
    (Hello(epoch="e", position=LEASE, recovered=False, ping_s=15.0), "hello"),
    (Snapshot(workflow=WORKFLOW), "snapshot"),
    (Changed(previous=Status.RUNNING, changed=("status",), workflow=WORKFLOW), "status"),
    (Ping(position=LEASE), "ping"),
    (Resync(reason="gap"), "resync"),
    (End(id="w-1", position=LEASE), "end"),
]


def tag_of(kind: type[Struct]) -> Any:
    """Return the word by which a frame is told."""
    return kind.__struct_config__.tag


def struct_name(value: object) -> str | None:
    """Name a frame by its type."""
    return type(value).__name__ if isinstance(value, Struct) else None


@pytest.mark.parametrize(("frame", "word"), TOLD, ids=struct_name)
def test_a_frame_is_told_by_its_type(frame: Frame, word: str) -> None:
    """The first field, for people and for switches; and it decodes to what it was."""
    line = msgspec.json.encode(frame)
    assert line.startswith(b'{"type":"' + word.encode() + b'"')
    assert frame == msgspec.json.decode(line, type=Frame)


def test_every_frame_is_one_of_the_union() -> None:
    """A frame that is not in `Frame` would be missing from the clients' types."""
    kinds = {
        kind
        for name, kind in vars(frames).items()
        if inspect.isclass(kind) and kind.__module__ == frames.__name__ and not name.startswith("_")
    }
    assert kinds == set(get_args(Frame))
    assert kinds == {getattr(frames, name) for name in frames.__all__} - {Frame, OutputFrame, WorkflowFrame}


def test_the_words_of_the_design_are_all_there() -> None:
    """Clients switch on these; a renamed one would fall silent."""
    words = {"hello", "snapshot", "status", "progress", "heartbeat", "ping", "resync", "end"}
    tags = [tag_of(kind) for kind in get_args(Frame)]
    assert words <= set(tags)
    assert len(tags) == len(set(tags))


@pytest.mark.parametrize("kind", [Snapshot, Changed, Progressed, Beat], ids=lambda kind: kind.__name__)
def test_what_speaks_of_a_workflow_carries_all_of_it(kind: type[Struct]) -> None:
    """So the last message wins, whatever was missed."""
    assert "workflow" in {field.name for field in msgspec.structs.fields(kind) if field.required}
