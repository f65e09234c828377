"""Grafana's JSON, made of rows of panels: places, ids and colours are worked out here.

Grafana's own builders for Python follow its releases by half a year, and take twenty lines for a panel; of
its model these dashboards need two kinds of panel and a few of their options.
"""

import json
from typing import Any, Final, NamedTuple, Self

__all__ = ["DATASOURCE", "OVER", "Dashboard", "Panel", "Row"]

DATASOURCE: Final = {"type": "prometheus", "uid": "lastword"}
"""As `deploy/grafana/provisioning` names it."""
OVER: Final = "$__rate_interval"
SCHEMA: Final = 39  # of Grafana 10.4; newer ones read it and bring it up to theirs
COLUMNS: Final = 24
STAT_HEIGHT: Final = 4
GRAPH_HEIGHT: Final = 8


class Panel(NamedTuple):
    """One picture."""

    kind: str
    title: str
    queries: tuple[tuple[str, str], ...]
    """PromQL, and how a series is named in the legend."""
    unit: str
    width: int
    """Of 24 columns."""
    height: int
    steps: tuple[tuple[float, str], ...]
    """From which value on it has which colour."""
    stacked: bool
    note: str
    """What a person may want to know, shown on demand."""

    @classmethod
    def stat(
        cls,
        title: str,
        query: str,
        *,
        width: int,
        legend: str = "",
        unit: str = "short",
        warn: float | None = None,
        alarm: float | None = None,
        note: str = "",
    ) -> Self:
        """Return a number, which turns orange from `warn` on and red from `alarm` on."""
        steps = tuple((at, colour) for at, colour in ((warn, "orange"), (alarm, "red")) if at is not None)
        return cls("stat", title, ((query, legend),), unit, width, STAT_HEIGHT, steps, False, note)  # noqa: FBT003

    @classmethod
    def graph(
        cls,
        title: str,
        *queries: tuple[str, str],
        width: int = 12,
        unit: str = "short",
        limit: float | None = None,
        stacked: bool = False,
        note: str = "",
    ) -> Self:
        """Return lines over time, with a dashed one at `limit`."""
        steps = () if limit is None else ((limit, "red"),)
        return cls("timeseries", title, queries, unit, width, GRAPH_HEIGHT, steps, stacked, note)


class Row:
    """Panels beside each other, 24 columns in all."""

    def __init__(self, title: str, *panels: Panel) -> None:
        self.title = title
        self.panels = panels


class Dashboard:
    """One page; `name` is that of its file and address."""

    def __init__(self, name: str, title: str, description: str, *rows: Row) -> None:
        self.name = name
        self.title = title
        self.description = description
        self.rows = rows

    def render(self) -> str:
        """Return the JSON that Grafana reads."""
        return json.dumps(self._model(), indent=2, ensure_ascii=False) + "\n"

    def _model(self) -> dict[str, Any]:
        return {
            "uid": f"lastword-{self.name}",
            "title": self.title,
            "description": self.description,
            "tags": ["lastword"],
            "schemaVersion": SCHEMA,
            "editable": False,
            "graphTooltip": 1,  # one crosshair over all panels
            "refresh": "15s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "browser",
            "links": [{"type": "dashboards", "tags": ["lastword"], "title": "lastword", "asDropdown": False}],
            "annotations": {"list": []},
            "templating": {"list": []},
            "panels": self._panels(),
        }

    def _panels(self) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        y = 0
        for row in self.rows:
            place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
            made.append(
                {
                    "id": len(made) + 1,
                    "type": "row",
                    "title": row.title,
                    "collapsed": False,
                    "gridPos": place,
                    "panels": [],
                }
            )
            x, y = 0, y + 1
            for panel in row.panels:
                place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
                made.append(_model(panel, len(made) + 1, place))
                x += panel.width
            y += max(panel.height for panel in row.panels)
        return made


def _model(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    steps = [{"color": "green", "value": None}, *({"color": c, "value": at} for at, c in panel.steps)]
    model: dict[str, Any] = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.note,
        "datasource": DATASOURCE,
        "gridPos": place,
        "targets": [
            {"refId": chr(ord("A") + n), "datasource": DATASOURCE, "expr": query, "legendFormat": legend}
            for n, (query, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
    }
    defaults: dict[str, Any] = model["fieldConfig"]["defaults"]
    if panel.kind == "stat":
        defaults["color"] = {"mode": "thresholds"}
        model["options"] = {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "area",
            "textMode": "auto",
        }
        return model
    defaults["min"] = 0
    defaults["color"] = {"mode": "palette-classic"}
    defaults["custom"] = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 20 if panel.stacked else 0,
        "showPoints": "never",
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
    }
    model["options"] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return model
