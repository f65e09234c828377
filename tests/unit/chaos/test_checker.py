"""The judge of the campaign catches each lie that is planted in a history, and nothing in an honest one."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.chaos.checker import check, detections, ends_by_workflow, touching
from tests.chaos.history import Acknowledged, Client, Faulted, History, Lived, Recorded, Told

replace = msgspec.structs.replace


def _record(position: int, status: str, at_s: float, workflow: str = "w", **given: Any) -> Recorded:
    fields: dict[str, Any] = {"how": "returns", "executor": "x0-1", "lease": 2, **given}
    return Recorded(position=position, workflow=workflow, status=status, stored_s=at_s, **fields)


def _told(at_s: float, kind: str, position: int, status: str | None, workflow: str = "w") -> Told:
    return Told(at_s=at_s, kind=kind, workflow=workflow, position=position, status=status)


def _client(*told: Told, promised: bool = True) -> Client:
    return Client(name="page", wire="ws", promised=promised, follows=("w",), told=told)


LOG = (_record(1, "pending", 1.0, executor=None), _record(2, "running", 2.0), _record(3, "success", 5.1))
TOLD = (
    _told(1.1, "snapshot", 1, "pending"),
    _told(2.1, "status", 2, "running"),
    _told(5.2, "status", 3, "success"),
    _told(5.2, "end", 3, None),
)
HONEST = History(
    lived=(Lived(workflow="w", pid=7, began_s=2.2, word="returns", ended_s=5.0),),
    faults=(),
    acknowledged=(Acknowledged(verb="start", workflow="w", at_s=1.0),),
    log=LOG,
    clients=(_client(*TOLD),),
    database="same",
    replay="same",
)


def _ended(code: str | None, word: str | None, *faults: Faulted, status: str = "failed") -> History:
    """Return how it ended otherwise, and everybody was told so."""
    told = tuple(
        replace(one, status=status) if one.status == "success" else one for one in HONEST.clients[0].told
    )
    return replace(
        HONEST,
        lived=(replace(HONEST.lived[0], word=word),),
        log=(*LOG[:2], replace(LOG[2], status=status, code=code)),
        faults=faults,
        clients=(_client(*told),),
    )


def _fault(kind: str, began_s: float, ended_s: float, target: str = "x0-1") -> Faulted:
    return Faulted(kind=kind, target=target, began_s=began_s, ended_s=ended_s)


def _rules(history: History) -> set[str]:
    return {violation.rule for violation in check(history)}


LIES: dict[str, tuple[History, str]] = {
    "a lost report": (
        replace(HONEST, log=LOG[:2], clients=(_client(*TOLD[:2]),)),
        "stuck",
    ),
    "an early verdict": (_ended("heartbeat_timeout", None), "early verdict"),
    "a verdict after a blink": (
        _ended("executor_lost", None, _fault("cut executor", 4.0, 4.5)),
        "early verdict",
    ),
    "a verdict because NATS was away": (
        _ended("heartbeat_timeout", None, _fault("kill nats", 2.5, 4.9, "n1")),
        "early verdict",
    ),
    "a verdict because another executor was": (
        _ended("executor_lost", None, _fault("kill executor", 3.0, 3.0, "x1-1")),
        "early verdict",
    ),
    "a regression": (replace(HONEST, log=(*LOG, _record(4, "running", 6.0))), "regression"),
    "a second terminal status": (replace(HONEST, log=(*LOG, _record(4, "failed", 6.0))), "regression"),
    "a double end": (replace(HONEST, clients=(_client(*TOLD, TOLD[-1]),)), "double end"),
    "no end": (replace(HONEST, clients=(_client(*TOLD[:-1]),)), "double end"),
    **{
        f"a verdict because of a {kind}": (
            _ended("heartbeat_timeout", None, _fault(f"{kind} executor", 1.0, 4.9)),
            "early verdict",
        )
        for kind in ("fill", "jump", "hold", "repeat")
    },
    "news after the end": (
        replace(HONEST, clients=(_client(*TOLD, _told(5.3, "status", 3, "success")),)),
        "double end",
    ),
    "an end before its status": (
        replace(HONEST, clients=(_client(*TOLD[:2], TOLD[3], TOLD[2]),)),
        "untold",
    ),
    "a client left behind": (replace(HONEST, clients=(_client(*TOLD[:2]),)), "untold"),
    "a client told backwards": (
        replace(HONEST, clients=(_client(*TOLD[:2], TOLD[0], *TOLD[2:]),)),
        "told backwards",
    ),
    "a status that is in no log": (
        replace(HONEST, clients=(_client(_told(1.5, "status", 2, "failed"), *TOLD[1:]),)),
        "told a lie",
    ),
    "a lost start": (
        replace(HONEST, acknowledged=(Acknowledged(verb="start", workflow="gone", at_s=1.0),)),
        "lost command",
    ),
    "a lost cancel": (
        replace(
            HONEST,
            log=LOG[:2],
            acknowledged=(Acknowledged(verb="cancel", workflow="w", at_s=3.0),),
        ),
        "lost command",
    ),
    "a database that is not the replay": (replace(HONEST, database="other"), "database"),
    "a success that was none": (
        replace(HONEST, lived=(replace(HONEST.lived[0], word="exits 0"),)),
        "wrong outcome",
    ),
    "a success that was killed": (
        replace(HONEST, lived=(replace(HONEST.lived[0], word=None),)),
        "wrong outcome",
    ),
    "a failure that was none": (_ended("abrupt_exit", "returns"), "wrong outcome"),
    "the wrong cause": (_ended("exit_without_result", "raises"), "wrong outcome"),
    "a cancel that nobody asked for": (_ended(None, None, status="cancelled"), "wrong outcome"),
    "a process run twice": (replace(HONEST, lived=HONEST.lived * 2), "run twice"),
    "a process left over": (replace(HONEST, lived=(replace(HONEST.lived[0], ended_s=None),)), "zombie"),
    "a stale heartbeat of nothing": (replace(HONEST, stale=(0, 1)), "stale"),
    "a right that nobody gave": (replace(HONEST, denied=("purge",)), "denied"),
    "an end told late": (replace(HONEST, log=(*LOG[:2], _record(3, "success", 31.0))), "late"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_planted_lie_is_caught(lie: str) -> None:
    """Each rule has something to catch, and catches it."""
    history, rule = LIES[lie]

    assert rule in _rules(history)


TRUTHS: dict[str, Callable[[], History]] = {
    "nothing happened": lambda: HONEST,
    "the executor was killed": lambda: _ended("executor_lost", None, _fault("kill executor", 4.9, 4.9)),
    "it was killed long ago": lambda: _ended("executor_lost", None, _fault("kill executor", -90.0, -90.0)),
    "its host vanished": lambda: _ended("heartbeat_timeout", None, _fault("vanish executor", -9.0, -9.0)),
    "its cable was pulled": lambda: _ended("heartbeat_timeout", None, _fault("unplug executor", -9.0, 6.0)),
    "the executor was frozen": lambda: _ended("heartbeat_timeout", None, _fault("stop executor", 3.0, 5.0)),
    "the child was killed": lambda: _ended("abrupt_exit", None, _fault("kill child", 5.0, 5.0, "w")),
    "it was killed as it returned": lambda: _ended(
        "abrupt_exit", "returns", _fault("kill child", 5.0, 5.0, "w")
    ),
    "it raised": lambda: _ended("exception", "raises"),
    "it died of itself": lambda: _ended("abrupt_exit", "dies SIGSEGV"),
    "NATS was away, so it was told late": lambda: replace(
        HONEST,
        log=(*LOG[:2], _record(3, "success", 40.0)),
        faults=(_fault("kill nats", 4.0, 39.0, "n1"),),
    ),
    "a client that was away loaded the list": lambda: replace(
        HONEST, clients=(_client(TOLD[0], replace(TOLD[2], kind="listed")),)
    ),
    "a plain subscriber missed the end": lambda: replace(
        HONEST, clients=(_client(*TOLD[:2], promised=False),)
    ),
}


@pytest.mark.parametrize("truth", TRUTHS)
def test_what_may_happen_is_no_violation(truth: str) -> None:
    """The judge does not cry wolf."""
    assert [] == check(TRUTHS[truth]())


def test_the_first_telling_counts_from_the_end_of_the_process() -> None:
    """Detection times compare the kernel's word with a client's."""
    assert {"w": pytest.approx(0.2)} == detections(HONEST)


@pytest.mark.parametrize(
    ("fault", "touched"),
    [
        (_fault("stop executor", 1.0, 2.5), True),
        (_fault("stop executor", 1.0, 2.1), False),
        (_fault("stop executor", 1.0, 2.5, "x1-1"), False),
        (_fault("kill child", 3.0, 3.0, "w"), True),
        (_fault("kill child", 3.0, 3.0, "v"), False),
        (_fault("kill nats", 4.0, 5.05, "n2"), True),
        (_fault("kill nats", 3.0, 4.0, "n2"), False),
    ],
)
def test_a_fault_counts_where_it_could_matter(fault: Faulted, touched: bool) -> None:  # noqa: FBT001
    """The table puts a workflow into the rows of what struck it, and into no other."""
    history = replace(HONEST, faults=(fault,))

    found = touching(history, ends_by_workflow(history)["w"], history.lived[0])

    assert ({fault.kind} if touched else set()) == found
