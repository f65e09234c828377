"""A watch tells the truth, in order, to its end, whatever happens to the link."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest

from lastword.cli.errors import Refused, Unreachable
from lastword.cli.watching import LinkLost, Regained, Seen, Sighting, Watch
from lastword.contracts.statuses import Status
from tests.unit.cli.fake_edge import (
    ID,
    PING_S,
    FakeEdge,
    Step,
    client_of,
    end,
    hello,
    ping,
    progressed,
    run_virtual,
    snapshot,
    status,
    workflow,
)

PENDING = workflow(Status.PENDING)
RUNNING = workflow(Status.RUNNING)
CANCELLING = workflow(Status.CANCELLING)
SUCCESS = workflow(Status.SUCCESS, position=14)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVENTS = f"/events/workflows/{ID}"
ONE = f"/workflows/{ID}"


def watch(edge: FakeEdge, patience_s: float | None = None) -> tuple[list[Sighting], float]:
    """Watch to the end; return what was seen, and how many (virtual) seconds it took."""

    async def watched() -> tuple[list[Sighting], float]:
        loop = asyncio.get_running_loop()
        seen: list[Sighting] = []
        async with client_of(edge) as client:
            watcher = Watch(
                client, ID, patience_s=patience_s, now=lambda: NOON + timedelta(seconds=loop.time())
            )
            async with aclosing(watcher.sightings()) as sightings:
                async for sighting in sightings:
                    seen.append(sighting)  # noqa: PERF401  what came before an error must not be lost
        return seen, loop.time()

    return run_virtual(watched())


def statuses(seen: Sequence[Sighting]) -> list[Status]:
    """Return the statuses that were told."""
    return [sighting.workflow.status for sighting in seen if isinstance(sighting, Seen)]


def test_a_stream_is_followed_to_the_terminal_status_which_is_told_once() -> None:
    """Also where the frame is repeated and `end` follows."""
    edge = FakeEdge(PENDING)
    edge.streams = [
        [hello() + snapshot(PENDING), status(RUNNING), status(SUCCESS) + status(SUCCESS) + end(SUCCESS)]
    ]
    seen, _ = watch(edge)
    assert [Status.PENDING, Status.RUNNING, Status.SUCCESS] == statuses(seen)
    assert 3 == len(seen)


def test_a_workflow_that_has_ended_needs_no_stream() -> None:
    """One reading says it all."""
    edge = FakeEdge(SUCCESS)
    seen, _ = watch(edge)
    assert [Status.SUCCESS] == statuses(seen)
    assert [] == edge.asked(EVENTS)


def test_frames_may_be_cut_anywhere() -> None:
    """A network delivers bytes, not frames."""
    body = hello() + status(RUNNING) + ping() + status(SUCCESS)
    edge = FakeEdge(PENDING)
    edge.streams = [[body[n : n + 7] for n in range(0, len(body), 7)]]
    seen, _ = watch(edge)
    assert [Status.PENDING, Status.RUNNING, Status.SUCCESS] == statuses(seen)


def test_nothing_is_shown_below_the_position_shown_before() -> None:
    """An edge that is behind is not believed."""
    edge = FakeEdge(CANCELLING)
    edge.streams = [[hello(), snapshot(RUNNING), status(PENDING), status(SUCCESS)]]
    seen, _ = watch(edge)
    assert [Status.CANCELLING, Status.SUCCESS] == statuses(seen)


def test_progress_does_not_go_back_when_another_edge_has_not_heard_of_it() -> None:
    """At the same position the furthest progress stays."""
    edge = FakeEdge(workflow(Status.RUNNING, done=2))
    edge.streams = [
        [hello(), snapshot(RUNNING), progressed(workflow(Status.RUNNING, done=1)), status(SUCCESS)]
    ]
    seen, _ = watch(edge)
    assert [Status.RUNNING, Status.SUCCESS] == statuses(seen)


def test_progress_is_told_as_it_comes() -> None:
    """One sighting each."""
    edge = FakeEdge(RUNNING)
    made = [progressed(workflow(Status.RUNNING, done=n), n) for n in (1, 2)]
    edge.streams = [[hello(), *made, status(SUCCESS)]]
    seen, _ = watch(edge)
    told = [s.workflow.progress.done for s in seen if isinstance(s, Seen) and s.workflow.progress]
    assert [1, 2] == told[:2]


def test_a_later_beat_alone_is_no_news() -> None:
    """Each reading has one."""
    later = msgspec.structs.replace(RUNNING, last_heartbeat_at=NOON)
    edge = FakeEdge(RUNNING)
    edge.streams = [[hello(), snapshot(later), status(SUCCESS)]]
    seen, _ = watch(edge)
    assert 2 == len(seen)


def test_a_stale_heartbeat_is_news() -> None:
    """It is what people watch for."""
    stale = workflow(Status.RUNNING, heartbeat="stale")
    edge = FakeEdge(RUNNING)
    edge.streams = [[hello(), snapshot(stale), status(SUCCESS)]]
    seen, _ = watch(edge)
    assert 3 == len(seen)


def test_a_broken_stream_is_taken_up_again_where_it_broke() -> None:
    """By the id of the last frame."""
    edge = FakeEdge(PENDING)
    edge.streams = [
        [hello(), status(RUNNING), httpx.ReadError("reset")],
        [hello(), status(SUCCESS)],
    ]
    seen, _ = watch(edge)
    first, second = edge.asked(EVENTS)
    assert "last-event-id" not in first.headers
    assert f"epoch-1:{RUNNING.position}" == second.headers["last-event-id"]
    assert [Status.PENDING, Status.RUNNING, Status.SUCCESS] == statuses(seen)


def test_a_lost_link_is_told_with_the_time_since_which_nothing_is_known() -> None:
    """And its return before anything else."""
    edge = FakeEdge(RUNNING)
    edge.streams = [
        [hello(), 0.5, httpx.ReadError("reset")],
        [httpx.ReadError("reset")],
        [hello(), status(SUCCESS)],
    ]
    seen, _ = watch(edge)
    kinds = [type(sighting) for sighting in seen]
    assert [Seen, LinkLost, Regained, Seen] == kinds
    lost = seen[1]
    assert isinstance(lost, LinkLost)
    assert NOON == lost.since  # when hello came, before the half second of silence
    assert "reset" in lost.reason


def test_a_stream_that_ends_by_age_is_no_news() -> None:
    """It is taken up again at once and nobody is troubled."""
    edge = FakeEdge(RUNNING)
    edge.streams = [[hello(), 5.0], [hello(), 5.0], [hello(), status(SUCCESS)]]
    seen, took_s = watch(edge)
    assert [Seen, Seen] == [type(sighting) for sighting in seen]
    assert 10.0 == pytest.approx(took_s)


def test_an_edge_that_is_away_for_an_hour_is_waited_for_with_bounded_pauses() -> None:
    """Seldom enough to be no burden, often enough to be back within seconds."""
    edge = FakeEdge(RUNNING)
    down: list[list[Step] | httpx.Response] = [[httpx.ReadError("down")] for _ in range(1_000)]
    edge.streams = [*down, [hello(), status(SUCCESS)]]
    seen, took_s = watch(edge)
    assert [Seen, LinkLost, Regained, Seen] == [type(sighting) for sighting in seen]
    assert 1_000 * 2.4 < took_s < 1_000 * 5.0


def test_patience_ends_a_watch_without_a_server() -> None:
    """After the time that was asked for, as unreachable."""
    edge = FakeEdge(RUNNING)
    edge.streams = [[hello()]]
    with pytest.raises(Unreachable, match="no lastword answers"):
        watch(edge, patience_s=30.0)


def test_an_edge_that_is_not_there_at_first_is_not_waited_for() -> None:
    """A wrong address must be told at once."""
    edge = FakeEdge(RUNNING)
    edge.answers["GET", ONE] = [httpx.ConnectError("refused")]
    with pytest.raises(Unreachable):
        watch(edge)


def test_an_unknown_workflow_is_refused_at_once() -> None:
    """It does not exist, so nothing can be waited for."""
    edge = FakeEdge(msgspec.structs.replace(RUNNING, id="another"))
    with pytest.raises(Refused):
        watch(edge)


def test_a_silent_stream_counts_as_lost() -> None:
    """After two and a half missing pings."""
    edge = FakeEdge(RUNNING)
    edge.streams = [[hello(), ping(), 1_000.0], [hello(), status(SUCCESS)]]
    seen, took_s = watch(edge)
    assert [Status.RUNNING, Status.SUCCESS] == statuses(seen)
    assert 2.5 * PING_S == pytest.approx(took_s)


def test_a_mute_stream_gives_way_to_polling() -> None:
    """A proxy that swallows streams costs five seconds, and not the truth."""
    edge = FakeEdge(RUNNING)
    edge.streams = [[1_000.0]]
    edge.answers["GET", ONE] = [_ok(RUNNING), _ok(RUNNING), _ok(SUCCESS)]
    seen, took_s = watch(edge)
    assert [Status.RUNNING, Status.SUCCESS] == statuses(seen)
    assert 7.0 == pytest.approx(took_s)  # five for the stream, two between two polls


@pytest.mark.parametrize("how", ["config", "refusal", "kind"])
def test_without_streams_the_workflow_is_polled(how: str) -> None:
    """Whether the edge says so beforehand, refuses the stream, or something else answers."""
    edge = FakeEdge(RUNNING)
    if how == "config":
        assert edge.config is not None
        edge.config = msgspec.structs.replace(edge.config, sse=False)
    elif how == "refusal":
        edge.streams = [_problem(404, "feature_off")]
    else:
        edge.streams = [httpx.Response(200, text="<html>", headers={"content-type": "text/html"})]
    edge.answers["GET", ONE] = [_ok(RUNNING), _ok(RUNNING), _ok(RUNNING), _ok(SUCCESS)]
    seen, _ = watch(edge)
    assert [Status.RUNNING, Status.SUCCESS] == statuses(seen)
    assert (0 if how == "config" else 1) == len(edge.asked(EVENTS))


def test_polling_is_conditional() -> None:
    """What has not changed is not sent again."""
    edge = FakeEdge(RUNNING)
    assert edge.config is not None
    edge.config = msgspec.structs.replace(edge.config, sse=False)
    edge.answers["GET", ONE] = [
        _ok(RUNNING),
        _ok(RUNNING),
        httpx.Response(304),
        httpx.Response(304),
        _ok(SUCCESS),
    ]
    watch(edge)
    conditions = [request.headers.get("if-none-match") for request in edge.asked(ONE)]
    assert [None, None, 'W/"x"', 'W/"x"', 'W/"x"'] == conditions


def test_polling_does_not_go_backwards() -> None:
    """An edge that is behind is asked which log it follows, and not believed where it is the same."""
    edge = FakeEdge(CANCELLING)
    assert edge.config is not None
    edge.config = msgspec.structs.replace(edge.config, sse=False)
    edge.answers["GET", ONE] = [_ok(CANCELLING), _ok(RUNNING), _ok(PENDING), _ok(SUCCESS)]
    seen, _ = watch(edge)
    assert [Status.CANCELLING, Status.SUCCESS] == statuses(seen)


def test_a_new_log_begins_at_new_positions() -> None:
    """After a change of epoch no position of before means anything."""
    edge = FakeEdge(CANCELLING)
    edge.streams = [[hello(epoch="epoch-2"), snapshot(RUNNING), status(SUCCESS)]]
    seen, _ = watch(edge)
    assert [Status.CANCELLING, Status.RUNNING, Status.SUCCESS] == statuses(seen)


def test_a_stream_that_was_heard_to_its_end_answers_204_and_is_read_once_more() -> None:
    """The last reading brings the terminal status that a cut hid."""
    edge = FakeEdge(RUNNING)
    edge.streams = [httpx.Response(204)]
    edge.answers["GET", ONE] = [_ok(RUNNING), _ok(SUCCESS)]
    seen, _ = watch(edge)
    assert [Status.RUNNING, Status.SUCCESS] == statuses(seen)


def test_a_busy_edge_says_when_to_come_back() -> None:
    """And is not asked before."""
    edge = FakeEdge(RUNNING)
    edge.streams = [_problem(429, "too_many_streams", retry_after_s=7), [hello(), status(SUCCESS)]]
    _, took_s = watch(edge)
    assert 7.0 == pytest.approx(took_s)


@pytest.mark.parametrize("code", [401, 403])
def test_lost_credentials_end_a_watch(code: int) -> None:
    """Asking again would not help."""
    edge = FakeEdge(RUNNING)
    edge.streams = [_problem(code, "unauthenticated")]
    with pytest.raises(Refused):
        watch(edge)


def test_a_frame_that_cannot_be_read_breaks_the_link_and_not_the_watch() -> None:
    """Something between may have garbled it."""
    edge = FakeEdge(RUNNING)
    edge.streams = [[hello(), b"data: {garbage\n\n"], [hello(), status(SUCCESS)]]
    seen, _ = watch(edge)
    assert [Status.RUNNING, Status.SUCCESS] == statuses(seen)


def test_frames_of_unknown_types_are_passed_over() -> None:
    """A newer edge may say more."""
    edge = FakeEdge(RUNNING)
    edge.streams = [[hello(), b'data: {"type":"weather","sun":true}\n\n', status(SUCCESS)]]
    seen, _ = watch(edge)
    assert [Status.RUNNING, Status.SUCCESS] == statuses(seen)


def test_an_edge_without_config_is_watched_all_the_same() -> None:
    """The defaults serve."""
    edge = FakeEdge(RUNNING)
    edge.config = None
    edge.streams = [[hello(), status(SUCCESS)]]
    assert [Status.RUNNING, Status.SUCCESS] == statuses(watch(edge)[0])


def _ok(shown: object) -> httpx.Response:
    return httpx.Response(200, content=msgspec.json.encode(shown), headers={"etag": 'W/"x"'})


def _problem(code: int, name: str, **more: object) -> httpx.Response:
    body = {"status": code, "code": name, "title": name, **more}
    return httpx.Response(code, json=body, headers={"content-type": "application/problem+json"})
