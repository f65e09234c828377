"""The dashboards: what Grafana would draw, of metrics that there are, in queries that Prometheus can read."""

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.integration.deploy.promtool import check_expression, promtool
from tools.dashboards import DASHBOARDS
from tools.grafana import DATASOURCE, OVER

GRAFANA: Final = Path(__file__).parents[3] / "deploy" / "grafana"
PATHS: Final = sorted((GRAFANA / "dashboards").glob("*.json"))


def panels(path: Path) -> list[dict[str, Any]]:
    """Return the panels of a dashboard, the titles of rows left out."""
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def queries(path: Path) -> list[str]:
    """Return the queries of a dashboard, over a span where Grafana would choose one."""
    return [target["expr"].replace(OVER, "5m") for panel in panels(path) for target in panel["targets"]]


def test_every_dashboard_is_there_and_only_those() -> None:
    """One that is no longer generated would go stale unnoticed; `make contracts` sees to the others."""
    assert {f"{dashboard.name}.json" for dashboard in DASHBOARDS} == {path.name for path in PATHS}
    assert {1} == set(Counter(json.loads(path.read_text("utf-8"))["uid"] for path in PATHS).values())


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_panels_have_their_own_place_and_number(path: Path) -> None:
    """Nothing overlaps, and nothing sticks out of the 24 columns."""
    every = json.loads(path.read_text("utf-8"))["panels"]
    assert {1} == set(Counter(panel["id"] for panel in every).values())
    places = [panel["gridPos"] for panel in every]
    assert all(0 <= place["x"] and place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_queries_speak_of_metrics_that_there_are(path: Path) -> None:
    """Under their names and labels, and so do the legends."""
    for query in queries(path):
        check_expression(query)


def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    """As an expression of its own language."""
    every = [query for path in PATHS for query in queries(path)]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(every)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


def test_the_provisioned_source_is_the_one_that_panels_ask() -> None:
    """And the dashboards lie where Grafana is told to look."""
    sources = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text("utf-8"))
    assert [DATASOURCE] == [
        {"type": source["type"], "uid": source["uid"]} for source in sources["datasources"]
    ]
    assert all(DATASOURCE == panel["datasource"] for path in PATHS for panel in panels(path))
    provided = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "lastword.yml").read_text("utf-8"))
    assert ["/var/lib/grafana/dashboards"] == [one["options"]["path"] for one in provided["providers"]]
