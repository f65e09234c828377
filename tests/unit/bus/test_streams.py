"""What the streams are asked to be."""

from typing import Any

import pytest

from lastword.bus.settings import BusSettings
from lastword.bus.streams import LAYOUT, _bucket_config, _same, stream_configs
from lastword.contracts import subjects


def configs(**given: Any) -> dict[str, dict[str, Any]]:
    """Return the configurations by name."""
    made = stream_configs(replicas=3, partitions=4, settings=BusSettings(**given))
    return {config["name"]: config for config in (*made, _bucket_config(BusSettings(replicas=3, **given)))}


def test_every_stream_carries_layout_and_replicas() -> None:
    """An older version must recognise a newer layout, and a cluster must keep copies."""
    for name, config in configs().items():
        assert {"lastword.layout": str(LAYOUT)} == config["metadata"], name
        assert config["num_replicas"] == 3, name


def test_the_log_repeats_what_it_accepts_and_forgets_nothing() -> None:
    """It is the truth: no limit, no deletion, and only accepted records are told."""
    log = configs()[subjects.LOG_STREAM]
    assert {"src": "lastword.log.*", "dest": "lastword.status.{{wildcard(1)}}"} == log["republish"]
    assert log["deny_delete"]
    assert log["deny_purge"]
    assert set() == {"max_age", "max_msgs", "max_bytes", "max_msgs_per_subject"} & log.keys()


def test_reports_are_partitioned_by_workflow() -> None:
    """All reports of a workflow lie in one partition, in their order."""
    transform = configs()[subjects.REPORT_STREAM]["subject_transform"]
    expected = {
        "src": "lastword.report.*",
        "dest": "lastword.report.{{partition(4,1)}}.{{wildcard(1)}}",
    }
    assert expected == transform


def test_pulses_leave_markers() -> None:
    """One beat per executor, whose expiry is told."""
    pulse = configs()[subjects.PULSE_STREAM]
    assert pulse["max_msgs_per_subject"] == 1  # any other silently raises a message's life to the marker's
    assert pulse["allow_msg_ttl"]
    assert pulse["subject_delete_marker_ttl"] > 0


def test_whatever_executors_can_fill_has_a_bound() -> None:
    """With their credentials one could otherwise fill the server's disk, or its memory."""
    made = configs()
    unbounded = {name for name, config in made.items() if config.get("max_bytes", -1) < 0}
    assert {subjects.LOG_STREAM, subjects.JOB_STREAM, subjects.RESULT_OBJECTS} == unbounded
    assert "new" == made[subjects.REPORT_STREAM]["discard"]  # no report that was taken is ever lost


@pytest.mark.parametrize(
    ("setting", "given", "stream", "key", "expected"),
    [
        ("logline_max_age_s", 3600.0, subjects.LOGLINE_STREAM, "max_age", 3600 * 10**9),
        ("logline_max_lines", 7, subjects.LOGLINE_STREAM, "max_msgs_per_subject", 7),
        ("refused_max_age_s", 1.5, subjects.REFUSED_STREAM, "max_age", 1_500_000_000),
        ("stream_max_bytes", 2**20, subjects.REPORT_STREAM, "max_bytes", 2**20),
        ("result_max_bytes", 2**20, subjects.RESULT_OBJECTS, "max_bytes", 2**20),
    ],
    ids=["age of lines", "number of lines", "age of refused reports", "size", "size of results"],
)
def test_a_setting_reaches_its_stream(
    setting: str, given: float, stream: str, key: str, expected: int
) -> None:
    """In the server's unit, nanoseconds."""
    assert expected == configs(**{setting: given})[stream][key]


@pytest.mark.parametrize(
    ("standing", "wanted", "same"),
    [
        (1, 1, True),
        (1, 2, False),
        (None, False, True),
        (None, 0, True),
        (None, 1, False),
        ({"a": 1, "server's": 2}, {"a": 1}, True),
        ({"a": 2}, {"a": 1}, False),
        (None, {"a": 1}, False),
        (["x"], ["x"], True),
    ],
    ids=str,
)
def test_what_stands_is_compared_in_what_we_speak_of(standing: Any, wanted: Any, same: bool) -> None:  # noqa: FBT001
    """The server leaves out what is zero, and adds keys of its own."""
    assert same == _same(standing, wanted)
