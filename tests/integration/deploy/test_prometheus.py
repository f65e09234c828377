"""Prometheus' configuration and rules: valid, tested, explained, and about metrics that there are."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.integration.deploy.promtool import (
    PROMETHEUS,
    alerts,
    check_expression,
    promtool,
    rules,
    selectors,
)

TESTS: Final = sorted((PROMETHEUS / "tests").glob("*.yml"))
RULES: Final = sorted((PROMETHEUS / "rules").glob("*.yml"))
RUNBOOK: Final = "docs/how-to/alerts.md"


def test_the_configuration_is_valid() -> None:
    """The files that it names are where it is deployed, so only its own text is checked."""
    promtool("check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml")
    named = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))["rule_files"]
    assert RULES == sorted(path for pattern in named for path in PROMETHEUS.glob(pattern))


def test_the_rules_are_valid() -> None:
    """Their expressions can be parsed, their templates filled in, and no two are the same."""
    promtool("check", "rules", "--lint-fatal", *RULES)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path: Path) -> None:
    """What each file tells, Prometheus' own engine plays."""
    promtool("test", "rules", path)


def test_every_alert_is_seen_to_fire_and_to_be_silent() -> None:
    """One that never fires in a test may never fire at all; one that always does is noise."""
    seen: dict[str, set[bool]] = defaultdict(set)
    for path in TESTS:
        for case in yaml.safe_load(path.read_text("utf-8"))["tests"]:
            for expectation in case["promql_expr_test"]:
                for selector in selectors(expectation["expr"]):
                    if selector.name == "ALERTS":
                        fires = bool(expectation.get("exp_samples"))
                        asked = {label: value for label, _, value in selector.matchers}
                        seen[asked["alertname"]].add(fires)
    assert {name: {False, True} for name in alerts()} == dict(seen)


@pytest.mark.parametrize("name", list(alerts()))
def test_an_alert_says_what_it_is_how_bad_and_what_to_do(name: str) -> None:
    """The page that it leads to has a section under its name."""
    alert = alerts()[name]
    assert alert["labels"]["severity"] in {"critical", "warning"}
    notes = alert["annotations"]
    assert f"{RUNBOOK}#{name.lower()}" == notes["runbook_url"]
    assert notes["summary"]
    assert notes["description"].endswith(".")
    page = (PROMETHEUS.parents[1] / RUNBOOK).read_text("utf-8")
    (section,) = re.findall(rf"^### {name}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    assert alert["labels"]["severity"] in section.splitlines()[1]
    assert "**Do**" in section


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_speaks_of_metrics_that_there_are(rule: dict[str, Any]) -> None:
    """Under their names, with their labels, and with values that those can have."""
    check_expression(rule["expr"])


@pytest.mark.parametrize(
    "expression",
    [
        "lastword_workflow",  # no such metric
        'lastword_workflows{state="running"}',  # no such label
        'lastword_workflows{status="succes"}',  # no such value
        'lastword:workflows:max{status=~"running|canceling"} > 0 or lastword_nothing',
        "sum by (definition) (lastword_workflows)",  # groups by what it has not
        "vector(1)",  # looks at nothing
    ],
)
def test_what_there_is_not_is_found_out(expression: str) -> None:
    """In rules as in dashboards, which are checked by the same."""
    with pytest.raises(AssertionError):
        check_expression(expression)
