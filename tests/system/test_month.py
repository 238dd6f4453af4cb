"""The rules of sending over a month, on a clock that waits: hours in all time zones, a budget, lanes."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.system.virtual import SELDOM, Life, life

HOUR, DAY = 3600.0, 86_400.0
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
    "850": ["America/New_York", "America/Chicago"],
    "208": ["America/Boise", "America/Los_Angeles"],
    "888": ["America/New_York", "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu"],
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
            await self.life.passes(self.chance.uniform(0.5 * HOUR, 6 * HOUR))

    async def _ask(self) -> None:
        now, number = self.life.clock.now(), len(self.asked)
        later = timedelta(hours=self.chance.uniform(1, 60)) if self.chance.random() < 0.3 else None
        wished = now + later if later else now
        to = [f"+1{area}555{number % 10_000:04}" for area in self.chance.sample(list(AREAS), 4)]
        text = f"text {number}"
        request: dict[str, Any] = {"id": text, "to": to, "text": text}
        answer = await self.life.ask("send", "alerts", **request, **({"send_at": wished.isoformat()} if later else {}))
        assert answer["outcome"] == "accepted", answer
        self.asked |= {f"{text} {one}": (one, wished) for one in to}


@pytest.mark.parametrize(
    "start", [datetime(2026, 10, 30, tzinfo=UTC), datetime(2027, 2, 27, tzinfo=UTC)], ids=["back", "forward"]
)
async def test_over_a_month_nobody_is_texted_outside_the_hours_of_their_own_clock(
    tmp_path: Path, free_port: Callable[[], int], start: datetime
):
    """Clocks are put back on 1 November 2026, and forward on 14 March 2027; and nobody waits longer than they must."""
    lines = settings('hours = "08:00-21:00"')
    async with life(tmp_path, free_port(), lines, FATES, start) as made:
        month = Month(made, random.Random(20261101))  # noqa: S311 - a failure must repeat
        await month.goes_by(31)
        await made.passes(4 * DAY)
        sent = made.calls("accepted")
        violations = made.att.world.violations.lines()

    assert violations == []
    assert Counter(f"{line['text']} {line['to']}" for line in sent) == Counter(month.asked.keys())
    for line in sent:
        number, wished = month.asked[f"{line['text']} {line['to']}"]
        at = datetime.fromisoformat(line["at"])
        assert is_open(number, at), (number[:5], at)
        assert timedelta(milliseconds=-1) <= at - opening(number, wished) < timedelta(seconds=SELDOM + 60), (number[:5], wished, at)
