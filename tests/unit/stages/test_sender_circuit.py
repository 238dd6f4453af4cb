"""The sender's circuit: a provider that does not answer makes a handful of copies uncertain, and not a thousand."""

from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from relay.domain.messages import OnUncertain, Priority
from relay.rules.circuit import OPENS_AFTER
from relay.stages.sender import Sender
from relay.telemetry.health import LineState
from tests.unit.stages.house import ALERTS, BOB, GRACE, INVALID, OFFICE, House, happens, seconds, settled, until_rest

WAITING = {"queued", "sending"}


async def crowd(house: House, number: int, **wishes: object) -> list[str]:
    """So many texts, each in a call of its own; whom to."""
    people = [f"+1206555{place:04}" for place in range(1, number + 1)]
    for person in people:
        await house.send(person, text=f"Dear {person[-4:]}", **wishes)
    return people


async def outage(house: House, sender: Sender, for_seconds: float) -> None:
    """Let the sender work for so long, stepping whenever a rest of its ends."""
    until = house.clock.now() + timedelta(seconds=for_seconds)
    while (left := (until - house.clock.now()).total_seconds()) > 0:
        rest = await settled(sender)
        await house.clock.advance(min(max(seconds(rest), 0.001), left))
    await settled(sender)


async def statuses(house: House, people: list[str]) -> dict[str, int]:
    """How many copies stand how."""
    found: dict[str, int] = {}
    for place in range(1, len(people) + 1):
        [status] = (await house.standing(f"key-{place}")).values()
        found[status] = found.get(status, 0) + 1
    return found


async def test_a_provider_that_takes_and_never_answers_makes_a_handful_uncertain(house: House) -> None:
    """Of forty texts three, and then one with each try; all others go out once it answers, each once."""
    people = await crowd(house, 40)
    house.fault("cut-before", operation="send", times=0)
    sender = house.sender(window=1)
    await settled(sender)
    assert (await statuses(house, people))["uncertain"] == OPENS_AFTER
    await outage(house, sender, 300)
    uncertain = (await statuses(house, people))["uncertain"]
    assert OPENS_AFTER < uncertain <= OPENS_AFTER + 6
    house.simulator.world.faults.clear()
    await outage(house, sender, 600)
    assert await statuses(house, people) == {"uncertain": uncertain, "submitted": 40 - uncertain}
    assert set(house.accepted().values()) == {1}


async def test_a_provider_that_answers_nothing_at_all_costs_no_further_text(house: House) -> None:
    """A try begins with a call that has no effect: only where that is answered a text is risked."""
    people = await crowd(house, 1)
    sender = house.sender(window=1)
    await settled(sender)
    people += [f"+1206555{place:04}" for place in range(2, 21)]
    for person in people[1:]:
        await house.send(person, text=f"Dear {person[-4:]}")
    house.fault("cut-before", times=0)
    await outage(house, sender, 3600)
    assert (await statuses(house, people))["uncertain"] == OPENS_AFTER
    house.simulator.world.faults.clear()
    await outage(house, sender, 1800)
    assert await statuses(house, people) == {"uncertain": OPENS_AFTER, "submitted": 20 - OPENS_AFTER}
    assert set(house.accepted().values()) == {1}


async def test_an_outage_begins_and_ends_with_one_line_in_the_log(house: House) -> None:
    """And the line shows it as long as it lasts, with a reason and the next try."""
    await crowd(house, 10)
    house.fault("status", operation="send", status=503, times=8)
    sender = house.sender(window=1)
    with capture_logs() as logs:
        await settled(sender)
        health = house.board.of(ALERTS)
        assert (health.state, health.reason) == (LineState.UNREACHABLE, "provider_error")
        assert health.circuit is not None
        assert health.circuit["reason"] == (
            "3 calls in a row brought no usable answer; of the last one: the provider is unavailable"
        )
        assert datetime.fromisoformat(health.circuit["next_try_at"]) > house.clock.now()
        await outage(house, sender, 3600)
    assert (house.board.of(ALERTS).state, house.board.of(ALERTS).circuit) == (LineState.READY, None)
    told = [(line["event"], line["log_level"]) for line in logs if line["event"].startswith("circuit.")]
    assert told == [("circuit.opened", "warning"), ("circuit.closed", "info")]
    assert house.accepted().total() == 10


async def test_it_stays_open_over_a_restart(house: House) -> None:
    """A relay that is restarted in despair does not send another handful into nowhere."""
    await crowd(house, 10)
    house.fault("cut-before", operation="send", times=0)
    await settled(house.sender(window=8))
    uncertain = sum(line["what"] == "fault" for line in house.ledger("fault"))
    await house.restart()
    house.board.circuit(ALERTS, None)
    sender = house.sender(window=8)
    rest = await settled(sender)
    assert 0 < seconds(rest) <= 12
    assert house.board.of(ALERTS).circuit is not None
    assert len(house.ledger("fault")) == uncertain
    house.simulator.world.faults.clear()
    await outage(house, sender, 60)
    assert house.board.of(ALERTS).circuit is None
    await house.restart()
    assert await house.journal.memory(ALERTS).get("send.circuit") is None


async def test_what_waits_says_that_the_circuit_is_open(house: House) -> None:
    """In the words of `relay trace`, and with the time of the next try."""
    await crowd(house, 10)
    house.fault("status", operation="send", status=503, times=0)
    await settled(house.sender(window=1))
    [waits] = [step for step in await house.journal.queries.trace("key-9") if step["what"] == "waits"]
    assert waits["why"] == "circuit"
    assert waits["sentence"].startswith("the line's circuit is open: 3 calls in a row brought no usable answer; ")
    assert "; next try 20" in waits["sentence"]


@pytest.mark.parametrize("fault", [{"do": "retry-after", "status": 429, "after": 1}, {"do": "status", "status": 400}])
async def test_what_is_an_answer_does_not_open_it(house: House, fault: dict[str, object]) -> None:
    """A provider that asks for a rest, or refuses a text, is there."""
    await crowd(house, 6)
    house.fault(operation="send", times=5, **fault)  # type: ignore[arg-type] # a rule's fields
    await outage(house, house.sender(window=1), 60)
    assert house.board.of(ALERTS).circuit is None


async def test_an_answer_of_any_kind_closes_it(house: House) -> None:
    """A refusal of one text says that the provider is there."""
    await crowd(house, 3)
    house.fault("status", operation="send", status=503, times=3)
    sender = house.sender(window=1)
    await settled(sender)
    assert house.board.of(ALERTS).circuit is not None
    await house.send(INVALID, priority=Priority.HIGH)
    await outage(house, sender, 13)
    assert await house.standing("key-4") == {INVALID: "failed"}
    assert house.board.of(ALERTS).circuit is None


async def test_a_landline_text_that_is_to_come_again_says_nothing_of_the_line(house: House) -> None:
    """-855 is the provider's own word about one text."""
    people = [f"+1206555{place}20" for place in range(10, 16)]
    for person in people:
        await house.send(person, line=OFFICE)
    sender = house.sender(house.landline(), window=1)
    await settled(sender)
    assert house.board.of(OFFICE).circuit is None
    await outage(house, sender, 120)
    assert house.accepted() == dict.fromkeys(people, 1)


async def test_the_window_fills_gradually_after_an_outage(house: House) -> None:
    """One call, then two, and so on: a provider that has just come back meets no herd."""
    await crowd(house, 40)
    house.fault("status", operation="send", status=503, times=8)
    sender = house.sender(window=8)
    await settled(sender)
    house.simulator.world.faults.clear()
    house.fault("delay", operation="send", seconds=5, times=0)
    await house.clock.advance(13)
    at_once: list[int] = []
    failed = len(house.ledger("fault"))
    for _ in range(4):
        await until_rest(sender)
        at_once.append(sender._window.busy)
        await happens(lambda: len(house.ledger("fault")) >= failed + sum(at_once))
        await house.clock.advance(5)
        await sender.drain(GRACE)
    # Of eight places the last is kept for the high lane.
    assert at_once == [1, 2, 4, 7]
    assert set(house.accepted().values()) == {1}


async def test_an_open_circuit_of_one_line_is_none_of_anothers(house: House) -> None:
    """A landline number goes on."""
    await crowd(house, 5)
    house.fault("status", service="att-sms", operation="send", status=503, times=0)
    await settled(house.sender(window=1))
    await house.send(BOB, line=OFFICE)
    await settled(house.sender(house.landline()))
    assert house.accepted() == {BOB: 1}


async def test_what_its_request_wants_sent_again_waits_for_the_circuit_too(house: House) -> None:
    """A text that may be doubled is not doubled more often than the tries allow."""
    await crowd(house, 3, on_uncertain=OnUncertain.RESEND)
    house.fault("cut-before", operation="send", times=0)
    sender = house.sender(window=1)
    await settled(sender)
    made = len(house.ledger("fault"))
    await house.clock.advance(7)
    await settled(sender)
    assert (made, len(house.ledger("fault"))) == (OPENS_AFTER, OPENS_AFTER)


async def test_after_a_long_outage_what_has_not_expired_goes_out_in_its_order(house: House) -> None:
    """Six hours with a try every five minutes: no herd, no text twice, and a conversation keeps its order."""
    for number in range(4):
        await house.send(BOB, text=f"part {number}")
    short_lived = [await house.send(f"+1206555{place:04}", text="soon", ttl=3600.0) for place in range(4, 9)]
    house.fault("status", operation="send", status=503, times=0)
    sender = house.sender(window=8)
    await outage(house, sender, 6 * 3600)
    assert len(house.ledger("fault")) < 8 + 6 * 3600 / 240 + 5
    house.simulator.world.faults.clear()
    await outage(house, sender, 1200)
    assert [line["text"] for line in house.ledger("accepted")] == [f"part {number}" for number in range(4)]
    for place in range(len(short_lived)):
        assert set((await house.standing(f"key-{5 + place}")).values()) == {"expired"}
