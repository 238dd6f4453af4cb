"""AT&T's own words, one line each, and what they mean to relay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.states import Fact, State, advance
from relay.providers.att_sms.codes import DELIVERY_STATUSES, ERRORS, Meaning, delivery_fact


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("MessageWaiting", State.SUBMITTED),
        ("DeliveredToNetwork", State.SENT),
        ("DeliveryUncertain", State.UNKNOWN),
        ("DeliveredToTerminal", State.DELIVERED),
        ("DeliveryImpossible", State.UNDELIVERED),
    ],
)
def test_every_documented_status_leads_where_the_contract_says(status: str, state: State) -> None:
    """Section 5 of the contract, from a copy that AT&T took."""
    assert advance(State.SUBMITTED, delivery_fact(status)) is state
    assert delivery_fact(f" {status.upper()} ") is delivery_fact(status)


@given(st.text().filter(lambda text: text.strip().lower() not in {status.lower() for status in DELIVERY_STATUSES}))
def test_an_unknown_status_teaches_nothing(status: str) -> None:
    """Whatever it is, no state changes for it."""
    assert delivery_fact(status) is Fact.SUBMITTED
    assert advance(State.SENT, delivery_fact(status)) is State.SENT


def test_every_code_says_something_to_people_and_fits_its_meaning() -> None:
    """What may be tried again has a code that says so, and what is final has none that does."""
    for code, error in ERRORS.items():
        assert error.detail, code
        assert error.code.retryable == (error.meaning in {Meaning.LATER, Meaning.RATE}), code
