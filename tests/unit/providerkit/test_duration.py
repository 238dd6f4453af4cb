"""Durations in settings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.providerkit.duration import seconds_of, spoken


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("5m", 300), ("29M", 1740), ("1h30m", 5400), ("90s", 90), ("1.5s", 1.5), ("2d", 172_800), ("250ms", 0.25)],
)
def test_a_duration_is_written_with_its_units(value: str, seconds: float) -> None:
    """One unit or several, in either case."""
    assert seconds_of(value) == seconds


@pytest.mark.parametrize("value", [30, 30.5, "30", "30.5"])
def test_a_number_is_seconds(value: Any) -> None:
    """As TOML has them, and as the environment has to write them."""
    assert seconds_of(value) == float(value)


@pytest.mark.parametrize("value", ["", "m", "5 m", "-5m", "5min", "1h 30m", True, None, []])
def test_anything_else_says_what_would_be_right(value: Any) -> None:
    """The error shows how durations are written."""
    with pytest.raises(ValueError, match="must be a duration such as"):
        seconds_of(value)


@given(st.integers(min_value=0, max_value=10**8))
def test_what_is_spoken_means_what_it_says(seconds: int) -> None:
    """Back and forth."""
    assert seconds_of(spoken(seconds)) == seconds
