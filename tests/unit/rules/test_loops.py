"""The loop breaker: it trips where it should, forgets in time, and never grows."""

import gc
import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from relay.rules.loops import LoopBreaker

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = 3600.0
TEXT = ("shop", "+12065550123", "digest")


def _seconds(count: float) -> datetime:
    return NOON + timedelta(seconds=count)


def test_one_too_many_is_suspected() -> None:
    """Ten are taken, the eleventh is not."""
    breaker = LoopBreaker(10, HOUR)
    for number in range(10):
        assert not breaker.suspects(*TEXT, _seconds(number))
        breaker.note(*TEXT, _seconds(number))
    assert breaker.suspects(*TEXT, _seconds(10))


def test_asking_counts_for_nothing() -> None:
    """Only what was accepted is counted: a refused text does not keep the next one out."""
    breaker = LoopBreaker(1, HOUR)
    assert not any(breaker.suspects(*TEXT, NOON) for _ in range(100))
    breaker.note(*TEXT, NOON)
    assert all(breaker.suspects(*TEXT, NOON) for _ in range(100))
    assert not breaker.suspects(*TEXT, _seconds(HOUR))


def test_another_line_number_or_text_is_another_matter() -> None:
    """All three have to be the same."""
    breaker = LoopBreaker(1, HOUR)
    breaker.note(*TEXT, NOON)
    assert not breaker.suspects("other", *TEXT[1:], NOON)
    assert not breaker.suspects(TEXT[0], "+12065550124", TEXT[2], NOON)
    assert not breaker.suspects(*TEXT[:2], "another digest", NOON)


def test_no_limit_suspects_nobody_and_remembers_nothing() -> None:
    """0 switches it off."""
    breaker = LoopBreaker(0, HOUR)
    for _ in range(1000):
        breaker.note(*TEXT, NOON)
    assert not breaker.suspects(*TEXT, NOON)
    assert not breaker._seen


def test_a_clock_that_is_put_back_blocks_nobody_for_long() -> None:
    """What was noted in a future that is no more is forgotten."""
    breaker = LoopBreaker(1, HOUR)
    breaker.note(*TEXT, _seconds(86_400))
    assert not breaker.suspects(*TEXT, NOON)


def test_it_remembers_so_many_texts_and_no_more() -> None:
    """Many different texts within the hour: the oldest are forgotten."""
    breaker = LoopBreaker(10, HOUR)
    for number in range(70_000):
        breaker.note("shop", f"+1206{number:07}", "digest", NOON)
    assert len(breaker._seen) == len(breaker._times) == 65_536


def test_its_memory_is_bounded() -> None:
    """A remembered text takes less than 400 bytes, however long its words were: 65,536 take some 20 MB at most."""
    breaker = LoopBreaker(10, HOUR, most=1000)
    gc.collect()
    tracemalloc.start()
    for number in range(5000):
        breaker.note("shop", f"+1206{number:07}", f"digest {number}" * 100, NOON)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(breaker._seen) == 1000
    assert size < 400_000


def test_a_loop_is_found_in_the_middle_of_a_campaign() -> None:
    """A thousand other texts between each two of the loop's."""
    breaker = LoopBreaker(10, HOUR)
    for turn in range(10):
        breaker.note(*TEXT, _seconds(turn))
        for number in range(1000):
            breaker.note("shop", f"+1206{turn}{number:06}", "digest", _seconds(turn))
    assert breaker.suspects(*TEXT, _seconds(11))


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=120),
    st.integers(1, 4),
    st.integers(5, 60),
    st.integers(5, 20),
)
def test_it_counts_what_an_unhurried_reader_counts(
    texts: list[tuple[int, int]], limit: int, within: int, most: int
) -> None:
    """The last `most` texts, those of the last `within` seconds, counted anew each time."""
    breaker = LoopBreaker(limit, within, most)
    noted: list[tuple[int, int]] = []
    now = 0
    for address, later in texts:
        now += later
        counted = Counter(whom for at, whom in noted[-most:] if now - at < within)
        assert breaker.suspects("shop", str(address), "digest", _seconds(now)) == (counted[address] >= limit)
        breaker.note("shop", str(address), "digest", _seconds(now))
        noted.append((now, address))
        assert len(breaker._seen) <= most
        assert sum(breaker._times.values()) == len(breaker._seen)
