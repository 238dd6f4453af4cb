"""Thousands of hours of relay's, with faults of every kind: nothing lost, nothing doubled, whatever the seed.

A seed that fails is repeated with `pytest tests/simulation -k seed-17-`.
"""

from collections.abc import Callable, Iterable

import pytest

from tests.battery.table import Row
from tests.conftest import LONG
from tests.simulation.faults import Fault
from tests.simulation.story import Story, Told
from tests.simulation.world import simulate

# A life that is killed closes nothing, which is what Python warns of.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ALL = range(300)
# Few, and chosen so that every sort of fault is in a plan of theirs.
CHOSEN = (10, 11, 17, 21, 25, 63, 115, 146, 187, 223, 268, 288)
SEEDS = ALL if LONG else CHOSEN
OUTAGE_EVERY = 10  # so manieth seed has an outage of 72 hours


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed-{seed}-") for seed in SEEDS])
def test_days_of_faults_lose_nothing_and_double_nothing(
    seed: int, free_port: Callable[[], int], found: Callable[[Row], None]
):
    """Every ledger that is kept outside relay agrees with the others, long after the last fault."""
    told = _told(seed, free_port())
    findings, has_outage = told.findings, _has_outage(seed)
    what = "a provider is gone for 72 h, and more breaks" if has_outage else "all kinds of faults at random"
    note = "in virtual time, 50 h and more each"
    assert findings.is_clean, f"seed-{seed}-: {findings}; {_plan(told)}"
    assert told.wrongs == [], f"seed-{seed}-: {told.wrongs}; {_plan(told)}"
    assert told.hours > _story(seed).hours
    found(Row("P11" if has_outage else "P31", what, 1, findings.lost, findings.twice, note=note))


@pytest.mark.timeout(600)
def test_a_seed_repeats(free_port: Callable[[], int]):
    """Two runs of a seed write the same ledgers, to the last id and the last moment."""
    port = free_port()
    once, again = _told(5, port), _told(5, port)
    assert once.world.broker.heard == again.world.broker.heard
    assert once.world.att.world.ledger.lines() == again.world.att.world.ledger.lines()
    assert once.world.network.requests == again.world.network.requests


def test_the_seeds_are_long_enough():
    """The long form is twenty thousand hours, in which a provider is gone for days again and again."""
    assert sum(_story(seed).hours for seed in ALL) >= 20_000
    assert sum(map(_has_outage, ALL)) >= 30
    assert sum(_story(seed).hours for seed in CHOSEN) >= 700
    assert any(map(_has_outage, CHOSEN))


def test_every_sort_of_fault_is_in_the_short_form():
    """Whatever happens in any of the many seeds happens in the few as well."""
    assert _sorts(CHOSEN) == _sorts(ALL)
    assert {kind for kind, _ in _sorts(ALL)} >= {"network", "answer", "broker", "journal", "killed", "killed at"}


def _sorts(seeds: Iterable[int]) -> set[tuple[str, str]]:
    return {(fault.kind, _sort(fault)) for seed in seeds for fault in _story(seed).faults}


def _sort(fault: Fault) -> str:
    """What happens, whomever it meets, and at which boundary relay is killed."""
    match fault.kind, fault.about:
        case "network", (_, trouble):
            return str(trouble)
        case "killed at", (boundary, _):
            return str(boundary)
        case "answer", {"do": what, **more}:
            return f"{what} {more.get('status')} {more.get('processed')}"
    return str(fault.about)


def _told(seed: int, port: int) -> Told:
    return simulate(port, seed, _story(seed))


def _story(seed: int) -> Story:
    return Story(seed, long_outage=_has_outage(seed))


def _has_outage(seed: int) -> bool:
    return seed % OUTAGE_EVERY == 0


def _plan(told: Told) -> str:
    return "\n".join(str(fault) for fault in told.faults)
