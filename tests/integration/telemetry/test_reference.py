"""The page of metrics says what the class says."""

from pathlib import Path

from lastword.telemetry.reference import metrics_page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


def test_the_committed_page_is_the_generated_one() -> None:
    """`python -m lastword.telemetry.reference > docs/reference/metrics.md` makes it so again."""
    assert metrics_page() == PAGE.read_text("utf-8")
