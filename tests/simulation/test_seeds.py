"""Thousands of hours of relay's, with faults of every kind: nothing lost, nothing doubled, whatever the seed.

A seed that fails is repeated with `pytest tests/simulation -k seed-17`.
"""

from collections.abc import Callable

import pytest

from tests.battery.table import Row
from tests.conftest import LONG
from tests.simulation.story import Story, Told
from tests.simulation.world import simulate

LONG_OUTAGES = {0, 10, 20}
SEEDS = range(300 if LONG else 30)
_PORT = 20_000


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed-{seed}") for seed in SEEDS])
def test_days_of_faults_lose_nothing_and_double_nothing(
    seed: int, free_port: Callable[[], int], found: Callable[[Row], None], record_property: Callable[[str, object], None]
):
    """Every ledger that is kept outside relay agrees with the others, long after the last fault."""
    told = _told(seed, free_port())
    record_property("hours", told.hours)
    fault = "a provider is gone for 72 hours, and more goes wrong" if seed % 10 == 0 else "faults of all kinds, in virtual time"
    findings = told.findings
    if findings.is_clean:
        note = f"seed {seed}: {told.hours:.0f} h, {len(told.faults)} faults, {findings.uncertain} uncertain"
        found(Row("P11" if seed % 10 == 0 else "X31", fault, 1, findings.lost, findings.twice, note=note))
    assert findings.is_clean, f"seed-{seed}: {findings}; {_plan(told)}"
    assert told.wrongs == [], f"seed-{seed}: {told.wrongs}; {_plan(told)}"


def test_a_seed_repeats(free_port: Callable[[], int]):
    """Two runs of a seed write the same ledgers, to the last id."""
    port = free_port()
    once, again = _told(7, port), _told(7, port)
    assert [line for line in once.world.broker.heard] == again.world.broker.heard
    assert once.world.att.world.ledger.lines() == again.world.att.world.ledger.lines()
    assert once.world.network.requests == again.world.network.requests


def _told(seed: int, port: int) -> Told:
    return simulate(port, seed, Story(seed, long_outage=seed % 10 == 0))


def _plan(told: Told) -> str:
    return "\n".join(str(fault) for fault in told.faults)
