"""A month's budget of calls: counted by every stage, told once, and spared where it runs short."""

from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from relay.journal import JournalError
from relay.rules.line import LineRules, Rules
from relay.stages.accountant import EVERY, Accountant
from relay.stages.janitor import Janitor
from relay.stages.syncer import Syncer
from relay.stages.tracker import IDLE
from tests.unit.stages.desk import DeskLine, Stored
from tests.unit.stages.house import ALERTS, ALICE, BOB, DESK, OFFICE, House, seconds, settled, until_rest
from tests.unit.stages.test_collector import collector

HOUR, DAY = 3600.0, 86_400.0
LIMIT = 1000


async def spend(house: House, calls: int, line: str = ALERTS, limit: int | None = LIMIT) -> None:
    """Let a line have a budget, and so many calls of it be spent today."""
    house.journal.follow(Rules({line: LineRules(line, calls_per_month=limit)}))
    for _ in range(calls):
        house.journal.limits.count(line, "inbox")
    await house.journal.limits.keep()


async def today(house: House, line: str = ALERTS) -> int:
    """What a line has spent today."""
    await house.journal.limits.keep()
    return (await house.journal.limits.standing(line)).today


# every call is counted


async def test_sends_looks_and_polls_are_counted(house: House) -> None:
    """One each; tokens are no calls of the API's."""
    await house.sent(ALICE)
    assert await today(house) == 1
    await house.clock.advance(20)
    await settled(house.tracker())
    assert len(house.ledger("status")) == 1
    assert await today(house) == 2
    await until_rest(house.poller())
    assert await today(house) == 3


async def test_every_page_and_every_part_of_a_mailbox_is_counted(house: House) -> None:
    """As often as the provider was asked."""
    line = DeskLine(page=2, history=True)
    line.arrives(Stored("1"), Stored("2", parts={"a": b"A", "b": b"B"}), Stored("3"))
    await until_rest(Syncer(line, house.ground))
    await settled(collector(house, line))
    asked = sum(line.calls[what] for what in ("prepare", "list", "changes", "mail", "parts", "part"))
    assert asked >= 8
    assert await today(house, DESK) == asked


async def test_unlisted_parts_are_counted_as_they_are_found(house: House) -> None:
    """One call to list them, and one for each."""
    line = DeskLine(history=True)
    line.arrives(Stored("1", parts={"a": b"A", "b": b"B"}, parts_unlisted=True))
    await until_rest(Syncer(line, house.ground))
    before = await today(house, DESK)
    await settled(collector(house, line))
    assert await today(house, DESK) - before == line.calls["mail"] + line.calls["parts"] + line.calls["part"] == 4


async def test_the_janitor_writes_down_what_was_counted(house: House) -> None:
    """At every step, and once more at the end."""
    janitor = Janitor(journal=house.journal)
    house.journal.limits.count(ALERTS, "inbox")
    await until_rest(janitor)
    assert (await house.journal.limits.standing(ALERTS)).today == 1
    house.journal.limits.count(ALERTS, "inbox")
    await janitor.drain(1)
    assert (await house.journal.limits.standing(ALERTS)).today == 2


# status looks give way


async def test_looks_are_rare_while_the_budget_is_short(house: House, logs: list[MutableMapping[str, Any]]) -> None:
    """One look instead of many, and soon enough for a status that AT&T keeps for half an hour."""
    await house.sent(ALICE)
    await spend(house, 500)
    tracker = house.tracker()
    for _ in range(60):
        await settled(tracker)
        await house.clock.advance(60)
        if house.ledger("status"):
            break
    [look] = house.ledger("status")
    handed_over = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
    assert 1000 <= (datetime.fromisoformat(look["at"]) - handed_over).total_seconds() <= 1500 + 60
    await settled(tracker)
    assert await house.standing() == {ALICE: "delivered"}
    assert [line["often"] for line in logs if line["event"] == "status.looks"] == ["rarely"]


async def test_no_gap_of_rare_looks_is_as_long_as_a_status_lives(house: House) -> None:
    """A text that ends late is told of as well."""
    stuck = "+12065550114"
    await house.sent(stuck)
    await spend(house, 500)
    tracker = house.tracker()
    until = house.clock.now() + timedelta(hours=12)
    while house.clock.now() < until:
        await settled(tracker)
        due = await house.journal.looks.next_due(ALERTS)
        # Not before the text has begun to be followed, nor before the next look, is there anything to do.
        ahead = timedelta(seconds=60) if due is None else max(due - house.clock.now(), timedelta(seconds=1))
        await house.clock.advance(ahead.total_seconds())
    times = [datetime.fromisoformat(line["at"]) for line in house.ledger("status")]
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert 25 <= len(times) <= 44
    assert max(gaps) < timedelta(minutes=30)


@pytest.mark.parametrize("spent", [960, LIMIT])
async def test_nobody_looks_while_the_budget_is_all_but_spent(
    house: House, logs: list[MutableMapping[str, Any]], spent: int
) -> None:
    """What is left is for texts; what became of these is unknown in the end, and the log says so once."""
    await house.sent(ALICE)
    await spend(house, spent)
    tracker = house.tracker()
    for _ in range(80):
        rest = await settled(tracker)
        assert (rest.seconds, rest.bell) == (IDLE, None)
        await house.clock.advance(HOUR)
    await until_rest(Janitor(journal=house.journal))
    assert house.ledger("status") == []
    assert await house.standing() == {ALICE: "unknown"}
    assert set((await house.finals()).values()) == {1}
    assert [line["often"] for line in logs if line["event"] == "status.looks"] == ["never"]


async def test_a_new_month_brings_the_looks_back(house: House, logs: list[MutableMapping[str, Any]]) -> None:
    """Those that waited are made, and the log says that too."""
    house.simulator.set_modes("att-sms", {"network_seconds": 2 * HOUR})
    await house.clock.advance(9 * DAY + 14 * HOUR)
    await house.sent(ALICE)
    await spend(house, 970)
    tracker = house.tracker()
    await settled(tracker)
    await house.clock.advance(HOUR + 1)
    await settled(tracker)
    assert len(house.ledger("status")) == 1
    assert [line["often"] for line in logs if line["event"] == "status.looks"] == ["never", "as usual"]


async def test_a_look_that_was_fetched_is_written_down_although_the_budget_is_spent(house: House) -> None:
    """AT&T tells it once, and it costs nothing more."""
    await house.sent(ALICE)
    tracker = house.tracker()
    await until_rest(tracker)
    await house.clock.advance(20)
    with house.broken("raw"):
        await tracker.step()
        await tracker._window.drain(5)
    await spend(house, LIMIT)
    tracker._judged_at = None
    with pytest.raises(JournalError):
        await tracker.step()
    await settled(tracker)
    assert await house.standing() == {ALICE: "delivered"}
    assert len(house.ledger("status")) == 1


async def test_the_inbox_is_polled_as_ever_when_the_budget_is_spent(house: House) -> None:
    """AT&T deletes what nobody fetches: calls are kept for that."""
    line = house.sms()
    await spend(house, LIMIT)
    poller = house.poller(line)
    for _ in range(5):
        assert seconds(await until_rest(poller)) == line.poll_interval
        await house.clock.advance(line.poll_interval)
    assert await today(house) == LIMIT + 5


async def test_without_a_budget_nothing_is_spared(house: House) -> None:
    """However much was called."""
    await house.sent(ALICE)
    await spend(house, 5000, limit=None)
    await house.clock.advance(20)
    await settled(house.tracker())
    assert await house.standing() == {ALICE: "delivered"}


# what is told


async def told(house: House) -> list[tuple[str, dict[str, Any]]]:
    """What the bus is told of budgets."""
    events = [event for _, event in await house.journal.events.follow(0, 1000)]
    return [(event.kind, dict(event.body)) for event in events if event.kind.startswith("event.budget")]


async def test_a_budget_that_will_not_last_is_told_once_a_month(
    house: House, logs: list[MutableMapping[str, Any]]
) -> None:
    """With its numbers; over restarts as well; and again in the next month."""
    await spend(house, 500)
    accountant = Accountant([ALERTS, OFFICE], house.ground)
    for _ in range(3):
        assert seconds(await until_rest(accountant)) == EVERY
    await house.restart()
    await spend(house, 1)
    await until_rest(Accountant([ALERTS, OFFICE], house.ground))
    [(kind, body)] = await told(house)
    assert kind == "event.budget-short"
    assert (body["limit"], body["spent"], body["left"]) == (LIMIT, 500, 500)
    assert body["ends_at"].startswith("2026-11-22")
    assert body["resets_at"] == "2026-12-01T00:00:00.000Z"
    assert [line["about"] for line in logs if line["event"] == "budget.told"] == ["budget-short"]
    await house.clock.advance(11 * DAY)
    await spend(house, 400)
    await until_rest(Accountant([ALERTS], house.ground))
    assert [kind for kind, _ in await told(house)] == ["event.budget-short"] * 2


async def test_a_budget_that_is_spent_is_told_as_well(house: House) -> None:
    """Once too, whatever was told before."""
    await spend(house, 980)
    accountant = Accountant([ALERTS], house.ground)
    await until_rest(accountant)
    await spend(house, 20)
    await until_rest(accountant)
    await until_rest(accountant)
    assert [kind for kind, _ in await told(house)] == ["event.budget-short", "event.budget-spent"]


async def test_a_budget_of_which_all_that_is_left_is_kept_for_the_inbox_is_spent(house: House) -> None:
    """Nothing is sent any more this month: that is what has to be told."""
    house.journal.follow(Rules({ALERTS: LineRules(ALERTS, calls_per_month=LIMIT, calls_kept=200)}))
    await until_rest(Accountant([ALERTS], house.ground))
    [(kind, body)] = await told(house)
    assert (kind, body["left"]) == ("event.budget-spent", LIMIT)


async def test_a_month_that_goes_as_planned_is_not_told_of(house: House) -> None:
    """Nor is a line without a budget."""
    await spend(house, 5)
    await until_rest(Accountant([ALERTS, OFFICE], house.ground))
    assert await told(house) == []


async def test_the_forecast_of_a_month_of_real_sends_is_right_to_the_day(house: House) -> None:
    """Ten texts a day against 250 a month: from the first day on it is known when that ends."""
    await house.clock.advance(9 * DAY + 15 * HOUR)
    house.journal.follow(Rules({ALERTS: LineRules(ALERTS, calls_per_month=250)}))
    sender, accountant = house.sender(), Accountant([ALERTS], house.ground)
    for day in range(8):
        for place in range(10):
            await house.send(BOB, text=f"Text {day}-{place}", receipts=False, ttl=HOUR)
            await settled(sender)
        await house.clock.advance(DAY)
        await until_rest(accountant)
    month = (await house.journal.limits.standing(ALERTS)).month
    assert month is not None
    assert month.spent == 80
    assert month.ends_at is not None
    assert abs(month.ends_at - datetime(2026, 12, 26, tzinfo=UTC)) < timedelta(days=4)
    assert [kind for kind, _ in await told(house)] == ["event.budget-short"]
