"""The outbox on disk: what it holds, when, and that it ends empty."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from lastword.actors.courier import Courier
from lastword.contracts import subjects
from lastword.contracts.events import Error, Failed, Succeeded
from lastword.contracts.messages import Report
from lastword.contracts.statuses import ErrorCode
from tests.samples import second
from tests.unit.actors.fakes import FakePost, FakeResults

SUBJECT = subjects.report("w-1")
REPORT = Report(
    id="w-1",
    event=Succeeded(lease=12, finished_at=second(8), result={"brief": "Tides turn."}),
    event_id="w-1.12.outcome",
    actor="host-1",
    at=second(9),
)
FILE = "w-1.12.outcome.json"


@pytest.fixture
def post() -> FakePost:
    return FakePost()


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture
def courier(post: FakePost, outbox: Path) -> Courier:
    return Courier(post, FakeResults(), outbox)


async def _until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that a thread brings about; the test's own timeout ends it."""
    while not holds():  # noqa: ASYNC110  a file tells nobody that it is there
        await asyncio.sleep(0.005)


def _is_there(outbox: Path) -> bool:
    return outbox.exists()


def _held(outbox: Path) -> list[str]:
    return sorted(path.name for path in outbox.iterdir()) if outbox.exists() else []


def _fill(outbox: Path, files: dict[str, bytes]) -> None:
    outbox.mkdir()
    for name, content in files.items():
        (outbox / name).write_bytes(content)


async def test_what_cannot_be_delivered_waits_on_disk(courier: Courier, post: FakePost, outbox: Path) -> None:
    """Whole, under the event's name, until the server has it; then nothing is left."""
    post.is_connected = False
    delivering = asyncio.create_task(courier.deliver(REPORT))
    await _until(lambda: _held(outbox) == [FILE])
    assert REPORT == msgspec.json.decode((outbox / FILE).read_bytes(), type=Report)
    post.is_connected = True
    await delivering
    assert 1 == len(post.stored)
    assert [] == _held(outbox)


async def test_what_is_delivered_at_once_never_touches_the_disk(
    courier: Courier, post: FakePost, outbox: Path
) -> None:
    """A good day costs no write."""
    await courier.deliver(REPORT)
    assert not _is_there(outbox)


async def test_what_is_cancelled_stays_on_disk(courier: Courier, post: FakePost, outbox: Path) -> None:
    """In the middle of the very first try, too: a final report is never skipped."""
    silent = asyncio.Event()

    async def hang(*_: object, **__: object) -> bool:
        silent.set()
        await asyncio.Event().wait()
        return True

    post.store = hang  # type: ignore[method-assign]
    delivering = asyncio.create_task(courier.deliver(REPORT))
    await silent.wait()
    delivering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivering
    assert [FILE] == _held(outbox)


async def test_leftovers_of_an_earlier_process_are_delivered(
    courier: Courier, post: FakePost, outbox: Path
) -> None:
    """By whichever process of this host comes next, each once, and then they are gone."""
    reports = [msgspec.structs.replace(REPORT, event_id=f"w-1.{number}.outcome") for number in (1, 2)]
    _fill(outbox, {f"{report.event_id}.json": msgspec.json.encode(report) for report in reports})
    await courier.deliver_leftovers()
    assert ["w-1.1.outcome", "w-1.2.outcome"] == [stored.message_id for stored in post.stored]
    assert [] == _held(outbox)


async def test_a_leftover_that_cannot_be_read_does_not_hold_up_the_others(
    courier: Courier, post: FakePost, outbox: Path
) -> None:
    """It stays for a person to look at."""
    _fill(outbox, {"a.json": b"{", FILE: msgspec.json.encode(REPORT), "half-written.1.part": b"{"})
    await courier.deliver_leftovers()
    assert [REPORT.event_id] == [stored.message_id for stored in post.stored]
    assert ["a.json", "half-written.1.part"] == _held(outbox)


async def test_a_disk_that_takes_nothing_is_no_reason_to_give_up(post: FakePost, tmp_path: Path) -> None:
    """The report is still in memory, and delivered when the server is back."""
    (tmp_path / "outbox").write_text("a file where the folder should be")
    post.failures = 3
    await Courier(post, FakeResults(), tmp_path / "outbox").deliver(REPORT)
    assert [REPORT.event_id] == [stored.message_id for stored in post.stored]


async def test_a_large_result_survives_on_disk_and_goes_to_the_bucket_later(
    post: FakePost, outbox: Path
) -> None:
    """What is written is the whole result: the bucket may be as far away as the stream."""
    results = FakeResults()
    courier = Courier(post, results, outbox)
    event = Succeeded(lease=12, finished_at=second(8), result="x" * 400_000)
    report = msgspec.structs.replace(REPORT, event=event)
    post.is_connected = False
    delivering = asyncio.create_task(courier.deliver(report))
    await _until(lambda: _held(outbox) == [FILE])
    delivering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivering
    results.kept.clear()
    post.is_connected = True
    await courier.deliver_leftovers()
    assert 400_002 == len(results.kept["w-1.12.json"])
    assert 400_002 == post.payloads(SUBJECT)[0]["event"]["result_ref"]["size"]


async def test_a_failure_is_kept_like_a_success(courier: Courier, post: FakePost, outbox: Path) -> None:
    """Every final report is."""
    error = Error(code=ErrorCode.SHUTDOWN, message="stopped")
    report = msgspec.structs.replace(REPORT, event=Failed(lease=12, finished_at=second(8), error=error))
    post.failures = 1
    await courier.deliver(report)
    assert "shutdown" == post.payloads(SUBJECT)[0]["event"]["error"]["code"]
    assert [] == _held(outbox)
