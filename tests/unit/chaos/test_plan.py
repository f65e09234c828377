"""What a campaign will do follows from its seed."""

from collections import Counter
from itertools import pairwise

from tests.chaos.plan import CALM, ENDINGS, SHORT, STRIKES, Cast, plan_faults, plan_load

CLUSTER = Cast(nodes=3, postgres=True, hosts=True, disks=True, clocks=True)


def test_the_same_seed_plays_the_same_campaign() -> None:
    """So a finding can be looked for again."""
    load = [plan_load(7, lasts_s=60, per_s=2, wires=("ws",)) for _ in range(2)]
    faults = [plan_faults(7, lasts_s=60, cast=CLUSTER) for _ in range(2)]

    assert load[0] == load[1]
    assert faults[0] == faults[1]


def test_another_seed_plays_another() -> None:
    """Else more campaigns would find no more."""
    assert plan_faults(7, lasts_s=60, cast=CLUSTER) != plan_faults(8, lasts_s=60, cast=CLUSTER)
    assert plan_load(7, lasts_s=60, per_s=2, wires=("ws",)) != plan_load(
        8, lasts_s=60, per_s=2, wires=("ws",)
    )


def test_five_minutes_have_every_fault_and_every_ending() -> None:
    """A table without a row for a fault would prove nothing about it."""
    faults = plan_faults(7, lasts_s=300, cast=CLUSTER)

    assert set(STRIKES) == {f"{fault.act} {fault.upon.partition('-')[0]}" for fault in faults}
    assert set(ENDINGS) == {job.how for job in plan_load(7, lasts_s=300, per_s=2, wires=("ws",))}


def test_nobody_strikes_what_is_not_there() -> None:
    """One node has no second, SQLite no server; hosts, disks and clocks are not everywhere to be had."""
    faults = plan_faults(7, lasts_s=300, cast=Cast(nodes=1, postgres=False))

    assert {"nats-0"} == {fault.upon for fault in faults if fault.upon.startswith("nats")}
    assert not any(fault.upon == "postgres" for fault in faults)
    assert not {"vanish", "unplug", "fill", "jump"} & {fault.act for fault in faults}


def test_a_short_campaign_has_each_fault_at_most_twice() -> None:
    """So it has many kinds of them, and none that lasts for long."""
    faults = plan_faults(7, lasts_s=45, cast=CLUSTER, pace=SHORT)
    counts = Counter(f"{fault.act} {fault.upon.partition('-')[0]}" for fault in faults)

    assert len(counts) > len(STRIKES) // 2
    assert max(counts.values()) <= 2
    assert max(fault.lasts_s for fault in faults) <= SHORT.longest_s


def test_a_calm_campaign_plays_one_fault_after_the_other() -> None:
    """So that what is measured is the doing of one."""
    faults = plan_faults(7, lasts_s=600, cast=CLUSTER, pace=CALM)

    assert set(CALM.strikes) == {f"{fault.act} {fault.upon.partition('-')[0]}" for fault in faults}
    assert all(before.at_s + before.lasts_s + 8.0 <= after.at_s for before, after in pairwise(faults))
