"""What was found wrong when lifetimes and erasure were proved; each was a failing test first."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from relay.domain.messages import Part, Reply
from relay.journal import Lifetimes
from tests.contract.journal.desk import ALICE, LINE, START, Desk, SqlitePlace, delivered, seen


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An open journal, empty."""
    opened = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    yield opened
    await opened.journal.aclose()


HOUR = timedelta(hours=1)
TOKEN = "t" * 32


async def test_an_attachment_of_a_message_of_relays_own_is_not_kept(desk: Desk) -> None:
    """A mailbox shows what relay sent, and it was fetched to be compared: nobody is told where its picture lies."""
    part = Part("image/png", "map.png", size=10, token=TOKEN, href=f"https://relay.example/media/{TOKEN}")
    await desk.journal.media.keep(LINE, part, START + 24 * HOUR)
    await desk.send()
    await desk.hand_over(await desk.claim(unseen=True))
    assert (await desk.see(seen(parts=(part,)))).own == 1
    assert await desk.journal.media.expired(10) == [TOKEN]


async def test_a_lookup_after_its_message_is_gone_is_answered(desk: Desk) -> None:
    """The id may live longer: it found an id, no message, and raised."""
    await desk.sent(ALICE)
    await desk.report(delivered())
    desk.clock.pass_(days=4)
    kept_for = Lifetimes(finals=72 * HOUR, keys=240 * HOUR)
    while await desk.journal.upkeep.purge(20, kept_for):
        pass
    answer = await desk.journal.commands.lookup(LINE, None, "key-1", None, Reply())
    assert answer.body["error"]["code"] == "unknown_id"
