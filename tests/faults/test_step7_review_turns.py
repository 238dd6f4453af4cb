"""What a hostile reading of turns that are wanted no more found: each fact failed once."""

from collections.abc import Iterator

import pytest

from relay.turns import BUS, line_turn
from tests.databases import Database, borrowed
from tests.unit.test_turns import beating

ALERTS = line_turn("alerts")


@pytest.fixture
def database() -> Iterator[Database]:
    """A database with relay's tables."""
    with borrowed() as database:
        yield database


async def test_a_turn_that_could_not_be_given_back_is_given_back_later(database: Database) -> None:
    """Every beat of a node that lives renews all of its turns: one that it forgot nobody else would ever have."""
    async with beating(database, "n1", BUS, ALERTS) as first:
        await first.until(BUS, ALERTS)
        # As after `release` has failed: the journal still says that it is this node's, which wants it no more.
        beat = await first.journal.nodes.beat((BUS,))
        assert ALERTS in beat.held
        async with beating(database, "n2", ALERTS) as second:
            first.turns.want((BUS,))
            await second.until(ALERTS)
