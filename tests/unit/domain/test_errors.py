"""Errors: codes with a category, and classes that are what the module's drawing says."""

import re

import pytest

from relay.domain import errors
from relay.domain.errors import ErrorCode, Malformed, Problem, RelayError, Throttled, TryLater

# Section 6 of the contract, in its order.
CODES = (
    "invalid_json invalid_request invalid_recipient too_long unsupported unsupported_media too_large "
    "retained_command unknown_line unknown_id conflict too_late "
    "expired opted_out spam_blocked quota_exceeded throttled "
    "unauthorized consent_required carrier_unknown provider_refused provider_error unreachable uncertain "
    "malformed_response loop_suspected queue_full internal"
)
CATEGORIES = {
    "refused": {"expired", "opted_out", "spam_blocked", "carrier_unknown", "provider_refused", "loop_suspected"},
    "temporary": {"quota_exceeded", "throttled", "provider_error", "unreachable", "queue_full", "internal"},
    "line": {"unauthorized", "consent_required"},
    "unknown": {"uncertain", "malformed_response"},
}
PROBLEM = Problem(ErrorCode.UNREACHABLE, "no connection could be made")


def drawn_parents() -> dict[str, str]:
    """Each class of the drawing in the module's docstring, with the class it hangs from."""
    parents, branch = {}, [(-1, "RelayError")]
    for line in (errors.__doc__ or "").splitlines():
        if drawn := re.match(r"([ │├└─]*[├└]─ )(\w+)", line):
            depth, name = len(drawn[1]), drawn[2]
            branch = [(above, parent) for above, parent in branch if above < depth]
            parents[name] = branch[-1][1]
            branch.append((depth, name))
    return parents


def test_the_codes_are_the_contracts() -> None:
    """Programs test them: none is missing, none is new."""
    assert " ".join(ErrorCode) == CODES


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_has_the_category_that_was_decided_for_it(code: ErrorCode) -> None:
    """What is in no other group is the request's own fault."""
    decided = next((category for category, members in CATEGORIES.items() if code.value in members), "invalid")
    assert code.category == decided
    assert code.retryable == (decided == "temporary")


def test_the_classes_are_the_ones_drawn() -> None:
    """The drawing on top of the module is the hierarchy: no more, no fewer, each below its parent."""
    drawn = drawn_parents()
    built = {
        name: found.__base__.__name__
        for name, found in vars(errors).items()
        if isinstance(found, type) and issubclass(found, RelayError) and found is not RelayError and found.__base__
    }
    assert drawn == built
    assert len(drawn) == 13


def test_an_error_says_its_problem_and_nothing_more() -> None:
    """What is printed is the detail, which holds no text and no number."""
    assert str(TryLater(PROBLEM)) == PROBLEM.detail
    assert TryLater(PROBLEM).problem is PROBLEM


def test_trying_later_may_carry_the_other_sides_wish() -> None:
    """Seconds to wait, or our own schedule."""
    assert TryLater(PROBLEM).after is None
    assert Throttled(PROBLEM, after=30).after == 30


def test_malformed_bytes_are_kept_and_not_printed() -> None:
    """They are for a person to read, not for a log."""
    error = Malformed("expected a list of messages", b'{"Message": "secret words"}')
    assert error.raw == b'{"Message": "secret words"}'
    assert error.problem.code is ErrorCode.MALFORMED_RESPONSE
    assert "secret" not in str(error)
    assert "secret" not in repr(error)
