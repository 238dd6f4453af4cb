"""Clocks: the system's own, and the lab's, which runs faster and never back."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.clock import Clock, LabClock, SystemClock

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = 3600.0
MILLION = 1_000_000.0


def lab(speed: float, since: timedelta = timedelta(0)) -> LabClock:
    """A lab that has run since so long, from `EPOCH` on."""
    return LabClock(speed, datetime.now(UTC) - since, EPOCH)


def system(_speed: float = 1) -> Clock:
    """The machine's clock, made as the lab's is."""
    return SystemClock()


async def value() -> str:
    """Something to wait for that is there at once."""
    return "done"


def test_the_system_clock_tells_utc() -> None:
    """Aware, between two readings of the machine's own."""
    before = datetime.now(UTC)
    told = SystemClock().now()
    assert before <= told <= datetime.now(UTC)
    assert told.tzinfo is UTC


@pytest.mark.parametrize("speed", [1, 60, 3600, 0.5])
def test_the_lab_runs_at_its_speed(speed: float) -> None:
    """Between two readings as many lab seconds pass as real ones times the speed."""
    clock = lab(speed)
    outer = time.monotonic()
    first = clock.now()
    inner = time.monotonic()
    while time.monotonic() < inner + 0.002:
        pass
    inner_end = time.monotonic()
    last = clock.now()
    outer_end = time.monotonic()
    passed = (last - first).total_seconds()
    rounding = 2e-6 * (1 + speed)  # datetimes count microseconds
    assert (inner_end - inner) * speed - rounding <= passed <= (outer_end - outer) * speed + rounding


@given(st.floats(1, 3600), st.floats(0, 86_400 * 30))
def test_the_lab_goes_on_from_its_anchor_after_a_restart(speed: float, seconds: float) -> None:
    """The anchor is kept: a clock made later is where the first one would be."""
    since = timedelta(seconds=seconds)
    before = datetime.now(UTC)
    clock = LabClock(speed, before - since, EPOCH)
    told = clock.now()
    slack = timedelta(seconds=2e-6 * speed + 1e-3)
    assert EPOCH + since * speed - slack <= told <= EPOCH + (since + (datetime.now(UTC) - before)) * speed + slack
    assert told.utcoffset() == timedelta(0)


@given(st.floats(0.1, 1e5))
def test_the_lab_never_runs_backwards(speed: float) -> None:
    """A later reading is never an earlier time."""
    clock = lab(speed)
    told = [clock.now() for _ in range(50)]
    assert told == sorted(told)


async def test_the_labs_hours_are_slept_in_milliseconds() -> None:
    """An hour at a million times the speed is less than four milliseconds of real time."""
    clock = lab(MILLION)
    before, real = clock.now(), time.monotonic()
    async with asyncio.timeout(5):
        await clock.sleep(HOUR)
    assert time.monotonic() - real >= HOUR / MILLION * 0.9
    assert clock.now() - before >= timedelta(seconds=HOUR * 0.9)


async def test_the_system_clock_sleeps_as_told() -> None:
    """A millisecond is a millisecond."""
    real = time.monotonic()
    await SystemClock().sleep(0.001)
    assert time.monotonic() - real >= 0.0009


@pytest.mark.parametrize("make", [system, lab])
async def test_a_wait_gives_what_was_awaited(make: Callable[[float], Clock]) -> None:
    """In time, it is as if there were no limit."""
    assert await make(1).wait(value(), 60) == "done"


@pytest.mark.parametrize(("make", "seconds"), [(system, 0.001), (lab, HOUR)])
async def test_a_wait_ends_after_its_seconds(make: Callable[[float], Clock], seconds: float) -> None:
    """The clock's seconds, not the machine's; and what was awaited is canceled."""
    never = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError):
            await make(MILLION).wait(never, seconds)
    assert never.cancelled()
