"""What a hostile reading of lines that go found beside their stages: each fact failed once."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from relay.consent import Consents, Returned
from relay.consentlogins import End
from relay.ids import Ids
from relay.journal import Journal, JournalUnusable
from relay.lines import Doings, Lines, Seen
from relay.providerkit.spec import ConsentStanding
from relay.simulator.virtual import ManualClock
from relay.telemetry.health import LineBoard, LineState
from tests import journals
from tests.unit.consenting import DESK, Desk

REDIRECT = "https://sms.example.com/consent"
WITHIN = 5.0


@dataclass
class Place:
    """One line that needs consent, and that a reload may take away."""

    lines: Lines
    desk: Desk
    doings: Doings
    consents: Consents
    journal: Journal
    board: LineBoard


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A relay with it."""
    clock = ManualClock()
    await asyncio.to_thread(journals.lay, tmp_path / "relay.db")
    ids = Ids(clock, random.Random(7))  # noqa: S311 - chance that repeats
    url = f"sqlite:///{tmp_path}/relay.db"
    with capture_logs():
        async with await Journal.open(url, clock=clock, ids=ids, node="n1") as journal:
            desk, doings = Desk(clock), Doings()
            lines = Lines({DESK: desk})
            board = LineBoard(clock, lines)
            served = Seen(lines.served, lambda line: line if isinstance(line, Desk) else None)
            redirects = Seen(served, lambda _: REDIRECT)
            consents = Consents(served, redirects, journal=journal, board=board, doings=doings)
            await consents.begin()
            yield Place(lines, desk, doings, consents, journal, board)
            await consents.aclose()


async def test_a_code_of_a_line_that_is_just_being_taken_away_is_a_failed_login(place: Place) -> None:
    """The browser gets its page, and whoever waits for the login hears what has happened."""
    async with place.consents.login(DESK) as login, asyncio.timeout(WITHIN):
        async with place.doings.none_on(DESK):
            coming = asyncio.create_task(place.consents.returned(DESK, {"code": "a"}))
            place.journal.ring(f"consent:{DESK}")
            while not await place.consents._kept(DESK).is_exchanging():  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0)
            place.lines.leave(DESK)
        assert await coming is Returned.FAILED
        assert (await login.ended()).end is End.FAILED
    assert place.desk.taken == []


async def test_what_a_line_that_is_going_is_told_of_its_consent_fails_no_task(place: Place) -> None:
    """Its calls in flight may take minutes: until then its bell may ring."""
    place.lines.leave(DESK)
    place.journal.ring(f"consent:{DESK}")
    watches = [task for task in asyncio.all_tasks() if task.get_name() == f"consents/{DESK}"]
    assert len(watches) == 1
    await asyncio.wait(watches, timeout=WITHIN)
    assert [task.exception() for task in watches] == [None]
    await place.consents.go(DESK)


async def test_a_journal_that_cannot_be_read_just_then_ends_no_beginning_life(place: Place) -> None:
    """The life's addresses are taken by then: the next one would find them in use, and relay would end."""

    class Unreadable(Desk):
        is_away = True

        async def consent(self) -> ConsentStanding:
            if self.is_away:
                raise JournalUnusable("the database is away")
            return await super().consent()

    await place.consents.go(DESK)
    desk = Unreadable(place.desk.clock)
    place.lines.put(desk)
    place.board.begin_anew(DESK)
    await place.consents.begin()
    assert place.board.of(DESK).state is LineState.READY
    desk.is_away = False
    shown = asyncio.Event()
    place.board.listen(lambda *_: shown.set())
    place.journal.ring(f"consent:{DESK}")
    async with asyncio.timeout(WITHIN):
        await shown.wait()
    assert place.board.of(DESK).state is LineState.CONSENT_REQUIRED
