"""AT&T's one general code: its words tell what it means."""

import pytest

from relay.providerkit.envelope import Complaint
from relay.providerkit.gateway import General, general_policy, saw_no_credentials
from relay.providerkit.http import HttpAnswer


def said(text: str) -> Complaint:
    """A complaint with the general code."""
    return Complaint("POL0001", text)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("Rate limit exceeded", General.RATE),
        ("too many requests", General.RATE),
        ("Daily quota exceeded", General.QUOTA),
        ("invalid MSISDN", General.NUMBER),
        ("Scope is not granted", None),
    ],
)
def test_the_words_decide(text: str, meaning: General | None) -> None:
    """What they do not settle is left to each provider's own table."""
    assert general_policy(403, said(text)) is meaning


def test_too_many_addresses_are_not_too_many_calls() -> None:
    """Waiting cures the second only: the call would be made again until it expires."""
    assert general_policy(403, said("Too many addresses in the request")) is None


def test_a_bad_request_with_the_general_code_showed_no_credentials() -> None:
    """400, where 401 was meant."""
    assert general_policy(400, said("anything")) is General.NO_CREDENTIALS


@pytest.mark.parametrize(
    ("status", "body", "seen"), [(400, b"Invalid Request", True), (400, b"no", False), (401, b"Invalid Request", False)]
)
def test_a_bare_bad_request_showed_no_credentials(status: int, body: bytes, seen: bool) -> None:
    """Without any envelope."""
    assert saw_no_credentials(HttpAnswer(status, {}, body, "text/plain")) is seen
