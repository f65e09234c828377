"""The model of supervisors, executors, auditor, log and reports: every state, within small bounds.

`make model` checks more, and every planted fault, and prints the tables of `docs/explanation/model.md`.
"""

from pathlib import Path

import pytest

from tests.model.scenarios import INVARIANTS, MUTANTS, SCENARIOS, Mutant, Scenario
from tests.model.spin import check, hunt
from tools import generate_promela

PROMELA = Path(__file__).parent / "promela"
SHORT = [scenario for scenario in SCENARIOS if not scenario.is_long]
QUICK = [
    mutant
    for mutant in MUTANTS
    if mutant.macro in {"LOOK_AT_THE_LAST", "CLAIM_TWICE", "NO_GRACE", "NO_REREAD"}
]


@pytest.mark.parametrize("scenario", SHORT, ids=lambda scenario: scenario.name)
@pytest.mark.timeout(300)  # seconds; some on an idle machine
def test_what_must_hold_holds_in_every_state(scenario: Scenario, tmp_path: Path) -> None:
    """No assertion fails, no workflow hangs."""
    found = check(scenario, tmp_path)
    assert found.broken is None, f"{INVARIANTS[found.broken]}\n{found.trail}"
    assert found.states > 1_000


@pytest.mark.parametrize("mutant", QUICK, ids=lambda mutant: mutant.macro)
@pytest.mark.timeout(300)
def test_a_planted_fault_is_found(mutant: Mutant, tmp_path: Path) -> None:
    """A check that finds none of these would find nothing; `make model` hunts all of them."""
    assert mutant.killed_by == hunt(mutant, tmp_path).broken


def test_the_model_has_the_codes_table_of_moves() -> None:
    """It is printed from `MOVES`; what the model says of statuses and leases it says with these macros."""
    assert generate_promela.render() == (PROMELA / "moves.pml").read_text("utf-8")


def test_each_fault_is_planted_somewhere() -> None:
    """A macro that no file knows would plant nothing."""
    text = "".join(path.read_text("utf-8") for path in PROMELA.glob("*.pml"))
    assert [] == [mutant.macro for mutant in MUTANTS if mutant.macro not in text]
