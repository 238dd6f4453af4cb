"""A provider's answer becomes nothing, or the error whose class says what to do."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from relay.domain.errors import (
    ErrorCode,
    Gone,
    NotAuthorized,
    OutcomeUnknown,
    Problem,
    Refused,
    RelayError,
    Throttled,
    TryLater,
)
from relay.providerkit.http import HttpAnswer
from relay.providerkit.outcome import STATUSES, Policy, fail, judge, provider_detail, retry_after

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
SAID = provider_detail(500, "SVC0001", "A service error has occurred")


def answer(status: int, content_type: str = "application/json", **headers: str) -> HttpAnswer:
    """An answer with headers such as `retry_after="30"`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpAnswer(status, CIMultiDict(named), b"", content_type)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize("effect", [True, False])
def test_a_success_is_nothing_to_raise(status: int, effect: bool) -> None:
    """Every 2xx passes."""
    judge(answer(status), effect=effect, now=NOW)


@pytest.mark.parametrize(
    ("status", "read", "effect"),
    [
        (300, TryLater, OutcomeUnknown),
        (302, TryLater, OutcomeUnknown),
        (303, TryLater, OutcomeUnknown),
        (307, TryLater, TryLater),
        (308, TryLater, TryLater),
        (400, Refused, Refused),
        (401, NotAuthorized, NotAuthorized),
        (403, NotAuthorized, NotAuthorized),
        (404, Gone, TryLater),
        (405, Refused, Refused),
        (408, TryLater, TryLater),
        (410, Gone, Refused),
        (413, Refused, Refused),
        (418, Refused, Refused),
        (425, TryLater, TryLater),
        (429, Throttled, Throttled),
        (500, TryLater, OutcomeUnknown),
        (501, TryLater, OutcomeUnknown),
        (502, TryLater, OutcomeUnknown),
        (503, TryLater, TryLater),
        (504, TryLater, OutcomeUnknown),
        (507, TryLater, OutcomeUnknown),
        (599, TryLater, OutcomeUnknown),
    ],
)
def test_a_status_means_what_the_table_says(status: int, read: type[RelayError], effect: type[RelayError]) -> None:
    """A read may always be repeated; a request with an effect only where it cannot have been carried out."""
    for with_effect, expected in ((False, read), (True, effect)):
        with pytest.raises(expected) as caught:
            judge(answer(status), effect=with_effect, now=NOW)
        assert type(caught.value) is expected
        detail = caught.value.problem.provider
        assert detail is not None
        assert detail.http == status


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_failure_with_an_effect_stays_unknown_whatever_it_says(status: int) -> None:
    """An error envelope in it says nothing about how far the service had come; a read is simply repeated."""
    with pytest.raises(OutcomeUnknown) as caught:
        judge(answer(status), effect=True, now=NOW, said=SAID)
    assert caught.value.problem.provider == SAID
    with pytest.raises(TryLater):
        judge(answer(status), effect=False, now=NOW, said=SAID)


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("effect", [True, False])
def test_a_web_page_that_finds_nothing_is_a_gateway_s(status: int, effect: bool) -> None:
    """It must not end the search for a message that exists."""
    with pytest.raises(TryLater):
        judge(answer(status, "text/html"), effect=effect, now=NOW)


def test_what_may_be_tried_again_never_carries_a_final_code() -> None:
    """A class and a code that contradict one another would mislead whoever reads the code."""
    for row in STATUSES.values():
        for policy in (row.read, row.effect):
            with pytest.raises(RelayError) as caught:
                fail(policy, Problem(row.code, row.detail))
            if isinstance(caught.value, TryLater):
                assert caught.value.problem.code.retryable


def test_unknown_is_always_uncertain() -> None:
    """Whatever the row's code is."""
    with pytest.raises(OutcomeUnknown) as caught:
        fail(Policy.UNKNOWN, Problem(ErrorCode.PROVIDER_ERROR, "failed"))
    assert caught.value.problem.code is ErrorCode.UNCERTAIN


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30),
        (" 30 ", 30),
        ("0", 1),
        ("1", 1),
        ("3600", 3600),
        ("3601", 3600),
        ("1000000000", 3600),
        ("9" * 18, 3600),
        ("Sat, 21 Nov 2026 09:01:00 GMT", 60),
        ("Saturday, 21-Nov-26 09:01:00 GMT", 60),
        ("Sat Nov 21 09:01:00 2026", 60),
        ("Sat, 21 Nov 2026 10:01:00 +0100", 60),
        ("Sat, 21 Nov 2020 09:01:00 GMT", 1),
        ("Sat, 21 Nov 2099 09:01:00 GMT", 3600),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 400, None),
        ("Sat, 99 Nov 2026 09:01:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_and_kept_within_an_hour(value: str, seconds: float | None) -> None:
    """Junk says nothing; what is absurd is cut."""
    assert retry_after(answer(429, retry_after=value), NOW) == seconds


def test_a_retry_after_date_is_measured_against_the_answer_s_own_date() -> None:
    """So that a provider's wrong clock does no harm."""
    wrong = answer(503, retry_after="Sat, 21 Nov 2026 12:00:30 GMT", date="Sat, 21 Nov 2026 12:00:00 GMT")
    assert retry_after(wrong, NOW) == 30


@given(st.text(), st.text())
def test_no_header_breaks_the_reading(value: str, date: str) -> None:
    """Any text is a wait within the bounds, or none."""
    seconds = retry_after(answer(429, retry_after=value, date=date), NOW)
    assert seconds is None or 1 <= seconds <= 3600


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_goes_with_the_error(status: int) -> None:
    """The sender waits at least so long."""
    with pytest.raises(TryLater) as caught:
        judge(answer(status, retry_after="77"), effect=True, now=NOW)
    assert caught.value.after == 77


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Invalid tel:+12065550123", "Invalid tel:+#"),
        ("Invalid (206) 555-0123 here", "Invalid (# here"),
        ("Invalid 206.555.0123", "Invalid #"),
        ("bad token a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4", "bad token #"),
        ("session 00000000-0000-0000-0000-000000000000:1", "session #"),
        ("SVC0002 in 2026 at 12:30", "SVC0002 in 2026 at 12:30"),
        ("", None),
        (None, None),
    ],
)
def test_what_the_provider_said_shows_no_number_and_no_key(said: Any, shown: Any) -> None:
    """Runs of seven digits and more are masked, however they are written, and so are long opaque words."""
    assert provider_detail(400, "SVC0002", said).text == shown


@given(st.text(alphabet="0123456789 -.()ab", max_size=400))
def test_what_the_provider_said_is_short_and_has_no_seven_digits_in_a_row(said: str) -> None:
    """Whatever it was."""
    shown = provider_detail(400, None, said).text or ""
    assert len(shown) <= 200
    assert not any(shown[at : at + 7].isdecimal() for at in range(len(shown) - 6))
