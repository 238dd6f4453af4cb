"""P8: any byte of any row changed, under a journal with work of every kind."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.journal import JournalError
from tests.battery.table import Row
from tests.contract.journal.damage import MAY_GO, Place, busy, change, go_on, places, repeat
from tests.contract.journal.desk import Desk, SqlitePlace, StillClock

# By these a row is found, so that what is looked for is not there any more; nothing can tell that from nothing.
LOST_KEYS = {"command.key", "command.line", "command.client", "command.raw_digest"}
# What is covered by a checksum, or has few words, and is read as long as there is work.
LISTED = {
    "call.stage": "damaged call",
    "command.answer": "damaged command",
    "command.digest": "damaged command",
    "copy.address": "damaged copy",
    "copy.address_kind": "damaged copy",
    "memory.value": "damaged memory",
    "optout.peer": "damaged opt-out",
    "optout.sum": "damaged opt-out",
    "parked.report": "damaged report",
    "raw.state": "raw inbox",
    "segment.mail": "damaged message",
    "sighting.mail": "damaged sighting",
}


@dataclass(frozen=True)
class _Busy:
    """A journal with work of every kind, as a file, and the time it is of."""

    content: bytes
    clock: StillClock
    places: Sequence[Place]


@cache
def _busy() -> _Busy:
    with tempfile.TemporaryDirectory() as folder:
        place, clock = SqlitePlace(Path(folder) / "relay.db"), StillClock()

        async def fill() -> None:
            desk = await Desk.at(place, clock)
            await busy(desk)
            await desk.journal.aclose()

        asyncio.run(fill())
        return _Busy(place.path.read_bytes(), clock, places(place.path))


@dataclass
class _Found:
    """What came of one journal with one changed byte."""

    went: list[tuple[str, str]] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)


async def _live(place: SqlitePlace, clock: StillClock) -> _Found:
    found = _Found()
    desk = await Desk.at(place, clock)
    try:
        found.went += await go_on(desk)
        found.fresh = await repeat(desk)
        found.went += await go_on(desk)
        found.listed = [f"{one['kind']} {one['what']}" for one in await desk.journal.dead.list(limit=1000)]
    finally:
        await desk.journal.aclose()
    return found


def _after(*damage: tuple[Place, int, int]) -> _Found | None:
    """Life with this damage; None where the journal, or the database, refuses it as a whole."""
    kept = _busy()
    with tempfile.TemporaryDirectory() as folder:
        place = SqlitePlace(Path(folder) / "relay.db")
        place.path.write_bytes(kept.content)
        if not all(change(place.path, *one) for one in damage):
            return None
        clock = StillClock()
        clock.time, clock.lives = kept.clock.time, 1
        try:
            return asyncio.run(_live(place, clock))
        except JournalError as error:
            # The one row without which no opt-out is found: relay does not begin.
            assert {one.table for one, _, _ in damage} & {"memory", "optout"}, error  # noqa: PT017 - both may be
            return None


def test_without_damage_all_goes_where_it_is_to() -> None:
    """Nothing is listed, and every text that waits goes once."""
    found = _after()
    assert found is not None
    assert (found.fresh, [one for one in found.listed if one.startswith("damaged")]) == ([], [])
    assert max(Counter(found.went).values()) == 1


def _columns() -> list[str]:
    return sorted({str(place) for place in _busy().places})


@pytest.mark.timeout(3600)
def test_no_changed_byte_sends_a_text_astray(found: Callable[[Row], None], *, long: bool) -> None:
    """Nor twice, nor ends in an error that no stage knows; what is covered is listed."""
    tried: list[Place] = []
    listed: list[bool] = []

    @settings(
        max_examples=600 if long else 6,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(column=st.sampled_from(_columns()), row=st.integers(0, 50), at=st.integers(0, 500), by=st.integers(1, 255))
    def any_byte(column: str, row: int, at: int, by: int) -> None:
        here = [place for place in _busy().places if str(place) == column]
        place = here[row % len(here)]
        after = _after((place, at, by))
        if after is None:
            return
        tried.append(place)
        listed.append(any(one.startswith("damaged") for one in after.listed))
        assert not set(after.went) - MAY_GO, place
        if str(place) not in LOST_KEYS:
            assert max(Counter(after.went).values(), default=1) == 1, place
            assert after.fresh == [], place

    any_byte()
    found(Row("P8", "a byte of a row changed", len(tried), 0, 0, note=f"{sum(listed)} met and listed"))


def test_what_is_covered_is_listed(*, long: bool) -> None:
    """A person is told of it: of each where it is the only one, and of all of them together."""
    if long:
        for column in sorted(LISTED):
            after = _after(_last(column))
            assert after is not None
            assert LISTED[column] in after.listed, column
    together = [
        "call.stage",
        "command.answer",
        "memory.value",
        "optout.peer",
        "parked.report",
        "raw.state",
        "segment.mail",
    ]
    after = _after(*(_last(column) for column in together))
    assert after is not None
    assert {LISTED[column] for column in together} <= set(after.listed)


def _last(column: str) -> tuple[Place, int, int]:
    """A bit of the last row, which is of work that is still to be done."""
    return [place for place in _busy().places if str(place) == column][-1], 3, 4
