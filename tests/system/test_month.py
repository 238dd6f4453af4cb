"""The rules of sending over a month, on a clock that waits: hours in all time zones, a budget, lanes."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.simulation.world import MEMORY
from tests.system.virtual import Life, life

HOUR, DAY = 3600.0, 86_400.0
LOOKS = timedelta(hours=1)
TIDY = 4 * HOUR
MILLISECOND = timedelta(milliseconds=1)  # the ledger's times are cut to it
OPEN, CLOSED = time(8), time(21)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
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
            await self.life.passes(self.chance.uniform(3 * HOUR, 9 * HOUR))

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


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty one, in memory where there is such: a month is many commits, and no power fails in it."""
    if not MEMORY.is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(dir=MEMORY) as made:
        yield Path(made)


@pytest.mark.parametrize(
    ("start", "days"),
    [
        pytest.param(datetime(2026, 10, 30, tzinfo=UTC), 31, id="back", marks=pytest.mark.long_only),
        pytest.param(datetime(2027, 3, 5, tzinfo=UTC), 17, id="forward"),
    ],
)
async def test_over_a_month_nobody_is_texted_outside_the_hours_of_their_own_clock(
    folder: Path, free_port: Callable[[], int], start: datetime, days: int
):
    """Clocks are put back on 1 November 2026, and forward on 14 March 2027; and nobody waits longer than they must."""
    lines = settings('hours = "08:00-21:00"')
    async with life(folder, free_port(), lines, FATES, start=start, seldom=HOUR, tidy=TIDY) as made:
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


async def test_a_budget_ends_on_the_day_that_was_forecast_and_sending_goes_on_in_the_next_month(
    folder: Path, free_port: Callable[[], int]
):
    """It is told once that it will not last, and once that it is spent; what can wait goes out on the first."""
    begins, limit, a_day, days = datetime(2026, 11, 10, tzinfo=UTC), 142, 12, 15
    forecasts: dict[datetime, datetime | None] = {}
    lines = settings(f"calls_per_month = {limit}")
    async with life(folder, free_port(), lines, FATES, start=begins, seldom=HOUR, tidy=TIDY) as made:
        for day in range(days):
            for number in range(a_day):
                await ask(made, f"{day} {number}", ttl="20d" if number % 2 else "3d")
                await made.passes(DAY / a_day)
            standing = await made.journal.limits.standing("alerts")
            assert standing.month is not None
            forecasts[made.clock.now()] = standing.month.ends_at
        await made.passes((DECEMBER - made.clock.now() - timedelta(hours=1)).total_seconds())
        told = made.bodies("event.budget-short"), made.bodies("event.budget-spent")
        in_november = sent_at(made)
        await made.passes(2 * DAY)
        in_december = sent_at(made)[limit:]
        expired = sum(body["status"] == "expired" for body in made.bodies("receipt"))
        assert made.att.world.violations.lines() == []

    ended_at = in_november[-1]
    assert len(in_november) == limit
    assert set(Counter(at.date() for at in in_november[:-1]).values()) <= {a_day, limit % a_day, limit % a_day - 1}
    early = {at: ends_at for at, ends_at in forecasts.items() if at < ended_at}
    assert len(early) == limit // a_day
    assert all(ends_at and abs(ends_at - ended_at) < timedelta(days=1) for ends_at in early.values()), early
    assert [(len(events), events[0]["limit"]) for events in told] == [(1, limit)] * 2
    assert told[1][0]["left"] == 0
    assert in_december[0] - DECEMBER <= LOOKS
    assert len(in_december) == days * a_day - limit - expired
    # Those that had three days to live did not live to see it.
    assert expired == (days * a_day - limit) // 2


async def test_a_budget_that_ends_leaves_the_inbox_its_polls_and_no_status_its_looks(
    folder: Path, free_port: Callable[[], int]
):
    """Looks stop first, then sends; every text that comes in is heard of, and no call is made that is not there."""
    limit, earlier, every, count = 1700, 1460, DAY / 48, 3 * 48
    rules = f'calls_per_month = {limit}\npoll_interval = "29m"'
    begins = DECEMBER - timedelta(days=2)
    async with life(folder, free_port(), settings(rules, "poll", "poll"), FATES, start=begins) as made:
        # What was spent since the month began.
        for _ in range(earlier):
            made.journal.limits.count("alerts", "inbox")
        for number in range(count):
            await ask(made, f"{number}", ttl="20d")
            made.att.world.handset.text(sender="+13125550199", to="12345", text=f"in {number}")
            await made.passes(every)
        await made.passes(HOUR)
        calls = {what: made.calls(what) for what in ("accepted", "status", "handed-out")}
        heard = Counter(body["text"] for body in made.bodies("message"))
        assert made.att.world.violations.lines() == []

    sends, looks, polls = ([line for line in lines if line["at"] < DECEMBER.isoformat()] for lines in calls.values())
    made_calls = polls[-1]["request"] - len(made.calls("token"))
    # How many polls are still to come is known to one or two.
    assert limit - earlier - 8 <= made_calls <= limit - earlier + 2
    assert looks[-1]["at"] < sends[-1]["at"]
    # Polls had to leave some over now and then.
    assert len(sends) < 2 * 48 - 4
    assert polls[-1]["at"] > (DECEMBER - timedelta(hours=1)).isoformat()
    assert heard == Counter(f"in {number}" for number in range(count))
    assert Counter(line["text"] for line in calls["accepted"]) == Counter(f"{number}" for number in range(count))
    # In the new month status is asked for again.
    assert calls["status"][-1]["at"] > (DECEMBER + timedelta(hours=12)).isoformat()


async def test_over_a_day_each_lane_has_its_share_and_a_password_is_never_far_behind(
    folder: Path, free_port: Callable[[], int]
):
    """Of any ten calls one is the campaign's, of any five one is normal, while these wait; and the day has a limit."""
    rules = "recipients_per_call = 1\ncalls_per_second = 0.01\ncalls_per_day = 120"
    begins = datetime(2026, 11, 2, tzinfo=UTC)
    ahead: list[int] = []
    async with life(folder, free_port(), settings(rules), FATES, start=begins, tidy=TIDY) as made:
        for lane, count in (("bulk", 40), ("normal", 40), ("high", 40)):
            for number in range(count):
                await ask(made, f"{lane} {number}", priority=lane)
        await made.passes(12 * HOUR)
        for number in range(7):
            before = len(sent_at(made))
            await ask(made, f"password {number}", priority="high")
            await made.passes(HOUR)
            texts = [line["text"] for line in made.calls("accepted")]
            ahead.append(texts[before:].index(f"password {number}"))
        await made.passes(9 * HOUR)
        texts = [line["text"] for line in made.calls("accepted")]
        days = Counter(at.date() for at in sent_at(made))

    lanes = [text.split()[0] for text in texts]
    for lane, share in (("normal", 5), ("bulk", 10)):
        last = max(place for place, each in enumerate(lanes) if each == lane)
        assert all(lane in lanes[place : place + share] for place in range(last - share))
    last_high = max(place for place, each in enumerate(lanes) if each == "high")
    assert abs(last_high - 40 / (1 - 1 / 5 - 1 / 10)) < 4
    # At most one that is owed to each of the others goes before a password.
    assert max(ahead) <= 2
    assert (len(texts), days[begins.date()]) == (127, 120)


def sent_at(made: Life) -> list[datetime]:
    """When AT&T took each text."""
    return [datetime.fromisoformat(line["at"]) for line in made.calls("accepted")]


async def ask(made: Life, text: str, **wishes: Any) -> None:
    """Ask for one text."""
    answer = await made.ask("send", "alerts", id=text, to="+13125550101", text=text, **wishes)
    assert answer["outcome"] == "accepted", answer
