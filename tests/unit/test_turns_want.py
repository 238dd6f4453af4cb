"""A node that comes to want other turns than before, because its lines have changed."""

import asyncio
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.ids import Ids
from relay.journal import Journal
from relay.turns import BUS, UPKEEP, Turns, line_turn
from tests.databases import Database
from tests.unit.test_turns import WITHIN, beating, database, logs

__all__ = ["database", "logs"]  # fixtures

ALERTS, OFFICE, DESK = (line_turn(line) for line in ("alerts", "office", "desk"))


@pytest.fixture
def changes() -> list[list[str]]:
    """What was held at each change."""
    return []


async def test_on_a_journal_of_its_own_it_has_them_at_once(tmp_path: Path, changes: list[list[str]]) -> None:
    """And has those no more that it does not want; each time it is told; a turn that stays is the same term."""
    clock = SystemClock()
    journal = await Journal.open(f"sqlite:///{tmp_path}/relay.db", clock=clock, ids=Ids(clock), node="n1")
    async with journal:
        turns = Turns(journal, (BUS, ALERTS))
        turns.on_change(lambda: changes.append(turns.held))
        term = turns.term(BUS)
        turns.want((BUS, ALERTS, OFFICE))
        turns.want((BUS, OFFICE))
        turns.want((BUS, OFFICE, ALERTS))
        assert [set(held) for held in changes] == [{BUS, ALERTS, OFFICE}, {BUS, OFFICE}, {BUS, OFFICE, ALERTS}]
        assert turns.term(BUS) == term
        assert turns.term(ALERTS) != term


async def test_a_turn_that_is_wanted_no_more_goes_to_another_once_all_work_under_it_has_ended(
    database: Database,
) -> None:
    """Until then nobody has it; and it does not come back."""
    async with beating(database, "n1", BUS, ALERTS) as first:
        await first.until(BUS, ALERTS)
        first.turns.enter(ALERTS)
        async with beating(database, "n2", ALERTS) as second:
            first.turns.want((BUS,))
            assert not first.turns.holds(ALERTS)
            seen = {one.name: one.turns for one in await second.journal.nodes.living()}
            assert ALERTS in seen["n1"]
            first.turns.leave(ALERTS)
            await second.until(ALERTS)
        await first.until(BUS)
        first.turns.want((BUS, ALERTS))
        await first.until(BUS, ALERTS)


async def test_nodes_that_want_different_turns_share_them_without_passing_them_to_and_fro(
    database: Database,
) -> None:
    """The turns of lines that one of them does not know count as work of the other."""
    wide, narrow = (BUS, UPKEEP, ALERTS, OFFICE, DESK, line_turn("shop"), line_turn("van")), (BUS, UPKEEP, ALERTS)
    async with beating(database, "n1", *narrow) as first:
        await first.until(*narrow)
        async with beating(database, "n2", *wide) as second:
            moved = asyncio.Event()
            for node in (first, second):
                node.turns.on_change(moved.set)
            async with asyncio.timeout(WITHIN):
                while sorted([len(first.turns.held), len(second.turns.held)]) != [3, 4]:
                    await moved.wait()
                    moved.clear()
            assert {*first.turns.held, *second.turns.held} == {*wide}
            shares = first.turns.held, second.turns.held
            # Some beats of each: all that is still to be shared out would be by then.
            for _ in range(4):
                one, other = await first.journal.nodes.beat(narrow), await second.journal.nodes.beat(wide)
                assert (one.surplus, other.surplus) == (frozenset(), frozenset())
                assert (sorted(one.held), sorted(other.held)) == shares
