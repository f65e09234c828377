"""Figures: quantiles of samples, and how they are shown."""

from collections.abc import Sequence

from msgspec import Struct

__all__ = ["Figures", "summarise", "table"]


class Figures(Struct, frozen=True, kw_only=True):
    """Milliseconds."""

    name: str
    count: int
    p50: float
    p99: float
    spread: float
    """Half the distance between the quartiles."""


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


def table(floor: Figures, rows: Sequence[Figures]) -> str:
    """Return a Markdown table of rows against the floor."""
    lines = ["| | n | p50, ms | ± | p99, ms | p50 / floor | p99 / floor |", "|---|---|---|---|---|---|---|"]
    for row in (floor, *rows):
        ratios = f"{row.p50 / floor.p50:.2f} | {row.p99 / floor.p99:.2f}" if row is not floor else "1 | 1"
        lines.append(
            f"| {row.name} | {row.count} | {row.p50:.2f} | {row.spread:.2f} | {row.p99:.2f} | {ratios} |"
        )
    return "\n".join(lines)
