"""What holds a stage back while a subscriber does not agree: it rests, asks nobody, and never spins."""

import asyncio

from relay.domain.errors import ConsentRequired, ErrorCode
from relay.providerkit.spec import ConsentStanding
from relay.stagekit import CONSENT_PAUSE, ConsentGate
from relay.telemetry.health import LineState
from tests.unit.stages.desk import NOW, DeskLine, problem
from tests.unit.stages.house import ALERTS, DESK, GRACE, House

GIVEN = ConsentStanding(given=True, since=NOW)
MISSING = ConsentStanding(given=False, reason="withdrawn")
ERROR = ConsentRequired(problem(ErrorCode.CONSENT_REQUIRED))


async def test_it_is_open_at_first(house: House) -> None:
    """And the line is not even asked."""
    line = DeskLine(standing=MISSING)
    assert await ConsentGate(line, "part", house.ground).rest() is None
    assert line.calls["consent"] == 0


async def test_it_stays_shut_until_there_is_consent_and_opens_then(house: House) -> None:
    """The line shows it meanwhile."""
    line = DeskLine(standing=MISSING)
    gate = ConsentGate(line, "part", house.ground)
    gate.shut(ERROR)
    for _ in range(3):
        rest = await gate.rest()
        assert rest is not None
        assert rest.seconds == CONSENT_PAUSE
        assert house.board.of(DESK).state is LineState.CONSENT_REQUIRED
    line.standing = GIVEN
    assert await gate.rest() is None
    assert house.board.of(DESK).state is LineState.READY


async def test_one_rest_is_owed_whatever_the_line_thinks(house: House) -> None:
    """A line that refuses for want of a consent that it has would be asked without end."""
    gate = ConsentGate(DeskLine(standing=GIVEN), "part", house.ground)
    for _ in range(3):
        gate.shut(ERROR)
        assert await gate.rest() is not None
        assert await gate.rest() is None


async def test_a_line_that_knows_nothing_of_consent_is_tried_again_after_the_rest(house: House) -> None:
    """Only the provider can say more."""
    gate = ConsentGate(house.sms(), "part", house.ground)
    gate.shut(ERROR)
    assert await gate.rest() is not None
    assert house.board.of(ALERTS).state is LineState.CONSENT_REQUIRED
    assert await gate.rest() is None


async def test_one_ring_wakes_every_stage_of_the_line(house: House) -> None:
    """The sender, the syncer and the collector wait for the same consent."""
    line = DeskLine(standing=MISSING)
    gates = [ConsentGate(line, f"part{number}", house.ground) for number in range(3)]
    rests = []
    for gate in gates:
        gate.shut(ERROR)
        rests.append(await gate.rest())
    waiting = [asyncio.create_task(rest.over(house.clock)) for rest in rests if rest]
    await asyncio.sleep(0)
    line.standing = GIVEN
    house.journal.ring(f"consent:{DESK}")
    async with asyncio.timeout(GRACE):
        await asyncio.gather(*waiting)
    assert [await gate.rest() for gate in gates] == [None] * 3
