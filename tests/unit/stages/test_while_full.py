"""What stages do while the journal's disk is full: they begin nothing, and what they have begun they write down."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from relay.journal import JournalShut, JournalUnwritten
from relay.stages.poller import Poller
from relay.supervisor import Supervisor
from relay.telemetry.health import LineState, Pulse
from tests.fulldisks import opened, shut
from tests.unit.stages.house import ALERTS, BOB, GRACE, House, happens, until_rest


async def over(house: House) -> asyncio.Event:
    """What rings when the journal takes new things again."""
    assert house.journal.shut is not None
    return house.journal.shut.over


async def test_no_call_is_claimed_until_there_is_room(house: House) -> None:
    """The sender rests, and goes on as soon as the journal says so."""
    await house.send()
    sender = house.sender()
    await shut(house.journal)
    assert (await until_rest(sender)).bell is await over(house)
    assert house.ledger("accepted") == []
    await opened(house.journal)
    await until_rest(sender)
    await sender.drain(GRACE)
    assert len(house.ledger("accepted")) == 1


async def test_what_a_call_brought_is_written_down_on_a_full_disk(house: House) -> None:
    """Its outcome is known to nobody else."""
    await house.send(BOB)
    house.fault("delay", operation="send", processed=True, seconds=0.2, real=True)
    sender = house.sender()
    await until_rest(sender)
    await happens(lambda: bool(house.ledger("accepted")))
    await shut(house.journal)
    await sender.drain(GRACE)
    assert [body["status"] for body in await house.bodies("receipt")] == ["submitted"]


async def test_no_page_is_fetched_that_could_not_be_kept(house: House) -> None:
    """AT&T deletes what it hands out: it keeps the texts meanwhile."""
    poller = house.poller()
    await until_rest(poller)
    house.text("Hello")
    await shut(house.journal)
    assert (await until_rest(poller)).bell is await over(house)
    assert house.ledger("handed-out") == []
    await opened(house.journal)
    await until_rest(poller)
    assert [body["text"] for body in await house.bodies("message")] == ["Hello"]
    assert await house.bodies("event.loss-suspected") == []


async def test_a_page_that_was_fetched_is_kept_on_a_full_disk(house: House) -> None:
    """Whatever waits, and however full the disk is."""
    house.text("Hello")
    house.fault("delay", operation="inbox", processed=True, seconds=0.2, real=True)
    polling = asyncio.create_task(until_rest(house.poller()))
    await happens(lambda: bool(house.ledger("handed-out")))
    await shut(house.journal)
    await polling
    assert [body["text"] for body in await house.bodies("message")] == ["Hello"]


async def test_no_status_is_asked_for_that_could_be_told_only_once(house: House) -> None:
    """It is asked for once there is room."""
    await house.sent(BOB)
    await house.clock.advance(60)
    tracker = house.tracker()
    await shut(house.journal)
    assert (await until_rest(tracker)).bell is await over(house)
    await tracker.drain(GRACE)
    assert house.ledger("status") == []
    await opened(house.journal)
    await until_rest(tracker)
    await tracker.drain(GRACE)
    assert "delivered" in (await house.standing()).values()


@pytest.mark.parametrize("kind", [JournalShut, JournalUnwritten])
async def test_a_stage_that_meets_a_full_disk_rests_without_a_word(
    house: House, logs: list[MutableMapping[str, Any]], kind: type[Exception]
) -> None:
    """The journal has said it, once for all; the line has no trouble of its own; the rest ends with the trouble."""
    await shut(house.journal)
    ends = await over(house)
    error: Any = JournalShut("full", ends) if kind is JournalShut else JournalUnwritten("full")
    error.over = ends

    class Meets(Poller):
        """Meets the full disk at its first step."""

        steps = 0

        async def step(self) -> None:
            """The first fails."""
            self.steps += 1
            await asyncio.sleep(0)
            if self.steps == 1:
                raise error

    stage = Meets(house.sms(), house.ground)
    supervisor = Supervisor(house.clock, house.ids, house.board, Pulse(), GRACE)
    async with supervisor.running([stage]):
        await happens(lambda: stage.steps == 1)
        for _ in range(100):
            await asyncio.sleep(0)
        assert stage.steps == 1
        await opened(house.journal)
        await happens(lambda: stage.steps > 1)
    assert [line["event"] for line in logs if line["event"].startswith("stage.")] == []
    assert house.board.of(ALERTS).state is not LineState.SUSPENDED
