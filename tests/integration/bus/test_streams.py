"""Creating the streams, and bringing older ones to what is needed."""

import asyncio
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from lastword.bus import Bus, StatusLog, StreamMismatch, Unavailable, ensure_streams
from lastword.bus.settings import BusSettings
from lastword.bus.streams import LAYOUT, REPORTS_EACH, stream_configs
from lastword.contracts import subjects
from tests.integration.servers import NatsServer, make_record


async def config_of(bus: Bus, stream: str) -> dict[str, Any]:
    """Return how a stream is configured."""
    info = await bus.ask_api(f"STREAM.INFO.{stream}")
    config: dict[str, Any] = info["config"]
    return config


async def create_otherwise(bus: Bus, stream: str, **otherwise: Any) -> dict[str, Any]:
    """Create a stream as this version would, but for some settings; return its configuration."""
    wanted = stream_configs(replicas=bus.settings.replicas, partitions=2, settings=BusSettings())
    (config,) = (config for config in wanted if config["name"] == stream)
    answer = await bus.ask_api(f"STREAM.CREATE.{stream}", {**config, **otherwise})
    assert "error" not in answer
    created: dict[str, Any] = answer["config"]
    return created


async def test_every_stream_is_created_once_and_left_alone_after(nats_server: NatsServer) -> None:
    """A start with everything in place changes nothing."""
    async with nats_server.open() as bus:
        with capture_logs() as first:
            await ensure_streams(bus, partitions=2)
        before = (await bus.ask_api("STREAM.LIST"))["streams"]
        with capture_logs() as second:
            await ensure_streams(bus, partitions=2)
        after = (await bus.ask_api("STREAM.LIST"))["streams"]
    assert {"stream.created"} == {entry["event"] for entry in first}
    assert len(first) == 9
    assert [] == second
    assert [stream["config"] for stream in before] == [stream["config"] for stream in after]


async def test_the_result_bucket_is_what_the_client_library_understands(bus: Bus) -> None:
    """It is made by hand, so that it too carries a layout; `nats object ls` must read it."""
    bucket = await bus.js.object_store(subjects.RESULT_BUCKET)
    status = await bucket.status()
    assert subjects.RESULT_BUCKET == status.bucket


async def test_two_processes_may_ensure_at_once(nats_server: NatsServer) -> None:
    """Several supervisors start together."""
    async with nats_server.open() as one, nats_server.open() as other:
        for _ in range(3):
            await asyncio.gather(*(ensure_streams(each, partitions=2) for each in (one, other, one, other)))
        assert (await one.ask_api("STREAM.NAMES"))["total"] == 9


async def test_two_versions_may_ensure_at_once(nats_server: NatsServer) -> None:
    """A rolling upgrade: whoever comes second finds a stream that is not what it wants, and changes it."""
    async with nats_server.open() as one, nats_server.open() as other:
        await asyncio.gather(ensure_streams(one, partitions=2), ensure_streams(other, partitions=3))
        dest = (await config_of(one, subjects.REPORT_STREAM))["subject_transform"]["dest"]
        assert dest in {
            f"lastword.report.{{{{partition({count},1)}}}}.{{{{wildcard(1)}}}}" for count in (2, 3)
        }
        assert (await one.ask_api("STREAM.NAMES"))["total"] == 9


async def test_an_older_retention_is_migrated_in_place_and_keeps_what_it_holds(
    nats_server: NatsServer,
) -> None:
    """Nothing is deleted, and what an administrator has added stays."""
    async with nats_server.open() as bus:
        await create_otherwise(
            bus,
            subjects.LOGLINE_STREAM,
            max_age=3600 * 10**9,
            max_msgs_per_subject=10,
            metadata={"lastword.layout": "0", "team": "blue"},
            description="ours",
        )
        await bus.store(subjects.logline("w-1"), b"{}")
        with capture_logs() as logs:
            await ensure_streams(bus, partitions=2)
        config = await config_of(bus, subjects.LOGLINE_STREAM)
        info = await bus.ask_api(f"STREAM.INFO.{subjects.LOGLINE_STREAM}")
    settings = BusSettings()
    assert int(settings.logline_max_age_s * 10**9) == config["max_age"]
    assert settings.logline_max_lines == config["max_msgs_per_subject"]
    assert str(LAYOUT) == config["metadata"]["lastword.layout"]
    assert config["metadata"]["team"] == "blue"
    assert config["description"] == "ours"
    assert info["state"]["messages"] == 1
    (updated,) = (entry for entry in logs if entry["event"] == "stream.updated")
    assert ["max_age", "max_msgs_per_subject", "metadata"] == updated["changed"]


async def test_a_log_that_was_not_republished_is_from_now_on(nats_server: NatsServer) -> None:
    """The first version of a system like this one had no public subject."""
    async with nats_server.open() as bus:
        await create_otherwise(bus, subjects.LOG_STREAM, republish=None)
        log = StatusLog(bus)
        first = await log.append(make_record(), expected=0)
        heard = await bus.client.subscribe(subjects.status())
        await ensure_streams(bus, partitions=2)
        await log.append(make_record(version=2), expected=first.position)
        assert msgspec.json.decode((await heard.next_msg(timeout=5)).data)["status"] == "running"


async def test_a_newer_layout_is_refused_and_left_as_it_is(nats_server: NatsServer) -> None:
    """An older version must not take features away in silence."""
    async with nats_server.open() as bus:
        newer = {"lastword.layout": str(LAYOUT + 1)}
        before = await create_otherwise(bus, subjects.JOB_STREAM, metadata=newer, max_age=10**12)
        with pytest.raises(StreamMismatch, match=r"LASTWORD_JOB.*layout 2 is newer.*upgrade lastword"):
            await ensure_streams(bus, partitions=2)
        assert before == await config_of(bus, subjects.JOB_STREAM)


@pytest.mark.parametrize(
    ("stream", "setting", "otherwise"),
    [
        (subjects.PROGRESS_STREAM, "storage", {"storage": "file"}),
        (subjects.JOB_STREAM, "retention", {"retention": "limits"}),
    ],
    ids=["storage", "retention"],
)
async def test_a_setting_that_cannot_be_changed_is_named_and_nothing_is(
    nats_server: NatsServer, stream: str, setting: str, otherwise: dict[str, Any]
) -> None:
    """Half a change would be worse than none."""
    async with nats_server.open() as bus:
        before = await create_otherwise(bus, stream, max_age=10**12, **otherwise)
        with pytest.raises(StreamMismatch, match=rf"{stream}.*{setting}.*not changed"):
            await ensure_streams(bus, partitions=2)
        assert before == await config_of(bus, stream)


async def test_a_foreign_stream_on_our_subjects_is_reported(nats_server: NatsServer) -> None:
    """Two systems in one account."""
    async with nats_server.open() as bus:
        await bus.ask_api("STREAM.CREATE.OTHER", {"name": "OTHER", "subjects": ["lastword.>"]})
        with pytest.raises(StreamMismatch, match=r"LASTWORD_LOG.*overlap"):
            await ensure_streams(bus, partitions=2)


async def test_a_server_that_does_not_answer_is_waited_for(nats_server: NatsServer) -> None:
    """A cluster elects a leader, a server starts: seconds, and then it goes on."""
    async with nats_server.open(request_timeout_s=0.2) as bus:
        nats_server.freeze()
        with pytest.raises(Unavailable):
            await ensure_streams(bus, partitions=2, patience_s=0.0)
        ensuring = asyncio.create_task(ensure_streams(bus, partitions=2))
        await asyncio.wait({ensuring}, timeout=0.5)
        assert not ensuring.done()
        nats_server.thaw()
        await ensuring
        assert (await bus.ask_api("STREAM.NAMES"))["total"] == 9


async def test_partitions_are_not_changed_under_reports_that_wait(nats_server: NatsServer) -> None:
    """They would be stranded where nobody reads; once they are handled the change is made."""
    async with nats_server.open() as bus:
        await ensure_streams(bus, partitions=4)
        await bus.store(subjects.report("w-1"), b"{}")
        with pytest.raises(StreamMismatch, match=r"partitions .* 1 reports wait"):
            await ensure_streams(bus, partitions=2)
        await bus.ask_api(f"STREAM.PURGE.{subjects.REPORT_STREAM}")
        await ensure_streams(bus, partitions=2)
        config = await config_of(bus, subjects.REPORT_STREAM)
    assert "partition(2,1)" in config["subject_transform"]["dest"]


async def test_of_one_workflow_a_bounded_number_of_reports_waits(bus: Bus) -> None:
    """The others are refused, so that their senders keep them; those of other workflows are taken."""
    for number in range(REPORTS_EACH):
        assert await bus.store(subjects.report("w-1"), b"{}", message_id=f"e-{number}")
    with pytest.raises(Unavailable):
        await bus.store(subjects.report("w-1"), b"{}", message_id="one too many")
    assert await bus.store(subjects.report("w-2"), b"{}")
    assert not await bus.store(subjects.report("w-1"), b"{}", message_id="e-0")  # known: it waits already
