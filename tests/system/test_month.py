"""The rules of sending over a month, on a clock that waits: hours in all time zones, a budget, lanes."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from relay.rules.budget import Forecast
from tests.system.virtual import Life, life

HOUR, DAY = 3600.0, 86_400.0
LOOKS = timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)  # the ledger's times are cut to it
OPEN, CLOSED = time(8), time(21)
LINE = """
[lines.alerts]
provider = "att-sms"
base_url = "{{att}}"
short_code = "12345"
app_key = "demo-key"
app_secret_file = "{{directory}}/app_secret"
receive = "{receive}"
receipts = "{receipts}"
{rules}
"""
# By area code, from the North American Numbering Plan: all zones that a number of the area may be in.
AREAS = {
    "212": ["America/New_York"],
    "312": ["America/Chicago"],
    "303": ["America/Denver"],
    "602": ["America/Phoenix"],
    "213": ["America/Los_Angeles"],
    "808": ["Pacific/Honolulu"],
    "605": ["America/Denver", "America/Chicago"],
    "907": ["America/Anchorage", "America/Adak"],
    "208": ["America/Boise", "America/Los_Angeles"],
    "888": ["America/New_York", "America/Chicago", "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu"],
}
ZONES = {area: [ZoneInfo(name) for name in names] for area, names in AREAS.items()}
FATES = {"handset": {"fates": False}}  # every text is delivered


def settings(rules: str, receive: str = "off", receipts: str = "off") -> str:
    """A short code's."""
    return LINE.format(receive=receive, receipts=receipts, rules=rules)


def is_open(number: str, at: datetime) -> bool:
    """Whether it is between eight and nine wherever the owner of the number may be."""
    return all(OPEN <= at.astimezone(zone).time() < CLOSED for zone in ZONES[number[2:5]])


def opening(number: str, at: datetime) -> datetime:
    """The first moment from `at` on that is open, found minute by minute."""
    while not is_open(number, at):
        at = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return at


@dataclass
class Month:
    """The traffic of a month: what was asked for, and from when on it may be sent."""

    life: Life
    chance: random.Random
    asked: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    async def goes_by(self, days: int) -> None:
        """Something is asked for every few hours, by night as well; some of it for a later time."""
        until = self.life.clock.now() + timedelta(days=days)
        while self.life.clock.now() < until:
            await self._ask()
            await self.life.passes(self.chance.uniform(2 * HOUR, 8 * HOUR))

    async def _ask(self) -> None:
        now, number = self.life.clock.now(), len(self.asked)
        later = timedelta(hours=self.chance.uniform(1, 60)) if self.chance.random() < 0.3 else None
        wished = now + later if later else now
        to = [f"+1{area}555{number % 10_000:04}" for area in self.chance.sample(list(AREAS), 4)]
        text = f"text {number // 4}"
        request: dict[str, Any] = {"id": text, "to": to, "text": text}
        answer = await self.life.ask("send", "alerts", **request, **({"send_at": wished.isoformat()} if later else {}))
        assert answer["outcome"] == "accepted", answer
        self.asked |= {f"{text} {one}": (one, wished) for one in to}


@pytest.mark.parametrize(
    ("start", "days"),
    [(datetime(2026, 10, 30, tzinfo=UTC), 31), (datetime(2027, 3, 5, tzinfo=UTC), 17)],
    ids=["back", "forward"],
)
async def test_over_a_month_nobody_is_texted_outside_the_hours_of_their_own_clock(
    tmp_path: Path, free_port: Callable[[], int], start: datetime, days: int
):
    """Clocks are put back on 1 November 2026, and forward on 14 March 2027; and nobody waits longer than they must."""
    lines = settings('hours = "08:00-21:00"')
    async with life(tmp_path, free_port(), lines, FATES, start=start, seldom=HOUR) as made:
        month = Month(made, random.Random(20261101))  # noqa: S311 - a failure must repeat
        await month.goes_by(days)
        await made.passes(4 * DAY)
        sent = made.calls("accepted")
        violations = made.att.world.violations.lines()

    assert violations == []
    assert Counter(f"{line['text']} {line['to']}" for line in sent) == Counter(month.asked.keys())
    for line in sent:
        number, wished = month.asked[f"{line['text']} {line['to']}"]
        at = datetime.fromisoformat(line["at"])
        assert is_open(number, at), (number[:5], at)
        # Relay looks for work once an hour here, and may find it closed again.
        first = opening(number, wished)
        assert first - MILLISECOND <= at <= opening(number, first + LOOKS) + LOOKS, (number[:5], wished, at)
    nights = [line for line in sent if not is_open(line["to"], month.asked[f"{line['text']} {line['to']}"][1])]
    assert len(nights) > len(sent) / 3


async def test_a_month_s_budget_ends_on_the_day_that_was_forecast_and_sending_goes_on_in_the_next(
    tmp_path: Path, free_port: Callable[[], int]
):
    """It is told once that it will not last, and once that it is spent; what can wait goes out on the first."""
    limit, a_day = 236, 12
    lines = settings(f"calls_per_month = {limit}")
    async with life(tmp_path, free_port(), lines, FATES, start=datetime(2026, 11, 1, tzinfo=UTC), seldom=HOUR) as made:
        forecasts: dict[datetime, datetime | None] = {}
        for day in range(24):
            for number in range(a_day):
                await ask(made, f"{day} {number}", ttl="20d" if number % 2 else "3d")
                await made.passes(DAY / a_day)
            forecasts[made.clock.now()] = (await month_of(made)).ends_at
        spent_at = sent_at(made)[-1]
        assert len(sent_at(made)) == limit
        await made.passes(8 * DAY)
        november = [at for at in sent_at(made) if at.month == 11]
        december = [at for at in sent_at(made) if at.month == 12]
        ends = Counter(body["status"] for body in made.bodies("receipt") if body["final"])

    # Evenly: as much on any day as on another.
    assert {at.day: count for at, count in zip(november[::a_day], [a_day] * 19, strict=False)}.keys() >= set(range(1, 20))
    assert spent_at == november[-1]
    for at, ends_at in forecasts.items():
        if at < spent_at:
            assert ends_at is not None
            assert abs(ends_at - spent_at) < timedelta(days=1), (at, ends_at, spent_at)
    assert len(november) == limit
    waiting = 24 * a_day - limit
    assert len(december) == waiting - ends["expired"]
    assert 0 < ends["expired"] <= waiting / 2 + 1
    assert min(december) - datetime(2026, 12, 1, tzinfo=UTC) <= LOOKS
    short, spent = made.bodies("event.budget-short"), made.bodies("event.budget-spent")
    assert (len(short), len(spent)) == (1, 1)
    assert abs(datetime.fromisoformat(short[0]["ends_at"]) - spent_at) < timedelta(days=1)
    assert (spent[0]["spent"], spent[0]["left"]) == (limit, 0)


async def test_a_budget_that_ends_leaves_the_inbox_its_polls_and_no_status_its_looks(
    tmp_path: Path, free_port: Callable[[], int]
):
    """Looks stop first, then sends; every text that comes in is heard of, and no call is made that is not there."""
    limit, earlier = 1700, 1260
    rules = f'calls_per_month = {limit}\npoll_interval = "29m"'
    lines, start = settings(rules, "poll", "poll"), datetime(2026, 11, 28, tzinfo=UTC)
    async with life(tmp_path, free_port(), lines, FATES, start=start) as made:
        for _ in range(earlier):
            made.journal.limits.count("alerts", "inbox")
        came = 0
        for number in range(4 * 48):
            await ask(made, f"{number}", ttl="20d")
            if number % 2:
                made.att.world.handset.text(sender="+13125550199", to="12345", text=f"in {number}")
                came += 1
            await made.passes(DAY / 48)
            if made.clock.now() == datetime(2026, 12, 1, tzinfo=UTC):
                await the_end_of_november(made, limit - earlier)
        await made.passes(HOUR)
        sent = Counter(line["text"] for line in made.calls("accepted"))
        heard = [body["text"] for body in made.bodies("message")]
        looks = [datetime.fromisoformat(line["at"]) for line in made.calls("status")]
        violations = made.att.world.violations.lines()

    assert violations == []
    assert Counter(sent.values()) == {1: 4 * 48}
    assert sorted(heard) == sorted(f"in {number}" for number in range(1, 4 * 48, 2))
    assert len(heard) == came
    assert max(looks) > datetime(2026, 12, 1, 6, tzinfo=UTC)


async def the_end_of_november(made: Life, left: int) -> None:
    """Every call that was left was used and none beyond: looks went first, then sends, and polls never."""
    standing = await made.journal.limits.standing("alerts")
    polls = [line for line in made.calls("handed-out") if line["at"] < "2026-12"]
    looks, sends = made.calls("status"), made.calls("accepted")
    requests = max(line["request"] for line in (*polls, *looks, *sends))
    assert requests - len(made.calls("token")) <= left
    assert looks[-1]["at"] < sends[-1]["at"] < "2026-11-30T12"
    assert polls[-1]["at"] > "2026-11-30T23"
    assert standing.month is not None
    print(requests, left, len(looks), len(sends), looks[-1]["at"], sends[-1]["at"], polls[-1]["at"], standing)


async def test_a_day_of_three_lanes_gives_each_its_share(tmp_path: Path, free_port: Callable[[], int]):
    """A line that may call less often than it is asked to: high goes first, normal has a fifth, bulk a tenth."""
    rules = "recipients_per_call = 1\ncalls_per_second = 0.01\ncalls_per_day = 120"
    async with life(tmp_path, free_port(), settings(rules), FATES, start=datetime(2026, 11, 2, tzinfo=UTC)) as made:
        for number in range(60):
            await ask(made, f"bulk {number}", priority="bulk")
        for number in range(100):
            for lane in ("normal", "high", "high")[: 1 + number % 3]:
                await ask(made, f"{lane} {number}", priority=lane)
            await made.passes(DAY / 50)
        lanes = [line["text"].split()[0] for line in made.calls("accepted")]
        days = Counter(line["at"][:10] for line in made.calls("accepted"))
    print(Counter(lanes), days)
    assert lanes


def sent_at(made: Life) -> list[datetime]:
    """When AT&T took each text."""
    return [datetime.fromisoformat(line["at"]) for line in made.calls("accepted")]


async def month_of(made: Life) -> Forecast:
    """How the budget stands."""
    standing = await made.journal.limits.standing("alerts")
    assert standing.month is not None
    return standing.month


async def ask(made: Life, text: str, **wishes: Any) -> None:
    """Ask for one text."""
    answer = await made.ask("send", "alerts", id=text, to="+13125550101", text=text, **wishes)
    assert answer["outcome"] == "accepted", answer
