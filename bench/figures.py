"""Figures: quantiles of samples, ratios of rounds, and how they are shown."""

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

__all__ = ["Figures", "Ratio", "lag_table", "ratio", "ratio_table", "summarise"]


class Figures(Struct, frozen=True, kw_only=True):
    """Milliseconds."""

    name: str
    count: int
    p50: float
    p99: float
    spread: float
    """Half the distance between the quartiles."""


class Ratio(Struct, frozen=True, kw_only=True):
    """What was measured over several rounds, each against the floor of the same round."""

    name: str
    unit: str
    found: float
    """Median."""
    floor: float
    """Median."""
    ratio: float
    """Median of the rounds' own ratios: 1 is the floor, less is slower."""
    least: float
    most: float


def summarise(name: str, seconds: Sequence[float]) -> Figures:
    """Return the figures of some durations in seconds."""
    ordered = sorted(value * 1e3 for value in seconds)

    def quantile(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    return Figures(
        name=name,
        count=len(ordered),
        p50=quantile(0.5),
        p99=quantile(0.99),
        spread=(quantile(0.75) - quantile(0.25)) / 2,
    )


def ratio(
    name: str, unit: str, found: Sequence[float], floors: Sequence[float], *, less_is_better: bool = False
) -> Ratio:
    """Compare rounds pairwise; with `less_is_better` the floor is divided by what was found."""
    pairs = zip(found, floors, strict=True)
    ratios = [floor / value if less_is_better else value / floor for value, floor in pairs]
    return Ratio(
        name=name,
        unit=unit,
        found=median(found),
        floor=median(floors),
        ratio=median(ratios),
        least=min(ratios),
        most=max(ratios),
    )


def ratio_table(rows: Sequence[Ratio]) -> str:
    """Return a Markdown table of ratios."""
    lines = ["| | | floor | of the floor | least, most |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.name} | {_short(row.found)} {row.unit} | {_short(row.floor)} {row.unit} "
        f"| **{row.ratio:.2f}** | {row.least:.2f}, {row.most:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def lag_table(floor: Figures, rows: Sequence[Figures]) -> str:
    """Return a Markdown table of durations against the floor's."""
    lines = ["| | n | p50, ms | ± | p99, ms | p50 / floor | p99 / floor |", "|---|---|---|---|---|---|---|"]
    for row in (floor, *rows):
        ratios = f"{row.p50 / floor.p50:.2f} | {row.p99 / floor.p99:.2f}" if row is not floor else "1 | 1"
        lines.append(
            f"| {row.name} | {row.count} | {row.p50:.2f} | {row.spread:.2f} | {row.p99:.2f} | {ratios} |"
        )
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
