"""What could have been lost is told; what was kept is read, or set aside for a person and not forgotten."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.domain.addresses import inbound
from relay.domain.messages import DeliveryReport, RawAnswer
from relay.domain.states import Fact
from relay.ids import Ids
from relay.journal import Journal
from tests.system.world import world
from tests.unit.stages.house import ALERTS, ALICE, BOB, House, until_rest

PAGE = b'{"InboundSmsMessageList": {"InboundSmsMessage": [{"Message": "hi", "SenderAddress": "tel:+12065550101"}]}}'


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A small relay."""
    async with AsyncExitStack() as stack:
        yield await House.built(tmp_path, stack)


async def test_texts_that_at_and_t_purged_while_relay_was_away_are_not_lost_in_silence(house: House) -> None:
    """After more than 30 minutes without a poll `loss-suspected` says so."""
    await until_rest(house.poller())
    house.text("nobody will read this")
    await house.clock.advance(3 * 3600)
    await until_rest(house.poller())
    assert await house.bodies("message") or await house.bodies("event.loss-suspected")


async def test_texts_that_at_and_t_purged_while_it_could_not_be_reached_are_not_lost_in_silence(house: House) -> None:
    """The same where relay ran, and AT&T did not answer for longer than it keeps texts."""
    poller = house.poller()
    await until_rest(poller)
    house.text("nobody will read this")
    house.fault("status", operation="inbox", status=503, times=20)
    for _ in range(30):
        await house.clock.advance(300)
        await until_rest(poller)
    assert await house.bodies("message") or await house.bodies("event.loss-suspected")


async def test_kept_bytes_that_no_stage_reads_any_more_are_set_aside(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """A page was kept, relay fell, and the line polls no more in its next life: a person is told."""
    async with world(tmp_path, free_port) as made:
        clock = SystemClock()
        url = f"sqlite:///{tmp_path}/relay.db"
        async with await Journal.open(url, clock=clock, ids=Ids(clock), node="n") as journal:
            await journal.raw.keep(ALERTS, "inbox", "", "poll", RawAnswer(PAGE, "application/json"))
        settings = tmp_path / "relay.toml"
        off = settings.read_text().replace('short_code = "12345"', 'short_code = "12345"\nreceive = "off"')
        await asyncio.to_thread(settings.write_text, off)
        await made.relay.start()
        await made.listening()
        await made.ears.until(lambda: made.ears.events("message") or made.ears.events("dead"), within=5.0)


async def test_an_event_that_was_set_aside_is_kept_for_as_long_as_it_is_listed(house: House) -> None:
    """What waits for a person is not purged behind the list's back."""
    await house.send()
    [event] = await house.events("result")
    await house.journal.events.set_aside(event.id, "the broker never takes it")
    await house.clock.advance(8 * 86_400)
    await house.journal.upkeep.purge()
    listed = [aside["event_id"] for aside in await house.journal.dead.list(10)]
    assert listed == [event.id]
    assert event.id in [kept.id for kept in await house.events("result")]


async def test_a_status_of_a_number_that_was_not_sent_to_ends_nobody_elses_copy(house: House) -> None:
    """The place in the list counts only where there is no address."""
    await house.sent(ALICE, BOB)
    await house.clock.advance(60)
    [look] = await house.journal.looks.due(ALERTS, 10)
    kept = await house.journal.raw.keep(ALERTS, "status", look.ref, look.call_id, RawAnswer(b"{}"))
    report = DeliveryReport(look.ref, Fact.UNDELIVERED, address=inbound("tel:+12065550199"), position=0)
    await house.journal.raw.understood(kept, reports=[report], next_look=60)
    assert set((await house.standing()).values()) == {"submitted"}
