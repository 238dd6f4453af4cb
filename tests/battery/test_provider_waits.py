"""AT&T asks for fewer calls, in every spelling of a wait: not one request of the line comes too early."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.battery.providing import ALL, SENDING, SENT, Providers, providers
from tests.battery.table import Row

pytestmark = pytest.mark.timeout(600)

SPEED = 600.0
ON_ITS_WAY = 30.0  # seconds of the clock, which are 50 ms
THROTTLED = 429
NO_WISH = 1.5  # relay's own first wait, at its shortest, in seconds of the clock
LONGEST = 3600.0


def wishes(now: datetime) -> dict[str, tuple[str | None, float]]:
    """What AT&T says in Retry-After, and for how many of its seconds nothing may come."""
    return {
        "seconds": ("120", 120.0),
        "a date": (format_datetime(now + timedelta(seconds=180), usegmt=True), 175.0),
        "nothing": (None, NO_WISH),
        "junk": ("soon", NO_WISH),
        "negative": ("-5", NO_WISH),
        "0": ("0", 1.0),
        "1e9": ("1000000000", LONGEST),
    }


async def test_no_request_comes_before_its_time_whatever_at_t_asks_for(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None]
) -> None:
    """On all three lines, each of them for itself; an absurd wait is an hour."""
    early, times = 0, 0
    async with providers(tmp_path, free_port, speed=SPEED, sync="120s") as here:
        for name in wishes(datetime.now(UTC)):
            now = datetime.fromtimestamp(here.seen.now(), UTC)
            value, least = wishes(now)[name]
            headers = {"Date": format_datetime(now, usegmt=True)} | ({"Retry-After": value} if value else {})
            since = len(here.seen.requests)
            for line in ALL:
                here.spoil("status", line, status=429, headers=headers)
            names = {await here.send(line): SENT[line] for line in ALL for _ in range(3)}
            await here.ends(names, f"Retry-After: {name}")
            early += sum(came_early(here, line, since, least) for line in ALL)
            times += len(ALL)
        row = await here.row(
            "V3", "429 with Retry-After: seconds, date, absurd, none", times, None, f"{early} early requests"
        )
    assert early == 0
    found(row)


def came_early(here: Providers, line: str, since: int, least: float) -> int:
    """How many requests to send came too early after the 429 that stands among them.

    A few milliseconds are seconds of this clock: what was on its way as the answer left is not early.
    """
    sends = here.seen.of(SENDING[line], since)
    [throttled] = [one for one in sends if one.status == THROTTLED]
    on_its_way = throttled.answered + min(least / 2, ON_ITS_WAY)
    after = [one.came for one in sends if one.came > on_its_way]
    assert after, line
    return sum(came < throttled.answered + least for came in after)
