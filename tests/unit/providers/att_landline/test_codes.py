"""Landline's status codes: the tables are whole, and say what the documentation says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.errors import ErrorCode
from relay.domain.states import Fact, State, advance
from relay.providerkit.outcome import Policy
from relay.providers.att_landline.codes import (
    CONTRADICTION,
    NOT_SENT,
    PROGRESS,
    UNKNOWN_FAILURE,
    Fault,
    NotSent,
    Progress,
    described_failure,
    documented_failure,
    hook_word,
    other_failure,
)

# Landline documentation, Status Codes: Message Not Sent; -703 is in its samples. The last column is ours.
DOCUMENTED = {
    -1234: (ErrorCode.OPTED_OUT, Policy.REFUSED),
    -855: (ErrorCode.PROVIDER_ERROR, Policy.LATER),
    -801: (ErrorCode.SPAM_BLOCKED, Policy.REFUSED),
    -704: (ErrorCode.PROVIDER_REFUSED, Policy.REFUSED),
    -703: (ErrorCode.INVALID_REQUEST, Policy.REFUSED),
    -700: (ErrorCode.PROVIDER_REFUSED, Policy.REFUSED),
    -394: (ErrorCode.INVALID_REQUEST, Policy.REFUSED),
    -124: (ErrorCode.CARRIER_UNKNOWN, Policy.REFUSED),
    -1: (ErrorCode.UNCERTAIN, Policy.UNKNOWN),
}
PROGRESSED = {
    0: Fact.DELIVERED_UNCONFIRMED,
    1: Fact.SUBMITTED,
    2: Fact.SUBMITTED,
    3: Fact.SUBMITTED,
    4: Fact.DELIVERED,
    5: Fact.UNDELIVERED,
    6: Fact.DELIVERED,
    7: Fact.UNDELIVERED,
}
any_code = st.integers() | st.sampled_from([*DOCUMENTED, *PROGRESSED])


def test_every_documented_failure_has_its_row() -> None:
    """No code of the first table is missing, doubled or read otherwise."""
    assert {row.code: (row.problem, row.at_send) for row in NOT_SENT} == DOCUMENTED
    assert len(NOT_SENT) == len(DOCUMENTED)


def test_every_documented_progress_has_its_row() -> None:
    """No code of the second table is missing, doubled or read otherwise."""
    assert {row.code: row.fact for row in PROGRESS} == PROGRESSED
    assert len(PROGRESS) == len(PROGRESSED)


@pytest.mark.parametrize("row", PROGRESS, ids=lambda row: row.code)
def test_what_is_called_transient_is_not_final(row: Progress) -> None:
    """The column headed "Retry" means "final": it is "Yes" where the state is not "Transient"."""
    assert advance(State.SUBMITTED, row.fact).final == (row.state != "Transient")


@given(any_code)
def test_no_hook_has_a_text_sent_again(code: int) -> None:
    """Whatever a hook's code is, the copy never goes back to where it would be sent from."""
    fact = hook_word(code).fact
    for state in (State.SENDING, State.UNCERTAIN, State.SUBMITTED, State.SENT, State.DELIVERED_UNCONFIRMED):
        assert advance(state, fact).rank >= State.SUBMITTED.rank


@given(st.integers(max_value=-1).filter(lambda code: code not in DOCUMENTED))
def test_an_unknown_negative_code_is_a_failure_and_not_repeated(code: int) -> None:
    """It is refused as the answer to a send, and failed when a hook brings it."""
    assert documented_failure(code) is None
    assert other_failure(code) is UNKNOWN_FAILURE
    assert UNKNOWN_FAILURE.at_send is Policy.REFUSED
    word = hook_word(code)
    assert word.fact is Fact.REFUSED
    assert word.problem is not None
    assert word.problem.provider is not None
    assert word.problem.provider.code == str(code)


@given(st.integers(min_value=8))
def test_an_unknown_positive_code_is_on_its_way(code: int) -> None:
    """It ends nothing."""
    assert hook_word(code).fact is Fact.SUBMITTED


@given(st.integers(min_value=0))
def test_a_failure_with_a_code_of_progress_is_in_doubt(code: int) -> None:
    """Success is denied and progress is told: nobody may conclude that nothing was sent."""
    assert other_failure(code) is CONTRADICTION
    assert CONTRADICTION.at_send is Policy.UNKNOWN


@pytest.mark.parametrize(
    ("code", "problem"),
    [(code, problem) for code, (problem, policy) in DOCUMENTED.items() if policy is not Policy.UNKNOWN],
)
def test_a_failure_in_a_hook_is_final(code: int, problem: ErrorCode) -> None:
    """Also -855, which is to be repeated only where it answers the send itself."""
    word = hook_word(code)
    assert word.problem is not None
    assert (word.fact, word.problem.code) == (Fact.REFUSED, problem)


def test_an_unknown_error_in_a_hook_leaves_the_copy_in_doubt() -> None:
    """The state of -1 is "Unknown": the text may still be delivered, and a later hook may say so."""
    assert hook_word(-1).fact is Fact.DOUBTED
    assert advance(advance(State.SUBMITTED, Fact.DOUBTED), Fact.DELIVERED) is State.DELIVERED


@pytest.mark.parametrize("row", NOT_SENT, ids=lambda row: row.code)
def test_only_spam_protection_rests_the_line(row: NotSent) -> None:
    """For an hour: AT&T has to lift the flag."""
    assert row.rest == (3600 if row.code == -801 else 0)


@given(st.text())
def test_words_stand_for_a_documented_row_or_for_none(text: str) -> None:
    """A description that stands in several rows stands for none."""
    assert described_failure(text) in (None, *NOT_SENT)
    assert described_failure("Internal Error") is None


@pytest.mark.parametrize("code", [-1234, -801, -124, -1])
def test_a_description_of_one_row_alone_is_as_good_as_its_code(code: int) -> None:
    """Whatever stands around it."""
    row = documented_failure(code)
    assert row is not None
    assert described_failure(f"Failed: {row.description.upper()}!") is row


def test_only_what_one_recipient_may_cause_divides_a_call() -> None:
    """STOP, a bad number and an unknown carrier; spam protection and inner errors are the whole call's."""
    assert {row.code for row in NOT_SENT if row.fault is Fault.RECIPIENT} == {-1234, -703, -124}
