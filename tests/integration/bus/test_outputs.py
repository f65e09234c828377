"""Lines of output by pages, and results too large for a record."""

import base64
import hashlib

import msgspec
import pytest
from structlog.testing import capture_logs

from lastword.bus import Bus, Outputs, Unavailable
from lastword.contracts import subjects
from lastword.contracts.events import ResultReference
from lastword.contracts.messages import Logged, LogLine
from tests.chaos.link import Link, Manners
from tests.integration.servers import AT, NatsServer, Proxy


def logged(workflow_id: str, text: str) -> Logged:
    """Return one message with one line."""
    return Logged(id=workflow_id, lines=(LogLine(at=AT, stream="stdout", text=text),))


async def say(bus: Bus, workflow_id: str, *texts: str) -> None:
    """Write lines of output."""
    for text in texts:
        payload = msgspec.json.encode(logged(workflow_id, text))
        await bus.store(subjects.logline(workflow_id), payload)


async def test_lines_come_by_pages_each_after_the_last_position(bus: Bus) -> None:
    """Of one workflow, in order, though others speak in between."""
    outputs = Outputs(bus)
    for number in range(5):
        await say(bus, "w-1", f"line {number}")
        await say(bus, "w-2", "noise")
    pages: list[list[tuple[int, Logged]]] = []
    after = 0
    while page := await outputs.lines("w-1", after, 2):
        pages.append(page)
        after = page[-1][0]
    assert [2, 2, 1] == [len(page) for page in pages]
    found = [item for page in pages for item in page]
    assert [(2 * n + 1, logged("w-1", f"line {n}")) for n in range(5)] == found


async def test_who_has_said_nothing_has_no_lines(bus: Bus) -> None:
    """Neither at the beginning nor after the end."""
    assert [] == await Outputs(bus).lines("w-1", 0, 10)
    await say(bus, "w-1", "one")
    assert [] == await Outputs(bus).lines("w-1", 1, 10)
    assert [] == await Outputs(bus).lines("w-1", 1_000_000, 10)


async def test_a_message_that_is_none_is_a_line_that_is_missing(bus: Bus) -> None:
    """Or nobody could read what comes after it."""
    await say(bus, "w-1", "one")
    for payload in (b"{", b"\xff", msgspec.json.encode(logged("w-2", "of another"))):
        await bus.store(subjects.logline("w-1"), payload)
    await say(bus, "w-1", "two")
    missing = Logged(id="w-1", lines=(), dropped=1)
    found = [message for _, message in await Outputs(bus).lines("w-1", 0, 10)]
    assert [logged("w-1", "one"), missing, missing, missing, logged("w-1", "two")] == found


@pytest.mark.parametrize("limit", [0, -1, 1_000_000], ids=str)
async def test_a_limit_is_held_to_what_the_server_answers(bus: Bus, limit: int) -> None:
    """At least one, at most a batch."""
    await say(bus, "w-1", "one", "two")
    found = await Outputs(bus).lines("w-1", 0, limit)
    assert len(found) == (2 if limit > 0 else 1)


async def test_a_stream_that_does_not_answer_is_not_an_empty_one(nats_server: NatsServer) -> None:
    """A page that says "no output" must mean it."""
    async with nats_server.open(request_timeout_s=0.3) as bus:
        with pytest.raises(Unavailable):
            await Outputs(bus).lines("w-1", 0, 10)


@pytest.mark.parametrize("size", [1, 262_145, 3_000_000], ids=str)
async def test_a_large_result_comes_back_as_it_was(bus: Bus, size: int) -> None:
    """Byte by byte, with the size and the digest by which anyone can check it."""
    outputs = Outputs(bus)
    result = msgspec.json.encode("é" * (size // 2) + "x")
    reference = await outputs.keep_result("w-1", 12, result)
    digest = base64.urlsafe_b64encode(hashlib.sha256(result).digest()).decode()
    assert ResultReference(name="w-1.12.json", size=len(result), digest=f"SHA-256={digest}") == reference
    assert result == await outputs.result(reference)


async def test_keeping_a_result_again_changes_nothing(bus: Bus) -> None:
    """A report may be made twice."""
    outputs = Outputs(bus)
    first = await outputs.keep_result("w-1", 12, b'"tides"')
    assert first == await outputs.keep_result("w-1", 12, b'"tides"')
    assert b'"tides"' == await outputs.result(first)
    info = await bus.ask_api(f"STREAM.INFO.OBJ_{subjects.RESULT_BUCKET}")
    assert info["state"]["messages"] == 2  # one chunk and one description: the first try's are gone


async def test_a_broken_put_asks_for_no_right_that_executors_lack(nats_server: NatsServer, bus: Bus) -> None:
    """The answer to a chunk, then that to the description, gets lost: it is put again, nothing is purged."""
    lost = [b'"seq":1}', b'"seq":4}']

    def lose(_head: bytes, body: bytes) -> bool:
        found = [mark for mark in lost if b"OBJ_LASTWORD_RESULT" in body and mark in body.replace(b" ", b"")]
        for mark in found:
            lost.remove(mark)
        return bool(found)

    proxy = Proxy(nats_server.port)
    proxy.lose = lose
    with capture_logs() as logs:
        async with proxy.open(), nats_server.open("executor", url=proxy.url, request_timeout_s=0.3) as own:
            outputs = Outputs(own)
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await outputs.keep_result("w-1", 12, b'"' + b"x" * 140_000 + b'"')
            kept = await outputs.keep_result("w-1", 12, b'"' + b"x" * 140_000 + b'"')
    assert 140_002 == len(await Outputs(bus).result(kept))
    assert [] == lost
    assert [] == [line for line in logs if line["event"] == "bus.permission_denied"]


async def test_a_large_result_comes_through_a_slow_link(nats_server: NatsServer, bus: Bus) -> None:
    """Though each part of it takes longer than any other request may."""
    link = Link(nats_server.port)
    async with link.open():
        url = f"nats://127.0.0.1:{link.port}"
        async with nats_server.open("executor", url=url, request_timeout_s=0.2) as own:
            await link.behave(Manners(bytes_per_s=200_000))
            kept = await Outputs(own).keep_result("w-1", 12, b'"' + b"x" * 140_000 + b'"')
    assert 140_002 == len(await Outputs(bus).result(kept))


async def test_a_result_that_is_gone_is_named(bus: Bus) -> None:
    """Or was never there."""
    outputs = Outputs(bus)
    kept = await outputs.keep_result("w-1", 12, b'"tides"')
    bucket = await bus.js.object_store(subjects.RESULT_BUCKET)
    await bucket.delete(kept.name)
    for name in (kept.name, "w-2.1.json"):
        reference = ResultReference(name=name, size=7, digest="SHA-256=")
        with pytest.raises(LookupError, match=name):
            await outputs.result(reference)


async def test_a_result_that_is_not_what_the_record_speaks_of_is_not_shown(bus: Bus) -> None:
    """Whoever replaced it: a record's result never changes."""
    outputs = Outputs(bus)
    kept = await outputs.keep_result("w-1", 12, b'"tides"')
    await outputs.keep_result("w-1", 12, b'"other"')
    with pytest.raises(LookupError, match=kept.name):
        await outputs.result(kept)


async def test_a_server_that_does_not_answer_is_unavailable(nats_server: NatsServer, bus: Bus) -> None:
    """Neither kept nor gone: try again."""
    kept = await Outputs(bus).keep_result("w-1", 12, b'"tides"')
    async with nats_server.open(request_timeout_s=0.2) as impatient:
        nats_server.freeze()
        with pytest.raises(Unavailable):
            await Outputs(impatient).keep_result("w-1", 13, b'"tides"')
        with pytest.raises(Unavailable):
            await Outputs(impatient).result(kept)
        with pytest.raises(Unavailable):
            await Outputs(impatient).lines("w-1", 0, 1)
        nats_server.thaw()
