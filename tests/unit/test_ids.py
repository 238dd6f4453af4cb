"""Ids: they sort by time whatever the clock does, and a seed repeats them."""

import random
import re
import uuid
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from relay.ids import Ids, unguessable

T = TypeVar("T")
START = datetime(2026, 11, 21, 9, tzinfo=UTC)
# A thousand steps of a minute back or forth stay within the years of a UUIDv7.
steps = st.lists(st.floats(-60, 60) | st.just(0.0), max_size=200)


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        """The time it was moved to."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Move on by so much at once."""
        self.time += timedelta(seconds=seconds)

    async def wait(self, awaited: Awaitable[T], seconds: float) -> T:
        """What `awaited` gives, however long it takes."""
        self.time += timedelta(seconds=seconds)
        return await awaited


def made(seed: int, moves: list[float]) -> list[str]:
    """One id after each move of the clock."""
    clock = HandClock()
    ids = Ids(clock, random.Random(seed))  # noqa: S311 - a repeatable run is what is tested
    made_ids = []
    for move in moves:
        clock.time += timedelta(seconds=move)
        made_ids.append(ids.new())
    return made_ids


def test_an_id_is_a_uuid_of_version_7() -> None:
    """Any library reads it, and the time in it is the clock's."""
    read = uuid.UUID(made(1, [0.25])[0])
    assert read.version == 7
    assert read.variant == uuid.RFC_4122
    assert datetime.fromtimestamp((read.int >> 80) / 1000, UTC) == START + timedelta(seconds=0.25)


@given(st.integers(0, 2**32), steps)
def test_ids_rise_even_when_the_clock_steps_back(seed: int, moves: list[float]) -> None:
    """Sorted as text they are in the order they were made."""
    ids = made(seed, moves)
    assert ids == sorted(set(ids))
    assert all(uuid.UUID(one).version == 7 for one in ids)


def test_ten_thousand_ids_of_one_millisecond_are_unique_and_rise() -> None:
    """More than the 4096 that one millisecond has room for."""
    ids = made(1, [0.0] * 10_000)
    assert ids == sorted(set(ids))
    assert len(ids) == 10_000
    assert {uuid.UUID(one).version for one in ids} == {7}


def test_the_same_seed_gives_the_same_ids() -> None:
    """So that a run that failed can be repeated; another seed gives others."""
    assert made(7, [0.0, 1.0, -1.0]) == made(7, [0.0, 1.0, -1.0])
    assert set(made(7, [0.0] * 9)).isdisjoint(made(8, [0.0] * 9))


def test_without_a_seed_two_makers_never_agree() -> None:
    """Two nodes at the same millisecond make different ids."""
    one, other = Ids(HandClock()), Ids(HandClock())
    assert {one.new() for _ in range(100)}.isdisjoint({other.new() for _ in range(100)})


@given(st.integers(0, 2**32), st.floats(0, 1e6), st.floats(0, 1))
def test_jitter_stays_within_its_part(seed: int, seconds: float, part: float) -> None:
    """More or less by so much, and no further."""
    jittered = Ids(HandClock(), random.Random(seed)).jitter(seconds, part)  # noqa: S311 - as above
    assert seconds * (1 - part) - 1e-6 <= jittered <= seconds * (1 + part) + 1e-6


def test_a_secret_for_a_path_is_long_and_plain() -> None:
    """192 bits in 32 characters that no URL has to encode, and never the same."""
    secrets = {unguessable() for _ in range(100)}
    assert len(secrets) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", secret) for secret in secrets)


def test_the_systems_bits_are_each_used_once() -> None:
    """Also where several threads draw them, and over many fetches."""
    ids = [Ids(HandClock()) for _ in range(4)]

    def drawn(which: int) -> list[str]:
        return [ids[which % 2].new()[19:] for _ in range(5_000)]

    with ThreadPoolExecutor(4) as threads:
        tails = [tail for some in threads.map(drawn, range(4)) for tail in some]
    assert len(set(tails)) == len(tails) == 20_000


def test_the_systems_bits_are_all_used() -> None:
    """Each of the 62 is now set and now not."""
    ids = Ids(HandClock())
    ever = never = 0
    for _ in range(200):
        bits = uuid.UUID(ids.new()).int & (1 << 62) - 1
        ever, never = ever | bits, never | ~bits & (1 << 62) - 1
    assert ever == never == (1 << 62) - 1


def test_chance_without_a_seed_is_spread_from_0_to_1() -> None:
    """Also for waits that are spread: no number is 1, and none comes again."""
    chance = Ids(HandClock()).chance
    numbers = [chance.random() for _ in range(10_000)]
    assert len(set(numbers)) == 10_000
    assert 0 <= min(numbers) < 0.01
    assert 0.99 < max(numbers) < 1
    assert abs(sum(numbers) / 10_000 - 0.5) < 0.05
