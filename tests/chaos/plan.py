"""What a campaign does, and when: drawn from its seed alone, so that it can be played again."""

import random
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

__all__ = ["ACTORS", "CALM", "SHORT", "Cast", "Fault", "Job", "Pace", "plan_faults", "plan_load"]


class Job(Struct, frozen=True, kw_only=True):
    """A workflow to start."""

    at_s: float
    """Seconds into the campaign."""
    name: str
    """Its title and idempotency key."""
    how: str
    lasts_s: float
    cancel_after_s: float | None = None
    watched_over: str | None = None
    """The wire of a client of its own."""


class Fault(Struct, frozen=True, kw_only=True):
    """Something to be done to somebody."""

    at_s: float
    act: str
    """`kill`, `stop`, `cut`, `freeze`, `unplug`, `vanish`, `hold`, `fill`, `jump`..."""
    upon: str
    """A place, such as `executor-0`, `nats-2`, `database`, `child`."""
    lasts_s: float = 0.0


class Cast(Struct, frozen=True, kw_only=True):
    """Whom there is to strike."""

    nodes: int
    """NATS servers."""
    postgres: bool
    each: int = 2
    """Supervisors, auditors, executors and edges, of each."""
    hosts: bool = False
    """Whether executors have networks of their own, whose cables can be pulled."""
    disks: bool = False
    """Whether there are disks that can fill up."""
    clocks: bool = False
    """Whether clocks can jump."""

    def named(self, role: str) -> list[str]:
        """Return the names of the places of a role."""
        count = self.nodes if role == "nats" else self.each
        return [f"{role}-{number}" for number in range(count)]

    def has(self, kind: str) -> bool:
        """Whether a kind of fault can be played."""
        act, _, upon = kind.partition(" ")
        needed = {"vanish": self.hosts, "unplug": self.hosts, "fill": self.disks, "jump": self.clocks}
        return needed.get(act, upon != "postgres" or self.postgres)


ACTORS: Final = ("supervisor", "auditor", "executor", "edge")
ENDINGS: Final = {
    "returns": 8,
    "returns much": 1,
    "raises": 2,
    "exits 0": 1,
    "exits 3": 1,
    "leaves": 1,
    "dies SIGKILL": 1,
    "dies SIGSEGV": 1,
    "overruns": 1,
    "is cancelled": 3,
}
"""Ways to end, and how often each."""
STRIKES: Final = {
    "kill child": 8,
    "stop child": 3,
    "kill executor": 4,
    "stop executor": 3,
    "cut executor": 3,
    "freeze executor": 2,
    "deafen executor": 2,
    "delay executor": 2,
    "throttle executor": 2,
    "unplug executor": 3,
    "vanish executor": 4,
    "hold executor": 3,
    "repeat executor": 3,
    "jump executor": 1,
    "fill executor": 1,
    "kill supervisor": 4,
    "stop supervisor": 3,
    "jump supervisor": 1,
    "kill auditor": 2,
    "stop auditor": 2,
    "jump auditor": 2,
    "kill edge": 4,
    "stop edge": 2,
    "jump edge": 1,
    "kill nats": 3,
    "stop nats": 2,
    "fill nats": 2,
    "fill database": 2,
    "restart postgres": 3,
    "lie report": 8,
}
"""Faults, and how often each."""
LASTS_S: Final = {
    "kill": (0.2, 4.0),
    "stop": (0.5, 22.0),
    "restart": (0.5, 5.0),
    "fill": (0.5, 8.0),
    "vanish": (12.0, 25.0),  # most are told lost before anything comes back
}
OTHERS_LAST_S: Final = (0.5, 25.0)


class Pace(Struct, frozen=True, kw_only=True):
    """How thick faults come."""

    every_s: float = 2.5
    """Between two, on average."""
    longest_s: float = 25.0
    evenly: bool = False
    """Whether each kind comes as often as any other."""
    rest_s: float | None = None
    """Where one comes only after the one before is over, the least time between them."""
    strikes: Mapping[str, int] = msgspec.field(default_factory=lambda: STRIKES)
    """Kinds, and how often each."""


SHORT: Final = Pace(every_s=1.3, longest_s=8.0, evenly=True)
"""Most kinds once, and soon over."""
CALM: Final = Pace(
    every_s=2.0,
    rest_s=8.0,
    strikes={
        "kill child": 4,
        "kill executor": 4,
        "vanish executor": 3,
        "cut executor": 2,
        "freeze executor": 1,
        "unplug executor": 1,
    },
)
"""Those for which DESIGN says how soon they are noticed, one at a time."""


def plan_load(seed: int, *, lasts_s: float, per_s: float, wires: Sequence[str]) -> list[Job]:
    """Return the workflows of a campaign, in their order."""
    draw = random.Random(f"load {seed}")  # noqa: S311  repeatable, not secret
    jobs: list[Job] = []
    at_s = 0.0
    while (at_s := at_s + draw.expovariate(per_s)) < lasts_s:
        how = draw.choices(list(ENDINGS), list(ENDINGS.values()))[0]
        wire = draw.choice(wires) if draw.random() < 0.5 else None
        jobs.append(
            Job(
                at_s=at_s,
                name=f"chaos-{seed}-{len(jobs)}",
                how=how,
                lasts_s=60.0 if how in {"overruns", "is cancelled"} else draw.uniform(0.05, 5.0),
                cancel_after_s=draw.uniform(0.0, 4.0) if how == "is cancelled" else None,
                watched_over=wire,
            )
        )
    return jobs


def plan_faults(seed: int, *, lasts_s: float, cast: Cast, pace: Pace | None = None) -> list[Fault]:
    """Return the faults of a campaign, in their order; the first and last seconds are quiet."""
    pace = pace or Pace()
    draw = random.Random(f"faults {seed}")  # noqa: S311  repeatable, not secret
    kinds = {kind: 1 if pace.evenly else weight for kind, weight in pace.strikes.items() if cast.has(kind)}
    deck: list[str] = []
    faults: list[Fault] = []
    at_s = 2.0
    while (at_s := at_s + draw.expovariate(1 / pace.every_s)) < lasts_s - 2.0:
        if not deck:  # each of them comes, and none of them twice as often as it should
            deck = draw.sample(list(kinds), sum(kinds.values()), counts=kinds.values())
        act, _, upon = deck.pop().partition(" ")
        place = draw.choice(cast.named(upon)) if upon in {*ACTORS, "nats"} else upon
        shortest_s, longest_s = LASTS_S.get(act, OTHERS_LAST_S)
        if act == "stop" and upon == "nats" and cast.nodes == 1:
            longest_s = 8.0  # nobody else is there to be asked
        away_s = min(draw.uniform(shortest_s, longest_s), pace.longest_s)
        faults.append(Fault(at_s=at_s, act=act, upon=place, lasts_s=away_s))
        if pace.rest_s is not None:
            at_s += pace.rest_s + away_s
    return faults
