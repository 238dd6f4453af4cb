"""Every command gets an answer, also the strange one; a command that the broker repeats is not done twice."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from relay.bus.delivery import Delivery
from tests.unit.stages.house import ALERTS, House
from tests.unit.stages.test_consumer import intake


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A small relay."""
    async with AsyncExitStack() as stack:
        yield await House.built(tmp_path, stack)


async def test_a_send_at_at_the_end_of_the_calendar_is_answered(house: House) -> None:
    """Where it raised instead, the broker would deliver it again for ever, and nothing else would be heard."""
    payload = b'{"id": "far", "to": "+12065550123", "text": "x", "send_at": "9999-12-31T00:00:00Z"}'
    answer = await intake(house).take(Delivery(ALERTS, "send", None, payload))
    assert answer.outcome in {"accepted", "rejected"}


async def test_a_command_without_an_id_is_recognised_after_a_long_absence(house: House) -> None:
    """Relay fell after the commit and before the PUBACK, and was away for two hours: the text is not sent twice."""
    payload = b'{"to": "+12065550123", "text": "x"}'
    await intake(house).take(Delivery(ALERTS, "send", None, payload))
    await house.clock.advance(2 * 3600)
    again = await intake(house).take(Delivery(ALERTS, "send", None, payload, redelivered=True))
    assert again.replayed
