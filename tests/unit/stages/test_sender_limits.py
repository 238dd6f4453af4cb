"""The sender within limits: those of the operator, and those that AT&T asks for. No request comes too early."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import pytest

from relay.rules.line import LineRules, Rules
from relay.stages.sender import Sender
from relay.telemetry.health import LineState
from tests.unit.stages.house import (
    ALERTS,
    ALICE,
    BOB,
    CAROL,
    GRACE,
    OFFICE,
    House,
    happens,
    seconds,
    settled,
    until_rest,
)

DAY = 86_400.0


def limit(house: House, **limits: Any) -> None:
    """Let the short code have these limits."""
    house.journal.follow(Rules({ALERTS: LineRules(ALERTS, **limits)}))


async def work(house: House, sender: Sender, for_seconds: float) -> None:
    """Let the sender work for so long, stepping whenever a rest of its ends."""
    until = house.clock.now() + timedelta(seconds=for_seconds)
    while (left := (until - house.clock.now()).total_seconds()) > 0:
        rest = await settled(sender)
        await house.clock.advance(min(max(seconds(rest), 0.001), left))
    await settled(sender)


async def passes(house: House, sender: Sender, for_seconds: float) -> None:
    """Let so much time pass, and then let the sender work."""
    await house.clock.advance(for_seconds)
    await settled(sender)


async def texts(house: House, number: int, **wishes: Any) -> list[str]:
    """So many texts, each in a call of its own; whom to."""
    people = [f"+1206555{place:04}" for place in range(1, number + 1)]
    for person in people:
        await house.send(person, text=f"Dear {person[-4:]}", **wishes)
    return people


def begun(house: House) -> list[datetime]:
    """When AT&T took each text."""
    return [datetime.fromisoformat(line["at"]) for line in house.ledger("accepted")]


# what AT&T asks for


def _in(after: float) -> Callable[[datetime], dict[str, str]]:
    return lambda now: {"Retry-After": format_datetime(now + timedelta(seconds=after), usegmt=True)}


def _said(text: str) -> Callable[[datetime], dict[str, str]]:
    return lambda _: {"Retry-After": text}


RETRY_AFTER = [
    pytest.param(_said("17"), 17, 17, id="seconds"),
    pytest.param(_in(40), 40, 40, id="a date"),
    pytest.param(_said("0"), 1, 1, id="at once"),
    pytest.param(_said("999999999"), 3600, 3600, id="years"),
    pytest.param(_said("9" * 40), 1.6, 2.4, id="no number that anybody can read"),
    pytest.param(_in(-5000), 1, 1, id="a date that is over"),
    pytest.param(_in(400 * DAY), 3600, 3600, id="a date next year"),
    pytest.param(_said("soon"), 1.6, 2.4, id="junk"),
    pytest.param(lambda _: {}, 1.6, 2.4, id="nothing"),
]


@pytest.mark.parametrize(("headers", "least", "most"), RETRY_AFTER)
async def test_a_line_that_is_throttled_makes_no_request_before_its_time(
    house: House, headers: Callable[[datetime], dict[str, str]], least: float, most: float
) -> None:
    """However AT&T says when that is; what it says absurdly is bounded, and without a word relay's own waits hold."""
    now = house.clock.now()
    answer = {"Date": format_datetime(now, usegmt=True), **headers(now)}
    house.fault("status", operation="send", status=429, headers=answer)
    sender = house.sender()
    await house.send(ALICE, text="The first")
    await until_rest(sender)
    await happens(lambda: bool(house.ledger("fault")))
    await sender.drain(GRACE)
    await house.send(BOB, text="The second")
    await work(house, sender, most + 1)
    assert house.accepted() == {ALICE: 1, BOB: 1}
    assert least <= (min(begun(house)) - now).total_seconds() <= most + 0.01


async def test_a_throttled_line_waits_on_over_a_restart_and_others_go_on(house: House) -> None:
    """The journal remembers; a landline number has nothing to do with it."""
    house.fault("retry-after", service="att-sms", operation="send", status=429, after=600)
    began = house.clock.now()
    await house.send(ALICE, text="The first")
    await settled(house.sender())
    await house.restart()
    await house.send(BOB, text="The second")
    await house.send(CAROL, line=OFFICE)
    await settled(house.sender(house.landline()))
    sender = house.sender()
    await work(house, sender, 599)
    assert house.accepted() == {CAROL: 1}
    await work(house, sender, 2)
    assert house.accepted() == {ALICE: 1, BOB: 1, CAROL: 1}
    assert min(begun(house)[1:]) >= began + timedelta(seconds=600)


@pytest.mark.parametrize(
    ("modes", "wait"), [({"throttle_as": "429", "retry_after": 7}, 7), ({"throttle_as": "403"}, 1.6)]
)
async def test_both_of_at_and_ts_ways_to_say_too_many_slow_the_line(
    house: House, modes: dict[str, Any], wait: float
) -> None:
    """403 POL0001 with words about a rate is no refusal of the credentials: every text goes out in the end."""
    house.simulator.set_modes("att-sms", {"rate_limit": 2, **modes})
    people = await texts(house, 6)
    sender = house.sender()
    began = house.clock.now()
    await settled(sender)
    assert house.accepted().total() == 2
    assert house.board.of(ALERTS).state is LineState.THROTTLED
    await work(house, sender, wait - 0.1)
    assert house.accepted().total() == 2
    await work(house, sender, 3600)
    assert house.accepted() == dict.fromkeys(people, 1)
    later = [at for at in begun(house) if at > began]
    assert min(later) >= began + timedelta(seconds=wait)
    assert house.board.of(ALERTS).state is LineState.READY


async def test_calls_that_were_claimed_while_at_and_t_said_stop_are_given_back(house: House) -> None:
    """Their requests are not written; they wait in their places."""
    sender = house.sender()
    await until_rest(sender)
    for number in (ALICE, BOB, CAROL):
        await house.send(number, size=1)
    stepping = asyncio.create_task(sender.step())
    await asyncio.sleep(0)
    sender._pause.take(30)  # as another call's answer does
    await stepping
    assert seconds(await until_rest(sender)) == 30
    assert await house.standing() == {ALICE: "queued"}
    assert await house.standing("key-2") == {BOB: "queued"}
    assert await house.standing("key-3") == {CAROL: "queued"}
    assert house.ledger("token") == []
    await house.clock.advance(30)
    await settled(sender)
    assert house.accepted() == {ALICE: 1, BOB: 1, CAROL: 1}


# what the operator wants


async def test_calls_are_evenly_spaced_at_the_lines_pace(house: House) -> None:
    """Five a second, for a hundred texts: never two closer than a fifth of a second, and no time is wasted."""
    limit(house, calls_per_second=5.0)
    await texts(house, 100)
    await work(house, house.sender(), 30)
    times = begun(house)
    gaps = [(later - sooner).total_seconds() for sooner, later in pairwise(times)]
    assert len(times) == 100
    assert min(gaps) >= 0.2
    assert (times[-1] - times[0]).total_seconds() == pytest.approx(99 * 0.2, abs=0.5)
    assert house.board.of(ALERTS).state is LineState.READY


async def test_what_a_day_has_no_calls_for_waits_for_the_next(house: House) -> None:
    """Three a day by UTC; the line says that it is throttled, and why, until midnight."""
    limit(house, calls_per_day=3)
    people = await texts(house, 7)
    sender = house.sender()
    await settled(sender)
    health = house.board.of(ALERTS)
    assert (health.state, health.reason) == (LineState.THROTTLED, "quota_exceeded")
    await passes(house, sender, 15 * 3600 - 1)
    assert house.accepted().total() == 3
    await passes(house, sender, 1)
    assert house.accepted().total() == 6
    await passes(house, sender, 24 * 3600)
    assert house.accepted() == dict.fromkeys(people, 1)
    days = [at.astimezone(UTC).date().isoformat() for at in begun(house)]
    assert days == ["2026-11-21"] * 3 + ["2026-11-22"] * 3 + ["2026-11-23"]
    assert house.board.of(ALERTS).state is LineState.READY


async def test_what_a_month_has_no_calls_for_waits_for_the_next(house: House) -> None:
    """Five a month: the sixth goes out on the first of December."""
    limit(house, calls_per_month=5)
    people = await texts(house, 6, ttl=None)
    sender = house.sender()
    await settled(sender)
    assert house.accepted().total() == 5
    assert house.board.of(ALERTS).reason == "quota_exceeded"
    await passes(house, sender, 9 * DAY + 15 * 3600 - 1)
    assert house.accepted().total() == 5
    await passes(house, sender, 1)
    assert house.accepted() == dict.fromkeys(people, 1)
    assert begun(house)[-1] == datetime(2026, 12, 1, tzinfo=UTC)
    assert house.board.of(ALERTS).state is LineState.READY


async def test_calls_that_are_kept_for_the_inbox_are_not_sent_with(house: House) -> None:
    """At nine in the morning, five eighths of a day's 16 are still to be used for reading: ten of twelve calls."""
    limit(house, calls_per_day=12, calls_kept=16)
    await texts(house, 5)
    await settled(house.sender())
    assert house.accepted().total() == 2


async def test_a_line_that_an_operator_holds_is_suspended_until_he_lets_it_go(house: House) -> None:
    """It says so, and goes on at once."""
    await house.journal.steering.hold_line(ALERTS)
    await house.send()
    sender = house.sender()
    await settled(sender)
    health = house.board.of(ALERTS)
    assert (health.state, health.reason) == (LineState.SUSPENDED, "held")
    assert house.accepted() == {}
    rest = await until_rest(sender)
    await house.journal.steering.release_line(ALERTS)
    await rest.over(house.clock)
    await settled(sender)
    assert house.accepted() == {ALICE: 1}
    assert house.board.of(ALERTS).state is LineState.READY


# expiry


async def test_a_text_that_expires_while_its_line_fetches_a_token_is_not_sent(house: House) -> None:
    """The token takes 30 seconds, and the text lives for 20: no request of it is ever written."""
    house.fault("delay", service="att-sms", operation="token", seconds=30)
    await house.send(ttl=20.0)
    sender = house.sender(house.sms(timeout=10.0))
    await sender.step()
    await happens(lambda: bool(house.ledger("fault")))
    await house.clock.advance(30)
    await settled(sender)
    assert house.accepted() == {}
    assert await house.standing() == {ALICE: "expired"}
    assert set((await house.finals()).values()) == {1}
    assert house.board.of(ALERTS).state is LineState.READY


async def test_a_text_that_does_not_expire_meanwhile_is_sent_once_the_token_is_there(house: House) -> None:
    """A slow token costs time and nothing else."""
    house.fault("delay", service="att-sms", operation="token", seconds=30)
    await house.send(ttl=31.5)
    sender = house.sender(house.sms(timeout=10.0))
    await sender.step()
    await happens(lambda: bool(house.ledger("fault")))
    await house.clock.advance(30)
    await settled(sender)
    assert house.accepted() == {ALICE: 1}
