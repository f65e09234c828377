"""Work as people have it, for pictures."""

import os
import signal
import time
from typing import Literal

import lastword

PARTS = (
    "Collect sources",
    "Read them",
    "Compare prices",
    "Ask what is missing",
    "Write",
    "Check the numbers",
)
BRIEF = """\
# Heat pumps in {country}

Sales rose by **14 %** in the last year; two makers hold half of the market.

| maker | share | trend |
|---|---|---|
| Norda | 31 % | rising |
| Halden | 22 % | falling |
| all others | 47 % | steady |

1. Subsidies end in March: expect orders to come early.
2. Installers are the bottleneck, not the factories.
"""


def market_brief(
    topic: str,
    country: str = "Italy",
    depth: Literal["overview", "thorough"] = "overview",
    sources: list[str] | None = None,
    *,
    cite: bool = True,
    each_s: float = 0.2,
) -> str:
    """Read what there is about a market, and write one page about it."""
    for number, part in enumerate(PARTS):
        lastword.progress(number, len(PARTS), part)
        print(f"{part}: {topic}", flush=True)
        print(f"  {3 + number} documents, {120 * (number + 1)} lines", flush=True)
        time.sleep(each_s)
    lastword.progress(len(PARTS), len(PARTS), PARTS[-1])
    return BRIEF.format(country=country)


def support_digest(tickets: int = 4, each_s: float = 0.3) -> dict[str, int]:
    """Sort the tickets of a day by what they are about."""
    _read(tickets, "ticket", each_s)
    return {"billing": tickets // 2, "login": tickets - tickets // 2}


def lead_enrichment(leads: int, each_s: float = 20.0) -> int:
    """Look up what is public about each lead."""
    _read(leads, "lead", each_s)
    return leads


def contract_review(contract: str) -> None:
    """Read a contract for what contradicts itself."""
    lastword.progress(0, 3, "Read the definitions")
    print(f"reading {contract}", flush=True)
    raise ValueError("clause 9 names a party that clause 2 does not define")


def invoice_triage(batch: int) -> None:
    """Sort invoices by who has to see them."""
    _read(2, "invoice", 0.2)
    print("loading the scans of invoice 3", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def _read(count: int, thing: str, each_s: float) -> None:
    for number in range(1, count + 1):
        lastword.progress(number - 1, count, f"Read {thing} {number}")
        print(f"{thing} {number} of {count}", flush=True)
        time.sleep(each_s)
    lastword.progress(count, count, "Write")
