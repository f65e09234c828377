"""Prometheus' own tool, which `tools/promtool.sh` puts there, and what is in the files that it checks."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from tools.metrics_reference import Described, described

__all__ = [
    "PROMETHEUS",
    "Selector",
    "alerts",
    "check_expression",
    "promtool",
    "recorded",
    "rules",
    "selectors",
]

PROMETHEUS: Final = Path(__file__).parents[3] / "deploy" / "prometheus"

OF_PROMETHEUS: Final = {"instance", "job", "process", "le"}
"""Labels that Prometheus, or the edge that was scraped, adds to whatever a metric has."""

_NAME: Final = re.compile(r"\b(?:lastword[_:][a-z0-9_:]+|up|ALERTS)\b(?:\{([^}]*)\})?")
_MATCHER: Final = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPING: Final = re.compile(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)")


class Selector(NamedTuple):
    """One metric in an expression, with what its labels must be."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    """Label, operator, value."""


def promtool(*arguments: str | Path) -> str:
    """Run it; fail with what it says where it is not content."""
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    program = shutil.which("promtool", path=places)
    assert program, "promtool is missing: run tools/promtool.sh, or install Debian's prometheus"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@cache
def rules() -> tuple[dict[str, Any], ...]:
    """Return all rules."""
    documents = (
        yaml.safe_load(path.read_text("utf-8")) for path in sorted((PROMETHEUS / "rules").glob("*.yml"))
    )
    return tuple(rule for document in documents for group in document["groups"] for rule in group["rules"])


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alerts, by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded() -> dict[str, str]:
    """Return the expressions of the recording rules, by the name that they get."""
    return {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


def selectors(expression: str) -> list[Selector]:
    """Return the metrics in an expression."""
    return [
        Selector(found[0].partition("{")[0], tuple(_MATCHER.findall(found[1] or "")))
        for found in _NAME.finditer(expression)
    ]


def groupings(expression: str) -> set[str]:
    """Return the labels by which an expression groups or joins."""
    return {
        label.strip()
        for found in _GROUPING.findall(expression)
        for label in found.split(",")
        if label.strip()
    }


@cache
def told() -> dict[str, Described]:
    """Return what lastword tells, by the name of each series."""
    return {series: metric for metric in described() for series in metric.series}


def check_expression(expression: str) -> None:
    """Fail where an expression speaks of what lastword does not tell."""
    metrics = told()
    known: set[str] = set(OF_PROMETHEUS)
    found = selectors(expression)
    assert found, f"it looks at nothing: {expression}"
    for selector in found:
        if selector.name in {"up", "ALERTS"}:
            continue
        if selector.name in recorded():
            check_expression(recorded()[selector.name])
            inner = {s.name for s in selectors(recorded()[selector.name])}
            labels = {label for name in inner if name in metrics for label in metrics[name].labels}
            values: Mapping[str, Sequence[str]] = {}
        else:
            assert selector.name in metrics, f"lastword does not tell {selector.name}"
            values = metrics[selector.name].labels
            labels = set(values)
        known |= labels
        for label, operator, value in selector.matchers:
            assert label in labels | OF_PROMETHEUS, f"{selector.name} has no label {label}"
            wanted = {value} if operator in {"=", "!="} else set(value.split("|"))
            if any(values.get(label, ())):  # a closed set
                assert wanted <= set(values[label]), f"{label} of {selector.name} is never {value}"
    assert groupings(expression) <= known, f"it groups by labels that nothing has: {expression}"
