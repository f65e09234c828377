"""A short campaign, judged like a long one (`make chaos`)."""

import os
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from tests.chaos.campaign import play
from tests.chaos.checker import check, ends_by_workflow
from tests.chaos.deployment import Backend
from tests.chaos.plan import SHORT

SEED = 7
LASTS_S = 35.0
SLACK_S = 30.0  # tests share their machine; how soon all is noticed, long campaigns measure


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_minute_of_faults_breaks_no_promise(tmp_path: Path) -> None:
    """Whatever is killed, stopped, cut off and filled up, witnesses and clients saw what the log says."""
    backend: Backend = "single" if os.environ.get("LASTWORD_TEST_POSTGRES") == "off" else "cluster"

    history = await play(backend, tmp_path, seed=SEED, lasts_s=LASTS_S, pace=SHORT, slack_s=SLACK_S)

    (tmp_path / "history.json").write_bytes(
        msgspec.json.encode(history)
    )  # for `python -m tests.chaos --judge`
    assert [] == check(history)
    ends = Counter(end.status for end in ends_by_workflow(history).values())
    assert {"success", "failed", "cancelled"} == set(ends)
    assert ends.total() > LASTS_S
    assert len({fault.kind for fault in history.faults}) > 10
