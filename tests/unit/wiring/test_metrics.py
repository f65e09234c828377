"""What other processes tell of themselves, shown beside one's own."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from lastword.wiring.metrics import MAX_TEXT, Neighbours
from tests.unit.actors.fakes import counted, fresh_metrics

TEXT = b"# TYPE lastword_x gauge\nlastword_x 1.0\n"


def _shown(neighbours: Neighbours) -> str:
    registry = CollectorRegistry()
    registry.register(neighbours)
    return generate_latest(registry).decode()


def test_a_process_is_shown_under_its_name() -> None:
    """The text that it told last."""
    neighbours = Neighbours(fresh_metrics())
    neighbours.hear("a", TEXT.replace(b"1.0", b"7.0"))
    neighbours.hear("a", TEXT)
    assert 'lastword_x{process="a"} 1.0' in _shown(neighbours)


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"{", b'x{a="', b"x" * MAX_TEXT, b"# TYPE x\n# HELP\nx 1 2 3 4\n"]
)
def test_what_is_no_text_of_metrics_spoils_nothing(text: bytes) -> None:
    """Whoever has an executor's credentials can tell anything: the others are shown."""
    neighbours = Neighbours(fresh_metrics())
    neighbours.hear("a", TEXT)
    neighbours.hear("b", text)
    assert 'lastword_x{process="a"} 1.0' in _shown(neighbours)


def test_a_flood_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of names, and of text."""
    monkeypatch.setattr("lastword.wiring.metrics.MAX_PROCESSES", 2)
    metrics = fresh_metrics()
    neighbours = Neighbours(metrics)
    for name in ("a", "b", "c", "a"):
        neighbours.hear(name, TEXT)
    neighbours.hear("a", b"x" * (MAX_TEXT + 1))
    assert 2 == _shown(neighbours).count("lastword_x{")
    assert 1 == counted(metrics, "refused_messages_total", kind="metrics", reason="excess")
    assert 1 == counted(metrics, "refused_messages_total", kind="metrics", reason="oversize")
