"""Commands: what they ask, what they write, and how they exit."""

import json
from pathlib import Path
from typing import Any

import click
import httpx
import msgspec
import pytest

from lastword.cli import COMMANDS, Root, invoke, main
from lastword.contracts.events import Error
from lastword.contracts.messages import Definition, LogLine
from lastword.contracts.statuses import ErrorCode, Status
from lastword.contracts.views import (
    DefinitionPage,
    ExecutorPage,
    ExecutorView,
    History,
    LogPage,
    WorkflowPage,
)
from tests.samples import second
from tests.unit.cli.fake_edge import ID, FakeEdge, Step, hello, status, workflow

ENDED = {
    Status.SUCCESS: workflow(Status.SUCCESS, position=14),
    Status.FAILED: workflow(Status.FAILED, position=14),
    Status.CANCELLED: workflow(Status.CANCELLED, position=14),
}
HOSTILE = "[bold red]x[/] \x1b[2J\x1b]0;title\x07 \u202e"


class Run:
    """What one run of the command line did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what runs a command line against an edge."""

    def ran(edge: FakeEdge | None, *arguments: str, environ: dict[str, str] | None = None) -> Run:
        transport = None if edge is None else edge.transport
        given = {"LASTWORD_URL": "http://edge.test"} if environ is None else environ
        code = invoke(arguments, given, Path("/nowhere"), transport=transport)
        written = capsys.readouterr()
        return Run(code, written.out, written.err)

    return ran


def ok(value: object, code: int = 200, **headers: str) -> httpx.Response:
    """Return an answer of the edge's."""
    return httpx.Response(code, content=msgspec.json.encode(value), headers=headers)


def problem(code: int, name: str, **more: Any) -> httpx.Response:
    """Return a problem of the edge's."""
    return httpx.Response(code, json={"status": code, "code": name, "title": f"Title of {name}", **more})


def starting(*frames: Step) -> FakeEdge:
    """Return an edge that accepts a start and then streams `frames`."""
    edge = FakeEdge(workflow(Status.PENDING))
    edge.answers["POST", "/workflows"] = [ok(edge.shown, 201)]
    edge.streams = [[hello(), *frames]]
    return edge


def test_start_sends_what_was_typed_and_writes_the_id_alone(run: Any) -> None:
    """So that a script can take it."""
    edge = starting()
    done = run(
        edge, "start", "brief", "-i", "topic=tidal", "-i", "n:=3", "--title", "T", "--idempotency-key", "k"
    )
    assert (0, f"{ID}\n", "") == (done.code, done.out, done.err)
    (request,) = edge.asked("/workflows")
    expected = {"definition": "brief", "inputs": {"topic": "tidal", "n": 3}, "title": "T", "started_by": None}
    assert expected == json.loads(request.content)
    assert "k" == request.headers["idempotency-key"]


def test_the_token_is_sent_as_a_bearer(run: Any) -> None:
    """And only where there is one."""
    edge = starting()
    run(edge, "start", "brief", environ={"LASTWORD_URL": "http://edge.test", "LASTWORD_TOKEN": "t0ken"})
    assert "Bearer t0ken" == edge.requests[0].headers["authorization"]
    run(edge, "start", "brief")
    assert "authorization" not in edge.requests[1].headers


@pytest.mark.parametrize(("ended", "code"), [("success", 0), ("failed", 1), ("cancelled", 3)])
def test_watching_exits_by_the_end(run: Any, ended: str, code: int) -> None:
    """Alike for `start --watch`, `watch` and `retry --watch`."""
    last = ENDED[Status(ended)]
    assert code == run(starting(status(last)), "start", "brief", "--watch").code
    edge = starting(status(last))
    assert code == run(edge, "watch", ID).code
    edge = starting(status(last))
    edge.answers["POST", "/workflows/old/retry"] = [ok(edge.shown, 201)]
    assert code == run(edge, "retry", "old", "--watch").code


def test_plain_watching_writes_one_line_per_change_and_the_result(run: Any) -> None:
    """No colour, no cursor."""
    frames = [status(workflow(Status.RUNNING, done=n)) for n in (0, 1, 1)]
    done = run(starting(*frames, status(ENDED[Status.SUCCESS])), "watch", ID)
    lines = done.out.splitlines()
    words = [line[10:] for line in lines[:4]]
    expected = ["pending", "running  0/3  task 0", "running  1/3  task 1", "success, 1 warning"]
    assert [f"{ID}  {text}" for text in expected] == words
    assert "Tides turn." in done.out
    assert "\x1b" not in done.out


def test_a_lost_link_is_told_in_a_plain_watch(run: Any) -> None:
    """With the time as of which the last line was true."""
    edge = starting(httpx.ReadError("reset"))
    edge.streams.append([hello(), status(ENDED[Status.SUCCESS])])
    done = run(edge, "watch", ID)
    assert "connection lost (reset); true as of " in done.out
    assert "connected again" in done.out


def test_json_watching_writes_one_document_per_change(run: Any) -> None:
    """Exactly what the edge said, fields that this version does not know included."""
    edge = starting(status(workflow(Status.RUNNING)), status(ENDED[Status.SUCCESS]))
    done = run(edge, "watch", ID, "--json")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert ["pending", "running", "success"] == [line["status"] for line in lines]
    assert "" == done.err
    newer = json.loads(msgspec.json.encode(ENDED[Status.SUCCESS])) | {"mood": "fine"}
    edge.answers["GET", f"/workflows/{ID}"] = [ok(newer)]
    assert "fine" == json.loads(run(edge, "watch", ID, "--json").out)["mood"]


def test_a_server_that_is_not_there_is_named_with_the_remedy(run: Any) -> None:
    """Exit 4, as text and as a problem."""
    edge = FakeEdge(workflow(Status.PENDING))
    edge.answers["GET", "/workflows"] = [httpx.ConnectError("refused")]
    done = run(edge, "list")
    assert 4 == done.code
    assert "http://edge.test (LASTWORD_URL)" in done.err
    assert "lastword up" in done.err
    told = run(edge, "list", "--json")
    assert (4, "", "unreachable") == (told.code, told.out, json.loads(told.err)["code"])


@pytest.mark.parametrize(
    ("status_code", "code"), [(400, 5), (409, 5), (500, 5), (502, 4), (503, 4), (504, 4)]
)
def test_a_refusal_exits_by_whether_trying_again_may_help(run: Any, status_code: int, code: int) -> None:
    """4 for what passes, 5 for what does not."""
    edge = FakeEdge(workflow(Status.PENDING))
    edge.answers["POST", f"/workflows/{ID}/cancel"] = [
        problem(status_code, "some_code", detail="The detail.")
    ]
    done = run(edge, "cancel", ID)
    assert code == done.code
    assert "Title of some_code: The detail." in done.err
    assert "some_code" == json.loads(run(edge, "cancel", ID, "--json").err)["code"]


def test_what_lastword_did_not_write_is_said_to_be_so(run: Any) -> None:
    """A proxy's page, and another server on the port."""
    edge = FakeEdge(workflow(Status.PENDING))
    edge.answers["GET", "/workflows"] = [httpx.Response(502, text="<html>Bad gateway</html>")]
    done = run(edge, "list")
    assert 4 == done.code
    assert "lastword did not write" in done.err
    edge.answers["GET", "/workflows"] = [
        httpx.Response(200, text="It works!", headers={"content-type": "text/html"})
    ]
    done = run(edge, "list")
    assert 4 == done.code
    assert "not what lastword says" in done.err


def test_an_unknown_definition_lists_the_known_ones_and_the_nearest(run: Any) -> None:
    """So that a typing error is mended at a glance."""
    edge = FakeEdge(workflow(Status.PENDING))
    known = ["research-brief", "triage"]
    edge.answers["POST", "/workflows"] = [
        problem(404, "unknown_definition", detail="No `reserch`.", known=known)
    ]
    done = run(edge, "start", "reserch-brief")
    assert 5 == done.code
    assert "Did you mean research-brief?" in done.err
    assert "research-brief, triage" in done.err


def test_inputs_that_do_not_fit_are_named_field_by_field_with_how_to_write_them(run: Any) -> None:
    """A number that was typed as text is the likeliest cause."""
    errors = [
        {"field": "inputs.depth", "message": "'5' is not of type 'integer'"},
        {"field": "inputs.topic", "message": "is required"},
    ]
    edge = FakeEdge(workflow(Status.PENDING))
    edge.answers["POST", "/workflows"] = [problem(422, "invalid_inputs", detail="2 fields", errors=errors)]
    done = run(edge, "start", "brief", "-i", "depth=5")
    assert 5 == done.code
    assert "inputs.depth: '5' is not of type 'integer'" in done.err
    assert "inputs.topic: is required" in done.err
    assert "-i depth:=" in done.err
    assert "-i topic:=" not in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("strat",),
        ("start",),
        ("list", "--status", "done"),
        ("list", "--limit", "0"),
        ("start", "x", "-i", "y"),
        ("list", "--since", "soon"),
        ("list", "--nonsense"),
        ("list", "--url", "nowhere"),
    ],
)
def test_bad_usage_exits_with_2_and_asks_nobody(run: Any, arguments: tuple[str, ...]) -> None:
    """As text, and as a problem on standard error."""
    edge = FakeEdge(workflow(Status.PENDING))
    assert 2 == run(edge, *arguments).code
    told = run(edge, *arguments, "--json")
    assert (2, "", "bad_usage") == (told.code, told.out, json.loads(told.err)["code"])
    assert [] == edge.requests


def test_a_mistyped_command_gets_the_nearest(run: Any) -> None:
    """And one that is like none gets none."""
    assert "Did you mean 'start'?" in run(None, "strat").err
    assert "Did you mean" not in run(None, "xyzzy").err


def test_cancel_shows_how_it_stands_and_waits_where_asked(run: Any) -> None:
    """After the wait it is 0 however it ended: it is over."""
    edge = FakeEdge(workflow(Status.RUNNING))
    edge.answers["POST", f"/workflows/{ID}/cancel"] = [ok(workflow(Status.CANCELLING))]
    done = run(edge, "cancel", ID)
    assert 0 == done.code
    assert "cancelling" in done.out
    for ended in ENDED.values():
        edge.streams = [[hello(), status(ended)]]
        assert 0 == run(edge, "cancel", ID, "--wait").code


def test_cancel_of_what_has_ended_says_how(run: Any) -> None:
    """Exit 5, and where to look."""
    edge = FakeEdge(ENDED[Status.SUCCESS])
    ended = json.loads(msgspec.json.encode(ENDED[Status.SUCCESS]))
    refusal = problem(409, "already_terminal", detail="It is success since 12:00.", workflow=ended)
    edge.answers["POST", f"/workflows/{ID}/cancel"] = [refusal]
    done = run(edge, "cancel", ID)
    assert 5 == done.code
    assert "It is success since 12:00." in done.err
    assert f"lastword show {ID}" in done.err


def test_retry_and_reconcile_answer_with_what_stands(run: Any) -> None:
    """The new id, and the status."""
    edge = FakeEdge(workflow(Status.RUNNING))
    edge.answers["POST", "/workflows/old/retry"] = [ok(edge.shown, 201)]
    edge.answers["POST", f"/workflows/{ID}/reconcile"] = [ok(edge.shown)]
    assert f"{ID}\n" == run(edge, "retry", "old").out
    assert "running" in run(edge, "reconcile", ID).out
    assert "running" == json.loads(run(edge, "reconcile", ID, "--json").out)["status"]


def test_list_asks_with_every_filter_and_writes_whole_rows(run: Any) -> None:
    """Tabs between the cells, for scripts; nothing is cut."""
    edge = FakeEdge(workflow(Status.PENDING))
    page = WorkflowPage(
        items=(workflow(Status.FAILED, title="t" * 50), edge.shown), next_cursor="c", position=9
    )
    edge.answers["GET", "/workflows"] = [ok(page)]
    filters = ("--status", "failed", "--status", "pending", "--definition", "d", "-q", "x", "--since", "2h")
    causes = ("--error", "shutdown", "--error", "exception")
    done = run(edge, "list", *filters, *causes, "--sort", "-id", "--limit", "5", "--cursor", "c0")
    query = edge.requests[0].url.params
    assert ["failed", "pending"] == query.get_list("status")
    assert ["shutdown", "exception"] == query.get_list("error")
    assert ["d", "x", "-id", "5", "c0"] == [
        query[name] for name in ("definition", "q", "sort", "limit", "cursor")
    ]
    assert query["since"].endswith("+00:00")
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert ["ID", "STATUS", "PROGRESS", "CREATED", "TOOK", "TITLE"] == rows[0]
    assert [ID, "✗ failed (exception)"] == rows[1][:2]
    assert "t" * 50 == rows[1][5]
    assert json.loads(run(edge, "list", "--json").out)["next_cursor"] == "c"


def test_show_tells_everything(run: Any) -> None:
    """Inputs, tasks, history, result."""
    edge = FakeEdge(ENDED[Status.SUCCESS])
    edge.answers["GET", f"/workflows/{ID}/history"] = [ok(History(items=()))]
    done = run(edge, "show", ID)
    assert 0 == done.code
    for text in (
        ID,
        "success, 1 warning",
        "host-1",
        "write",
        "history",
        "the tool `search` failed once",
        "Tides turn.",
    ):
        assert text in done.out
    assert "success" == json.loads(run(edge, "show", ID, "--json").out)["status"]


def test_show_writes_a_result_alone(run: Any) -> None:
    """Also one that is too large to come with its workflow."""
    edge = FakeEdge(ENDED[Status.SUCCESS])
    edge.answers["GET", f"/workflows/{ID}/result"] = [ok("a\nb")]
    assert "a\nb\n" == run(edge, "show", ID, "--result").out
    assert '"a\\nb"\n' == run(edge, "show", ID, "--result", "--json").out


def test_an_unknown_workflow_is_refused_with_where_to_look(run: Any) -> None:
    """Exit 5."""
    done = run(FakeEdge(workflow(Status.PENDING)), "show", "nobody")
    assert 5 == done.code
    assert "lastword list" in done.err


def test_an_id_cannot_leave_its_place_in_the_path(run: Any) -> None:
    """Whatever is typed, one workflow is asked for."""
    edge = FakeEdge(workflow(Status.PENDING))
    run(edge, "show", "../config?x=1#y")
    assert b"/workflows/..%2Fconfig%3Fx%3D1%23y" == edge.requests[0].url.raw_path


def test_definitions_show_inputs_and_what_is_broken(run: Any) -> None:
    """With the error."""
    good = Definition(name="brief", kind="crew", input_schema={"properties": {"topic": {"type": "string"}}})
    bad = Definition(name="bad", kind="broken", input_schema={}, error="No module named 'nope'")
    edge = FakeEdge(workflow(Status.PENDING))
    edge.answers["GET", "/definitions"] = [ok(DefinitionPage(items=(good, bad)))]
    out = run(edge, "definitions").out
    assert "brief\tcrew\ttopic?: string" in out
    assert "broken: No module named 'nope'" in out


def test_executors_show_who_works(run: Any) -> None:
    """State, load, and what they serve."""
    one = ExecutorView(
        executor="host-1",
        state="serving",
        host="host",
        pid=7,
        version="1",
        started_at=None,
        last_beat_at=second(0),
        slots=8,
        running=("a", "b"),
        definitions=("brief",),
    )
    edge = FakeEdge(workflow(Status.PENDING))
    edge.answers["GET", "/executors"] = [ok(ExecutorPage(items=(one,)))]
    assert "host-1\tserving\t2/8\t" in run(edge, "executors").out


def lines_of(*texts: str, stream: str = "stdout") -> tuple[LogLine, ...]:
    """Return lines of output."""
    return tuple(LogLine(at=second(0), stream=stream, text=text) for text in texts)


def test_logs_are_read_page_by_page_to_where_they_stand_still(run: Any) -> None:
    """A live workflow's end has a cursor, and is not waited for unless asked."""
    edge = FakeEdge(workflow(Status.RUNNING))
    pages = [
        LogPage(items=lines_of("one", "two"), next_cursor="7"),
        LogPage(items=lines_of("three", stream="stderr"), next_cursor="9", dropped=4),
        LogPage(items=(), next_cursor="9"),
    ]
    edge.answers["GET", f"/workflows/{ID}/logs"] = [ok(page) for page in pages]
    done = run(edge, "logs", ID)
    assert ["one", "two", "[stderr] three"] == [line[9:] for line in done.out.splitlines()]
    assert "4 lines were left out" in done.err
    assert [None, "7", "9"] == [request.url.params.get("cursor") for request in edge.requests]


def test_following_logs_goes_on_until_the_workflow_has_ended(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And over an outage of the server."""
    monkeypatch.setattr("lastword.cli.logs.LOOK_S", 0)
    edge = FakeEdge(workflow(Status.RUNNING))
    edge.answers["GET", f"/workflows/{ID}/logs"] = [
        ok(LogPage(items=(), next_cursor="0")),
        ok(LogPage(items=lines_of("one"), next_cursor="3")),
        httpx.ConnectError("refused"),
        problem(503, "unavailable"),
        ok(LogPage(items=(), next_cursor="3")),
        ok(LogPage(items=lines_of("two"), next_cursor=None)),
    ]
    done = run(edge, "logs", ID, "--follow", "--json")
    assert 0 == done.code
    assert ["one", "two"] == [json.loads(line)["text"] for line in done.out.splitlines()]


def test_text_of_others_cannot_do_anything(run: Any) -> None:
    """Escapes are shown, markup is text, in every place where a workflow's words appear."""
    error = Error(code=ErrorCode.EXCEPTION, message=HOSTILE, type=HOSTILE, traceback=HOSTILE, output=HOSTILE)
    shown = workflow(
        Status.FAILED,
        position=14,
        title=HOSTILE,
        error=error,
        executor=HOSTILE,
        inputs={HOSTILE: HOSTILE},
        warnings=(HOSTILE,),
        result=HOSTILE,
        started_by=HOSTILE,
    )
    edge = FakeEdge(shown)
    edge.answers["GET", f"/workflows/{ID}/history"] = [ok(History(items=()))]
    edge.answers["GET", "/workflows"] = [ok(WorkflowPage(items=(shown,), next_cursor=None, position=1))]
    edge.answers["GET", f"/workflows/{ID}/logs"] = [ok(LogPage(items=lines_of(HOSTILE), next_cursor=None))]
    refusal = problem(409, "already_terminal", detail=HOSTILE, known=[HOSTILE])
    edge.answers["POST", f"/workflows/{ID}/cancel"] = [refusal]
    for arguments in (
        ["show", ID],
        ["watch", ID],
        ["list"],
        ["logs", ID],
        ["cancel", ID],
        ["show", ID, "--json"],
    ):
        done = run(edge, *arguments)
        written = done.out + done.err
        assert "\x1b" not in written
        assert "\x07" not in written
        assert "\u202e" not in written
        assert "[bold red]x[/]" in written


def test_a_fault_of_ours_is_not_taken_for_a_failed_workflow(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 70, with the traceback."""
    monkeypatch.setattr("lastword.cli.client.EdgeClient.workflows", None)
    done = run(FakeEdge(workflow(Status.PENDING)), "list")
    assert 70 == done.code
    assert "TypeError" in done.err


def test_ctrl_c_leaves_the_workflow_running_and_says_how_to_come_back(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 130."""

    class Interrupting(FakeEdge):
        def _stream(self) -> httpx.Response:
            raise KeyboardInterrupt

    edge = Interrupting(workflow(Status.RUNNING))
    edge.answers["POST", "/workflows"] = [ok(edge.shown, 201)]
    for arguments in (["watch", ID], ["start", "brief", "--watch"], ["cancel", ID, "--wait"]):
        edge.answers["POST", f"/workflows/{ID}/cancel"] = [ok(edge.shown)]
        done = run(edge, *arguments)
        assert 130 == done.code
        assert f"lastword watch {ID}" in done.err


def test_ctrl_c_before_the_answer_claims_nothing(run: Any) -> None:
    """Whether it was started is not known here."""
    edge = FakeEdge(workflow(Status.PENDING))
    edge.answers["POST", "/workflows"] = [KeyboardInterrupt()]
    done = run(edge, "start", "brief")
    assert 130 == done.code
    assert "lastword list" in done.err


def test_whom_it_asks_is_told_where_that_is_a_guess(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another project's lastword may answer; programs that read JSON are told nothing but JSON."""
    (tmp_path / ".lastword").mkdir()
    edge = FakeEdge(workflow(Status.RUNNING))

    def said(*arguments: str, **environ: str) -> str:
        edge.answers["GET", "/workflows"] = [ok(WorkflowPage(items=(), next_cursor=None, position=1))]
        assert 0 == invoke(["list", *arguments], environ, tmp_path, transport=edge.transport)
        return capsys.readouterr().err

    expected = "nothing runs in this folder; asking http://127.0.0.1:8484, which may be another project's\n"
    assert expected == said()
    assert "" == said("--json")
    assert "" == said(LASTWORD_URL="http://edge.test")


def test_version_is_told_in_both_ways(run: Any) -> None:
    """As an option and as a command."""
    assert run(None, "--version").out.startswith("lastword ")
    assert {"lastword", "python"} == set(json.loads(run(None, "version", "--json").out))


def test_the_list_says_of_each_command_what_it_says_of_itself() -> None:
    """The list is written without loading them, so the two could drift."""
    group = main
    assert isinstance(group, Root)
    for name, lazy in COMMANDS.items():
        command = group.get_command(click.Context(group), name)
        assert command is not None
        assert lazy.help == command.short_help


@pytest.mark.parametrize("command", ["show", "watch", "cancel", "logs", "reconcile"])
def test_an_id_that_is_empty_is_named(run: Any, command: str) -> None:
    """As an unset variable gives it; nothing is asked of the server."""
    edge = starting()
    done = run(edge, command, "")
    assert 2 == done.code
    assert "ID is empty" in done.err
    assert [] == [request for request in edge.requests if request.url.path != "/config"]
