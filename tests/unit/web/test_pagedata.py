"""What is sent to the browser has passed the logs' net."""

from typing import Any

import pytest

from relay.telemetry.words import lasting
from relay.web.pagedata import masked


@pytest.mark.parametrize(
    "text",
    [
        "alerts",
        "node n1: online since 2026-11-21 09:00:00Z; bus connected (MQTT 5); 0.1.0",
        "812000 of 1000000",
        "held since 2026-11-21 09:00:00Z: relay queue release --line alerts",
        "copy 01a2016d-a1a8-7000-8b00-f305ccfe32d4-0 is delivered",
        "relay queue list --uncertain",
    ],
)
def test_relays_own_words_stay_as_they_are(text: str) -> None:
    """Names, times, counts, ids and commands."""
    assert masked(text) == text


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("the call to +12065550101 failed", "5550101"),
        (["(206) 555-0101"], "0101"),
        ({"why": ("session=abcdef",)}, "abcdef"),
        ({"rows": [{"cells": ["http://127.0.0.1/hooks/office/s3cr3t/receive"]}]}, "s3cr3t"),
        ("somebody@example.org", "somebody"),
    ],
)
def test_what_must_not_be_seen_is_not_sent(value: Any, secret: str) -> None:
    """Wherever it stands."""
    assert secret not in str(masked(value))


def test_numbers_stay_numbers() -> None:
    """What is counted, and what is not there."""
    assert masked({"a": [1, 2.5, None, True]}) == {"a": [1, 2.5, None, True]}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (7500, "2 h 5 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_a_length_of_time_is_told_in_two_units(seconds: float, said: str) -> None:
    """The smaller one only where there is any of it."""
    assert lasting(seconds) == said
