"""The sender against AT&T, simulated: what goes out once, what is tried again, and what is never sent again."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from relay.domain.messages import OnUncertain, Priority
from relay.failedcalls import UNAUTHORIZED_PAUSE
from relay.journal import JournalError
from relay.stages.sender import IDLE
from relay.telemetry.health import LineState
from tests.unit.stages.house import (
    ALERTS,
    ALICE,
    BOB,
    CAROL,
    GRACE,
    INVALID,
    ME,
    OFFICE,
    House,
    happens,
    seconds,
    settled,
    until_rest,
)


async def test_a_text_goes_out_once_and_is_submitted(house: House) -> None:
    """The journal holds what AT&T answered, and the tracker will find it."""
    await house.send()
    await settled(house.sender())
    assert house.accepted() == {ALICE: 1}
    assert await house.standing() == {ALICE: "submitted"}
    assert await house.journal.looks.next_due(ALERTS) is not None
    assert house.board.of(ALERTS).state is LineState.READY


async def test_a_copy_that_nothing_will_be_heard_of_is_final_when_it_is_submitted(house: House) -> None:
    """Without receipts the provider is not asked, and the copy has its end."""
    await house.send(receipts=False)
    await settled(house.sender())
    assert [body["status"] for body in await house.bodies("receipt") if body["final"]] == ["submitted"]
    assert await house.journal.looks.next_due(ALERTS) is None


async def test_an_idle_sender_rests_until_its_bell_rings(house: House) -> None:
    """A request that is accepted ends the rest at once."""
    sender = house.sender()
    rest = await until_rest(sender)
    assert seconds(rest) == IDLE
    await house.send()
    await asyncio.wait_for(rest.over(house.clock), GRACE)
    await settled(sender)
    assert house.accepted() == {ALICE: 1}


async def test_a_text_for_later_waits_for_its_time(house: House) -> None:
    """The rest ends when it is due, not when somebody looks by chance."""
    await house.send(send_at=house.clock.now() + timedelta(seconds=20), ttl=None)
    sender = house.sender()
    assert seconds(await until_rest(sender)) == 20
    await house.clock.advance(20)
    await settled(sender)
    assert house.accepted() == {ALICE: 1}


async def test_the_high_lane_goes_first(house: House) -> None:
    """Whatever was asked for earlier."""
    for number, priority in ((ALICE, Priority.BULK), (BOB, Priority.NORMAL), (CAROL, Priority.HIGH)):
        await house.send(number, priority=priority)
    sender = house.sender(window=1)
    await settled(sender)
    assert [line["to"] for line in house.ledger("accepted")] == [CAROL, BOB, ALICE]


async def test_one_slow_call_does_not_hold_up_the_others(house: House) -> None:
    """The window refills: nine texts pass while the first waits for its answer."""
    numbers = [f"+1206555{number:04}" for number in range(1, 11)]
    house.fault("delay", operation="send", seconds=60)
    for number in numbers:
        await house.send(number, text=f"To {number}")
    sender = house.sender(window=3)
    async with asyncio.timeout(GRACE):
        while house.accepted().total() < 9:
            rest = await sender.step()
            if rest is not None and house.accepted().total() < 9:
                await rest.over(house.clock)
    stopping = asyncio.create_task(sender.drain(GRACE))
    await house.clock.advance(61)
    await stopping
    assert house.accepted() == dict.fromkeys(numbers, 1)


async def test_a_call_whose_answer_was_cut_is_uncertain_and_never_sent_again(house: House) -> None:
    """AT&T has taken it, and nobody here can know: a second text would be one too many."""
    house.fault("cut-after", operation="send")
    await house.send()
    sender = house.sender()
    await settled(sender)
    await house.clock.advance(3600)
    await settled(sender)
    assert await house.standing() == {ALICE: "uncertain"}
    assert house.accepted() == {ALICE: 1}
    [dead] = await house.bodies("dead")
    assert dead["what"] == "uncertain"


async def test_a_call_that_was_cut_before_it_was_taken_is_as_uncertain(house: House) -> None:
    """The request was written, and that is all that relay sees."""
    house.fault("cut-before", operation="send")
    await house.send()
    await settled(house.sender())
    assert await house.standing() == {ALICE: "uncertain"}
    assert house.accepted() == {}


@pytest.mark.parametrize(
    ("wish", "times", "status"),
    [(OnUncertain.HOLD, 1, "uncertain"), (OnUncertain.RESEND, 2, "submitted"), (OnUncertain.FAIL, 1, "failed")],
)
async def test_what_is_uncertain_is_treated_as_its_request_wishes(
    house: House, wish: OnUncertain, times: int, status: str
) -> None:
    """Only who asks for it gets a second text."""
    house.fault("cut-after", operation="send")
    await house.send(on_uncertain=wish)
    sender = house.sender()
    await settled(sender)
    await house.clock.advance(3)
    await settled(sender)
    assert house.accepted() == {ALICE: times}
    assert await house.standing() == {ALICE: status}


async def test_a_provider_that_is_not_there_is_tried_again(house: House) -> None:
    """No connection means no effect: the text goes out once, when the provider is back."""
    await house.send()
    sender = house.sender()
    port = int(house.simulator.base_url.rpartition(":")[2])
    await house.simulator.stop()
    await settled(sender)
    assert house.board.of(ALERTS).state is LineState.UNREACHABLE
    assert await house.standing() == {ALICE: "sending"}
    await house.simulator.start(port=port)
    await house.clock.advance(3)
    await settled(sender)
    assert house.accepted() == {ALICE: 1}
    assert house.board.of(ALERTS).state is LineState.READY


async def test_429_throttles_the_line_for_as_long_as_it_says(house: House) -> None:
    """Nothing of the line goes out in the meantime, and then each text once."""
    house.fault("retry-after", operation="send", status=429, after=30)
    await house.send(ALICE)
    sender = house.sender()
    await until_rest(sender)
    await sender.drain(GRACE)
    assert house.board.of(ALERTS).state is LineState.THROTTLED
    await house.send(BOB)
    rest = await sender.step()
    assert rest is not None
    assert (rest.seconds, rest.bell) == (30, None)
    assert house.accepted() == {}
    await house.clock.advance(30)
    await settled(sender)
    assert house.accepted() == {ALICE: 1, BOB: 1}
    assert await house.standing() == {ALICE: "submitted"}
    assert house.board.of(ALERTS).state is LineState.READY


async def test_503_is_tried_again_with_growing_waits(house: House) -> None:
    """The text goes out once; each try is counted."""
    house.fault("status", operation="send", status=503, times=4)
    await house.send()
    sender = house.sender()
    for _ in range(5):
        await settled(sender)
        await house.clock.advance(60)
    assert house.accepted() == {ALICE: 1}
    [copy] = await house.copies()
    assert copy["attempt"] == 5


@pytest.mark.parametrize(("status", "code"), [(503, "provider_error"), (500, "uncertain")])
async def test_a_provider_that_fails_shows_on_the_line_until_it_answers(house: House, status: int, code: str) -> None:
    """A refusal is an answer too."""
    house.fault("status", operation="send", status=status)
    await house.send()
    sender = house.sender()
    await settled(sender)
    health = house.board.of(ALERTS)
    assert (health.state, health.reason) == (LineState.UNREACHABLE, code)
    await house.send(INVALID)
    await settled(sender)
    assert house.board.of(ALERTS).state is LineState.READY


async def test_a_token_that_died_is_replaced_and_the_text_goes_out_once(house: House) -> None:
    """401 costs one new token, and nobody notices."""
    sender = house.sender()
    await house.send(ALICE)
    await settled(sender)
    house.simulator.act("att-sms", "revoke-tokens")
    await house.send(BOB)
    await settled(sender)
    assert house.accepted() == {ALICE: 1, BOB: 1}
    assert len(house.ledger("token")) == 2
    assert await house.standing("key-2") == {BOB: "submitted"}


async def test_a_line_whose_credentials_are_refused_is_parked_and_its_texts_wait(house: House) -> None:
    """They are not failed, not counted as tried in vain, and go out once somebody has put it right."""
    await house.send()
    sender = house.sender(house.sms(app_secret="wrong"))
    await until_rest(sender)
    await sender.drain(GRACE)
    assert house.board.of(ALERTS).state is LineState.UNAUTHORIZED
    rest = await sender.step()
    assert rest is not None
    assert (rest.seconds, rest.bell) == (UNAUTHORIZED_PAUSE, None)
    await house.clock.advance(UNAUTHORIZED_PAUSE)
    await settled(house.sender())
    assert house.accepted() == {ALICE: 1}
    assert house.board.of(ALERTS).state is LineState.READY


async def test_one_bad_address_in_fifty_fails_alone(house: House) -> None:
    """AT&T refuses the whole call and names nobody: it is divided until only the bad copy is left."""
    good = [f"+1206555{number:04}" for number in range(1, 50)]
    await house.send(*good[:30], INVALID, *good[30:])
    sender = house.sender()
    async with asyncio.timeout(30):
        while {"queued", "sending"} & set((standing := await house.standing()).values()):
            await settled(sender)
    assert house.accepted() == dict.fromkeys(good, 1)
    assert standing == {**dict.fromkeys(good, "submitted"), INVALID: "failed"}
    [final] = [body for body in await house.bodies("receipt") if body["final"]]
    assert final["error"]["code"] == "invalid_recipient"


async def test_a_text_that_is_refused_has_failed_and_is_not_sent_again(house: House) -> None:
    """With the provider's own words."""
    await house.send(INVALID)
    sender = house.sender()
    await settled(sender)
    await house.clock.advance(3600)
    await settled(sender)
    assert await house.standing() == {INVALID: "failed"}
    assert len(house.ledger("refused")) == 1
    [receipt] = await house.bodies("receipt")
    assert receipt["error"]["provider"]["code"] == "SVC0004"


async def test_a_stop_lets_a_call_in_flight_finish(house: House) -> None:
    """Within the grace, it is answered and written down."""
    house.fault("delay", operation="send", seconds=5)
    await house.send()
    sender = house.sender()
    await sender.step()
    stopping = asyncio.create_task(sender.drain(GRACE))
    await _under_way(house)
    await house.clock.advance(5)
    await stopping
    assert await house.standing() == {ALICE: "submitted"}


async def test_a_call_that_is_cut_in_flight_is_uncertain(house: House) -> None:
    """The grace is over and no answer has come: it is written down as what it is."""
    house.fault("delay", operation="send", seconds=5)
    await house.send()
    sender = house.sender()
    await sender.step()
    await _under_way(house)
    await sender.drain(0.01)
    assert await house.standing() == {ALICE: "uncertain"}
    assert await house.in_flight() == 0


async def _under_way(house: House) -> None:
    """Wait until AT&T has the request."""
    await happens(lambda: bool(house.ledger("fault")))


async def test_a_call_that_a_former_life_left_in_flight_is_uncertain_and_not_made_again(house: House) -> None:
    """After a kill there is the journal alone, which says that it had begun."""
    await house.send()
    assert await house.journal.calls.claim(ALERTS, ME) is not None
    await house.restart()
    await settled(house.sender())
    assert await house.standing() == {ALICE: "uncertain"}
    assert house.accepted() == {}


async def test_a_stop_while_a_call_is_claimed_gives_it_back(house: House) -> None:
    """Nothing of it was written: it waits, and is nobody's."""
    await house.send()
    sender = house.sender()
    stepping = asyncio.create_task(sender.step())
    await asyncio.sleep(0)
    stepping.cancel()
    await asyncio.wait({stepping})
    await sender.drain(GRACE)
    assert await house.in_flight() == 0
    assert await house.standing() == {ALICE: "queued"}
    await settled(house.sender())
    assert house.accepted() == {ALICE: 1}


async def test_an_answer_that_cannot_be_written_down_is_not_lost(house: House) -> None:
    """While the journal fails nothing more is sent; when it works again, it holds what AT&T had answered."""
    await house.send(ALICE)
    await house.send(BOB)
    sender = house.sender(window=1)
    await sender.step()
    with house.broken("copy", "update"):
        with pytest.raises(JournalError):
            await sender.drain(GRACE)
        for _ in range(3):
            with pytest.raises(JournalError):
                await sender.step()
    await settled(sender)
    assert house.accepted() == {ALICE: 1, BOB: 1}
    assert await house.standing("key-1") == {ALICE: "submitted"}
    assert await house.standing("key-2") == {BOB: "submitted"}


async def test_a_sender_whose_journal_fails_says_so_at_once(house: House) -> None:
    """It does not rest first."""
    await house.send()
    sender = house.sender()
    with house.broken("copy", "update"), pytest.raises(JournalError):
        await sender.step()
    await settled(sender)
    assert house.accepted() == {ALICE: 1}


async def test_what_has_expired_is_not_sent(house: House) -> None:
    """However long the line was in trouble."""
    await house.send(ttl=60.0)
    await house.clock.advance(61)
    await settled(house.sender())
    assert house.accepted() == {}
    assert await house.standing() == {ALICE: "expired"}


async def test_a_landline_text_that_gets_no_certain_answer_is_uncertain(house: House) -> None:
    """Landline's -1: "although it went out" happens, so it is not sent again."""
    number = "+12065550121"
    await house.send(number, line=OFFICE)
    sender = house.sender(house.landline())
    await settled(sender)
    await house.clock.advance(3600)
    await settled(sender)
    assert await house.standing(line=OFFICE) == {number: "uncertain"}
    assert house.accepted()[number] == 1


async def test_a_landline_text_that_is_to_come_again_comes_again_once(house: House) -> None:
    """Landline's -855 had no effect."""
    number = "+12065550120"
    await house.send(number, line=OFFICE)
    sender = house.sender(house.landline())
    for _ in range(3):
        await settled(sender)
        await house.clock.advance(120)
    assert await house.standing(line=OFFICE) == {number: "submitted"}
    assert house.accepted() == Counter({number: 1})


async def test_every_copy_has_one_receipt_at_most_that_is_final(house: House) -> None:
    """Whatever went wrong on the way."""
    for fault in ("cut-after", "cut-before", "html", "garbage", "truncate"):
        house.fault(fault, operation="send")
    house.fault("status", operation="send", status=500)
    for _ in range(8):
        await house.send(ALICE, on_uncertain=OnUncertain.FAIL)
    sender = house.sender(window=1)
    for _ in range(5):
        await settled(sender)
        await house.clock.advance(60)
    finals = await house.finals()
    assert set(finals.values()) == {1}
    assert len(finals) >= 5
