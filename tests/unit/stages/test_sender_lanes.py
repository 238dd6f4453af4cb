"""The sender's lanes: a one-time password overtakes a campaign, and the campaign still moves."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from relay.domain.messages import CallAnswer, OutboundCall, Priority
from relay.rules.lanes import BULK, HIGH, NORMAL
from relay.stages.sender import IDLE, Sender
from tests.unit.stages.desk import DeskLine, problem
from tests.unit.stages.house import ALICE, BOB, DESK, GRACE, House, happens, seconds, settled, until_rest

PRIORITIES = (Priority.HIGH, Priority.NORMAL, Priority.BULK)


@dataclass
class Slow(DeskLine):
    """A provider that answers calls of some lanes only when it is let."""

    slow: Sequence[int] = (NORMAL, BULK)
    let: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0

    async def send(self, call: OutboundCall) -> CallAnswer:
        """Take a call, and keep its sender waiting."""
        self.under_way += 1
        if call.lane in self.slow:
            await self.let.wait()
        self.under_way -= 1
        return await super().send(call)

    @property
    def lanes(self) -> list[int]:
        """The lanes of the calls that were answered, in this order."""
        return [call.lane for call in self.sent]


def people(lane: int, number: int) -> list[str]:
    """Numbers of a lane's own."""
    return [f"+1206{lane + 5}{place:06}" for place in range(number)]


async def campaign(house: House, lane: int, number: int) -> None:
    """So many calls in a lane."""
    await house.send(*people(lane, number), line=DESK, size=1, priority=PRIORITIES[lane])


async def full(house: House, line: Slow, sender: Sender, places: int) -> None:
    """Let the sender take as many calls of a campaign as it takes."""
    await until_rest(sender)
    await happens(lambda: line.under_way == places)


async def test_a_high_text_passes_a_campaign_that_holds_every_other_place(house: House) -> None:
    """One place is kept: seven calls hang, and the eighth place is for the password."""
    line = Slow()
    await campaign(house, BULK, 50)
    sender = house.sender(line)
    await full(house, line, sender, 7)
    await house.send(ALICE, line=DESK, priority=Priority.HIGH)
    await until_rest(sender)
    await happens(lambda: line.lanes == [HIGH])
    await house.send(BOB, line=DESK, priority=Priority.HIGH)
    await until_rest(sender)
    await happens(lambda: line.lanes == [HIGH, HIGH])
    line.let.set()
    await settled(sender)
    assert len(line.sent) == 52


async def test_one_step_fills_all_places_but_the_one_that_is_kept(house: House) -> None:
    """In one commit, however many they are; and says that there is nothing to do until a place is free."""
    line = Slow()
    await campaign(house, BULK, 50)
    sender = house.sender(line)
    commits = house.journal.commits
    rest = await sender.step()
    assert house.journal.commits == commits + 1
    assert rest is not None
    assert seconds(rest) == IDLE
    await happens(lambda: line.under_way == 7)
    line.let.set()
    await settled(sender)
    assert len(line.sent) == 50


async def test_a_sender_with_one_free_place_rests_until_a_high_text_comes(house: House) -> None:
    """It does not ask the journal again and again: its rest is as long as one with nothing to do."""
    line = Slow()
    await campaign(house, BULK, 50)
    sender = house.sender(line, window=3)
    await full(house, line, sender, 2)
    rest = await until_rest(sender)
    assert seconds(rest) == IDLE
    await house.send(ALICE, line=DESK, priority=Priority.HIGH)
    await asyncio.wait_for(rest.over(house.clock), GRACE)
    await until_rest(sender)
    await happens(lambda: line.lanes == [HIGH])
    line.let.set()
    await settled(sender)


async def test_a_sender_with_one_free_place_goes_on_when_another_is_free(house: House) -> None:
    """The end of a call is the end of the rest."""
    line = Slow()
    await campaign(house, BULK, 5)
    sender = house.sender(line, window=3)
    await full(house, line, sender, 2)
    rest = await until_rest(sender)
    line.let.set()
    await asyncio.wait_for(rest.over(house.clock), GRACE)
    await settled(sender)
    assert len(line.sent) == 5


async def test_a_high_text_that_waits_for_its_time_ends_the_rest_of_a_sender_with_one_free_place(house: House) -> None:
    """What is due of the other lanes does not."""
    line = Slow()
    await campaign(house, BULK, 5)
    await house.send(ALICE, line=DESK, priority=Priority.HIGH)
    [high] = [await house.journal.calls.claim(DESK, "relay-1", lanes=(HIGH,))]
    assert high is not None
    await house.journal.calls.retry(high.call_id, "relay-1", problem(), 12)
    sender = house.sender(line, window=3)
    await full(house, line, sender, 2)
    assert seconds(await until_rest(sender)) == 12
    line.let.set()
    await settled(sender)


async def test_a_line_with_one_place_has_none_to_keep(house: House) -> None:
    """It sends whatever comes."""
    line = Slow(slow=())
    await campaign(house, BULK, 3)
    await settled(house.sender(line, window=1))
    assert line.lanes == [BULK] * 3


async def test_every_lane_gets_its_share_whatever_comes_in_the_others(house: House) -> None:
    """Of any five calls one is normal, of any ten one is bulk, while the high lane is never empty."""
    line = Slow(slow=())
    for lane in (HIGH, NORMAL, BULK):
        await campaign(house, lane, 60)
    await settled(house.sender(line, window=1))
    busy = line.lanes[:60]
    assert all(NORMAL in busy[place : place + 5] for place in range(55))
    assert all(BULK in busy[place : place + 10] for place in range(50))
    assert busy.count(HIGH) >= 38


async def test_the_kept_place_takes_nothing_from_the_shares(house: House) -> None:
    """High calls hold all places but one: normal and bulk get theirs all the same."""
    line = Slow(slow=(HIGH, NORMAL, BULK))
    for lane in (HIGH, NORMAL, BULK):
        await campaign(house, lane, 60)
    sender = house.sender(line, window=2)
    while len(line.sent) < 60:
        await until_full(sender)
        line.let.set()
        await sender.drain(GRACE)
        line.let.clear()
    assert line.lanes[:60].count(NORMAL) >= 10
    assert line.lanes[:60].count(BULK) >= 5
    assert line.lanes[:60].count(HIGH) >= 30
    line.let.set()
    await settled(sender)


async def until_full(sender: Sender) -> None:
    """Step until every place is taken, or none more is to be."""
    while sender._window.free and await sender.step() is None:
        pass


async def test_high_and_normal_texts_overtake_a_campaign_of_thousands(house: House) -> None:
    """Each is among the next calls to be made, and the campaign moves on."""
    line = Slow(slow=())
    await campaign(house, BULK, 5000)
    sender = house.sender(line)
    for place in range(10):
        before = await overtaken(house, line, sender, place)
        assert line.lanes[before:].index(HIGH) <= 8
        assert line.lanes[before:].index(NORMAL) <= 9
    await sender.drain(GRACE)
    assert (line.lanes.count(HIGH), line.lanes.count(NORMAL)) == (10, 10)
    assert line.lanes.count(BULK) >= 180


async def overtaken(house: House, line: Slow, sender: Sender, place: int) -> int:
    """Send twenty of the campaign, then have a high and a normal text sent; how many had been sent before these."""
    await sends(sender, lambda: len(line.sent) >= 20 * (place + 1))
    before = len(line.sent)
    await house.send(ALICE, line=DESK, priority=Priority.HIGH, text=f"Password {place}")
    await house.send(BOB, line=DESK, priority=Priority.NORMAL, text=f"Receipt {place}")
    await sends(sender, lambda: {HIGH, NORMAL} <= set(line.lanes[before:]))
    return before


async def sends(sender: Sender, so: Callable[[], bool]) -> None:
    """Let the sender work until it is so."""
    while not so():
        rest = await sender.step()
        if rest is not None:
            await rest.over(sender._clock)
