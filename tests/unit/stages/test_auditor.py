"""The auditor: it looks at everything, a little at a time, and then rests for hours."""

from relay.domain.messages import DeliveryReport, RawAnswer
from relay.domain.states import Fact
from relay.journal import Listed
from relay.stages.auditor import BETWEEN, EVERY, Auditor
from tests.unit.stages.house import ALERTS, ALICE, BOB, House, seconds


async def _pass(auditor: Auditor) -> int:
    """Look at everything once; gives the steps that it took."""
    steps = 1
    while seconds(await auditor.step()) == BETWEEN:
        steps += 1
    return steps


async def test_a_whole_journal_is_looked_at_in_pieces_and_nothing_is_said(house: House) -> None:
    """Of work of several kinds, in all its states; the next pass begins anew."""
    await house.send(ALICE, BOB)
    await house.sent(ALICE)
    await house.send(ALICE, ttl=60.0)
    await house.journal.optouts.import_([Listed(BOB, ALERTS)])
    kept = await house.journal.raw.keep(ALERTS, "hook", "progress", "", RawAnswer(b"{}"))
    await house.journal.raw.understood(kept, reports=[DeliveryReport("not-ours", Fact.DELIVERED)])
    auditor = Auditor(house.journal)
    for _ in range(2):
        assert await _pass(auditor) > 1
        assert seconds(await auditor.step()) in {BETWEEN, EVERY}
        await _pass(auditor)
    assert await house.journal.dead.list(limit=10) == []
