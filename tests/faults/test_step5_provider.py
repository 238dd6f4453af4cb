"""What the battery of the providers' faults found, each with the smallest test that failed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from relay.domain.messages import OnUncertain
from relay.failedcalls import HOOKS_FOR_EVIDENCE
from relay.journal.calls import EVIDENCE_WITHIN
from tests.unit.stages.house import ALERTS, ALICE, ME, OFFICE, House, seconds, settled, until_rest


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A small relay."""
    async with AsyncExitStack() as stack:
        yield await House.built(tmp_path, stack)


async def test_a_landline_text_is_sent_again_only_after_its_web_hook_had_the_time_to_come(house: House) -> None:
    """It was after two seconds: before AT&T's `send` hook could tell that the first had been taken."""
    house.fault("cut-before", service="att-landline", operation="send")
    await house.send(ALICE, line=OFFICE, on_uncertain=OnUncertain.RESEND)
    sender = house.sender(house.landline())
    await settled(sender)
    await house.clock.advance(HOOKS_FOR_EVIDENCE - 1)
    await settled(sender)
    assert house.accepted() == {}
    await house.clock.advance(2)
    await settled(sender)
    assert house.accepted() == {ALICE: 1}


async def test_after_a_crash_as_well(house: House) -> None:
    """What a former life left in flight is sent again no sooner than its hook may come."""
    await house.send(ALICE, line=OFFICE, on_uncertain=OnUncertain.RESEND)
    assert await house.journal.calls.claim(OFFICE, ME) is not None
    await house.close()
    await house.open()
    await house.journal.calls.recover(shows={OFFICE})
    sender = house.sender(house.landline())
    await settled(sender)
    await house.clock.advance(EVIDENCE_WITHIN - 1)
    await settled(sender)
    assert house.accepted() == {}
    await house.clock.advance(2)
    await settled(sender)
    assert house.accepted() == {ALICE: 1}


@pytest.mark.parametrize("form", ["json", "xml"])
async def test_what_came_of_a_page_that_broke_off_is_not_thrown_away(house: House, form: str) -> None:
    """Its bytes were forgotten: AT&T had deleted eight texts, and the four that had come whole went with them."""
    house.simulator.set_modes("att-sms", {"format": form})
    for number in range(8):
        house.text(f"text {number}")
    house.fault("truncate", operation="inbox")
    poller = house.poller()
    assert seconds(await until_rest(poller)) == 300
    told = [body["text"] for body in await house.bodies("message")]
    assert told == [f"text {number}" for number in range(len(told))]
    assert 3 <= len(told) < 8
    assert len(await house.bodies("event.loss-suspected")) == 1
    [dead] = await house.bodies("dead")
    assert (dead["what"], dead["line"]) == ("inbox", ALERTS)
    assert await house.unread() == 0
    await house.clock.advance(300)
    await until_rest(poller)
    assert [body["text"] for body in await house.bodies("message")] == told


async def test_an_answer_to_a_send_is_read_no_further_than_an_answer_may_be_long(house: House) -> None:
    """Landline Texting's were read up to the 16 MiB that an attachment may have."""
    long = {"success": True, "response": {"tokens": [], "more": "x" * (2 << 20)}}
    house.fault("status", service="att-landline", operation="send", status=200, json=long)
    await house.send(ALICE, line=OFFICE)
    await settled(house.sender(house.landline()))
    assert await house.standing(line=OFFICE) == {ALICE: "uncertain"}


async def test_a_provider_that_never_answers_does_not_make_a_whole_campaign_uncertain(house: House) -> None:
    """Every text that waited was sent into the silence, one after the other, and each of them was uncertain."""
    for place in range(30):
        await house.send(f"+1206555{place:04}", text=f"text {place}")
    house.fault("cut-after", operation="send", times=0)
    sender = house.sender(window=4)
    await settled(sender)
    assert house.accepted().total() <= 6
