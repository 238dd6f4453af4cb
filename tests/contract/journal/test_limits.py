"""Limits: how many calls a line begins in a second, a day and a month."""

from datetime import UTC, datetime, timedelta

from relay.domain.addresses import outbound
from relay.journal.limitrows import Limit
from relay.rules.line import LineRules, Rules
from tests.contract.journal.desk import LINE, ME, START, Desk


async def _campaign(desk: Desk, copies: int, rules: LineRules) -> None:
    """So many calls wait on a line with these rules."""
    desk.journal.follow(Rules({LINE: rules}))
    for place in range(copies):
        await desk.send(outbound(f"+1206557{place:04d}"), size=1, ttl=40 * 86_400.0)


async def _claimed(desk: Desk) -> int:
    """How many calls may begin now."""
    count = 0
    while await desk.journal.calls.claim(LINE, ME) is not None:
        count += 1
    return count


async def test_calls_are_spaced_evenly(desk: Desk) -> None:
    """In no second more than the line may make."""
    await _campaign(desk, 10, LineRules(LINE, calls_per_second=4.0))
    begun = []
    for _ in range(10):
        assert await _claimed(desk) == 1
        begun.append(desk.clock.now())
        due = await desk.journal.calls.next_due(LINE)
        desk.clock.time = due or desk.clock.time
    assert begun[-1] - begun[0] == timedelta(seconds=2.25)


async def test_the_pace_survives_a_restart(desk: Desk) -> None:
    """A relay that falls and comes back does not begin anew."""
    rules = LineRules(LINE, calls_per_second=0.1)
    await _campaign(desk, 2, rules)
    assert await _claimed(desk) == 1
    await desk.reopen()
    desk.journal.follow(Rules({LINE: rules}))
    assert (await _claimed(desk), await desk.journal.calls.next_due(LINE)) == (0, START + timedelta(seconds=10))


async def test_a_day_has_so_many_calls(desk: Desk) -> None:
    """The others wait for the next day, UTC."""
    await _campaign(desk, 7, LineRules(LINE, calls_per_day=3))
    counts = []
    for _ in range(4):
        counts.append(await _claimed(desk))
        due = await desk.journal.calls.next_due(LINE)
        desk.clock.time = due or desk.clock.time
    assert (counts, desk.clock.time) == ([3, 3, 1, 0], datetime(2026, 11, 23, tzinfo=UTC))


async def test_a_month_has_so_many_calls_of_every_kind(desk: Desk) -> None:
    """Those that read count as well; in the next month there are as many again."""
    await _campaign(desk, 8, LineRules(LINE, calls_per_month=5))
    desk.journal.limits.count(LINE, "status")
    desk.journal.limits.count(LINE, "inbox")
    assert (await desk.journal.limits.keep(), await desk.journal.limits.keep()) == (2, 0)
    assert await _claimed(desk) == 3
    standing = await desk.journal.limits.standing(LINE)
    assert (standing.permit.limit, standing.permit.at) == (Limit.MONTH, datetime(2026, 12, 1, tzinfo=UTC))
    assert standing.month is not None
    assert (standing.month.spent, standing.month.left, standing.month.is_spent) == (5, 0, True)
    desk.clock.time = datetime(2026, 12, 1, tzinfo=UTC)
    assert await _claimed(desk) == 5


async def test_some_calls_are_kept_for_reading_the_inbox(desk: Desk) -> None:
    """An inbox that is not read loses texts; one that is sent a day later loses none."""
    await _campaign(desk, 50, LineRules(LINE, calls_per_day=100, calls_kept=96))
    at_nine = await _claimed(desk)
    desk.clock.time = START.replace(hour=23)
    assert (at_nine, await _claimed(desk)) == (40, 10)


async def test_a_pause_holds_for_the_whole_line_and_no_other(desk: Desk) -> None:
    """The provider asked for it, and a restart does not forget it."""
    await desk.send(outbound("+12065570001"))
    await desk.send(outbound("+12065570001"), line="other")
    await desk.journal.limits.slow(LINE, 90)
    await desk.journal.limits.slow(LINE, 30)
    await desk.reopen()
    assert (await desk.none_due(), await desk.none_due("other")) == (True, False)
    assert await desk.journal.calls.next_due(LINE) == START + timedelta(seconds=90)
    desk.clock.pass_(seconds=90)
    assert not await desk.none_due()


async def test_one_line_does_not_spend_another_ones_budget(desk: Desk) -> None:
    """Each has its own."""
    desk.journal.follow(Rules({LINE: LineRules(LINE, calls_per_day=1), "other": LineRules("other", calls_per_day=1)}))
    for line in (LINE, "other"):
        for place in range(2):
            await desk.send(outbound(f"+1206557{place:04d}"), line=line, size=1)
        assert await desk.journal.calls.claim(line, ME) is not None
        assert await desk.journal.calls.claim(line, ME) is None
