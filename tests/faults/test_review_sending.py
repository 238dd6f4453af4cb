"""A text is not sent again without a pause, not after its expiry, and not set aside when it never left."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from relay.domain.messages import OnUncertain
from relay.journal import JournalError
from tests.unit.stages.house import ALICE, GRACE, House, settled


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A small relay."""
    async with AsyncExitStack() as stack:
        yield await House.built(tmp_path, stack)


async def test_a_wish_to_resend_waits_before_every_further_try(house: House) -> None:
    """A provider that takes every call and loses every answer is not given the text forty times in a second."""
    house.fault("cut-after", operation="send", times=0)
    await house.send(on_uncertain=OnUncertain.RESEND)
    sender = house.sender()
    for _ in range(20):
        await sender.step()
        await sender.drain(GRACE)
    assert house.accepted()[ALICE] <= 2  # time stood still


async def test_what_expired_while_relay_was_away_is_never_sent(house: House) -> None:
    """However many calls are past their expiry when relay comes back, none of them goes out."""
    for _ in range(30):
        await house.send(ttl=60.0)
    await house.clock.advance(3600)
    await settled(house.sender())
    assert house.accepted() == {}
    assert set((await house.finals()).values()) == {1}


async def test_a_call_that_never_left_because_its_token_could_not_be_kept_is_made_later(house: House) -> None:
    """No byte of it was written: the copy waits for the disk, and for no person."""
    await house.send()
    sender = house.sender()
    with house.broken("memory"), suppress(JournalError):
        await settled(sender)
    assert house.accepted() == {}
    for _ in range(5):
        await house.clock.advance(120)
        with suppress(JournalError):
            await settled(sender)
    assert await house.standing() == {ALICE: "submitted"}


@pytest.mark.parametrize("line", ["alerts", "office"])
async def test_a_500_with_an_error_in_it_does_not_prove_that_nothing_was_sent(house: House, line: str) -> None:
    """A generic service error says nothing about the text: only 429, 503 and throttling are tried again."""
    said = {"RequestError": {"ServiceException": {"MessageId": "SVC0001", "Text": "Generic service error"}}}
    if line == "office":
        said = {"success": False, "response": {"desc": "Internal error"}}  # type: ignore[dict-item] # another shape
    house.fault("status", operation="send", processed=True, status=500, json=said)
    await house.send(line=line)
    sender = house.sender(house.landline() if line == "office" else None)
    await settled(sender)
    await house.clock.advance(60)
    await settled(sender)
    assert house.accepted() == {ALICE: 1}
