"""What can be set for a short code, and what is refused with its reason."""

from typing import Any

import pytest
from pydantic import ValidationError

from relay.providers.att_sms.settings import AttSmsSettings

LEAST = {"provider": "att-sms", "short_code": "12345", "app_key": "app-key-4711", "app_secret": "app-s3cret-4711"}


def settings(**more: Any) -> AttSmsSettings:
    """The least that runs, and more."""
    return AttSmsSettings.model_validate({**LEAST, **more})


def test_a_short_code_and_the_app_are_enough() -> None:
    """Everything else is AT&T's own, or the most that AT&T takes."""
    made = settings()
    assert (made.base_url, made.scope, made.dialect) == ("https://api.att.com", "SMS", "v3")
    assert (made.receive, made.poll_interval, made.receipts, made.recipients_per_call) == ("poll", 300, "poll", 50)


def test_a_dialect_has_its_details() -> None:
    """With defaults that are the documents', and as texts too, for that is what the environment has."""
    made = settings(dialect="oneapi")
    assert (made.oneapi_version, made.oneapi_body, made.oneapi_status_path) == (2, "gsma", "resource")
    other = settings(dialect="oneapi", oneapi_version="3", oneapi_body="att", oneapi_status_path="example")
    assert (other.oneapi_version, other.oneapi_body, other.oneapi_status_path) == (3, "att", "example")


def test_gsma_s_request_has_to_say_where_receipts_are_called_back() -> None:
    """AT&T's own root leaves that to what is registered; the address holds a secret."""
    wish = {"dialect": "oneapi", "receipts": "callback"}
    with pytest.raises(ValidationError, match=r"oneapi_notify_url\n.*must be set.*relay webhooks list"):
        settings(**wish)
    assert settings(**wish, oneapi_body="att").oneapi_notify_url is None
    made = settings(**wish, oneapi_notify_url="https://relay.example/hooks/alerts/s-4711/delivery")
    assert made.oneapi_notify_url is not None
    assert made.oneapi_notify_url.get_secret_value() == "https://relay.example/hooks/alerts/s-4711/delivery"
    assert "s-4711" not in repr(made) + made.model_dump_json()


def test_texts_and_receipts_are_asked_for_or_called_back_or_neither() -> None:
    """One way each, as AT&T allows only one."""
    assert (settings(receive="callback").receive, settings(receipts="callback").receipts) == ("callback", "callback")
    assert (settings(receive="off").receive, settings(receipts="off").receipts) == ("off", "off")


def test_the_registration_is_the_short_code_unless_it_is_set() -> None:
    """As the account's page has it."""
    assert settings().registration_id == "12345"
    assert settings(registration_id="REG-500123").registration_id == "REG-500123"


def test_a_short_code_may_be_written_as_a_number() -> None:
    """TOML makes no fuss of quotes."""
    made = settings(short_code=22627000, registration_id=22627012)
    assert (made.short_code, made.registration_id) == ("22627000", "22627012")


@pytest.mark.parametrize(("value", "seconds"), [("5m", 300), ("29m", 1740), ("12m30s", 750), (600, 600), ("600", 600)])
def test_a_poll_interval_has_its_unit(value: Any, seconds: float) -> None:
    """Between 5 and 29 minutes, both included."""
    assert settings(poll_interval=value).poll_interval == seconds


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("4m59s", "no more than one poll in 5 minutes"),
        (0, "no more than one poll in 5 minutes"),
        (float("nan"), "no more than one poll in 5 minutes"),
        ("29m1s", "not fetched for 30 minutes"),
        ("30m", "not fetched for 30 minutes"),
        ("soon", "must be a duration such as"),
    ],
)
def test_a_poll_interval_out_of_bounds_is_refused_with_at_t_s_reason(value: Any, reason: str) -> None:
    """Sooner is against AT&T's wish, later loses texts."""
    with pytest.raises(ValidationError, match=reason):
        settings(poll_interval=value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"short_code": "12"},
        {"short_code": "+12065550123"},
        {"short_code": True},
        {"app_key": ""},
        {"app_secret": ""},
        {"scope": ""},
        {"dialect": "v4"},
        {"oneapi_version": 1},
        {"oneapi_body": "xml"},
        {"oneapi_status_path": "/2/smsmessaging"},
        {"oneapi_notify_url": "http://relay.example/hooks/alerts/s-4711/delivery"},
        {"oneapi_notify_url": "relay.example"},
        {"receive": "push"},
        {"receipts": "no"},
        {"receipts": ["poll", "callback"]},
        {"recipients_per_call": 51},
        {"recipients_per_call": 0},
        {"timeout": "0s"},
        {"timeout": "6m"},
        {"base_url": "http://api.att.com"},
        {"pol_interval": "5m"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_value_is_named_and_no_secret_is_repeated(wrong: dict[str, Any]) -> None:
    """Settings errors are printed and logged."""
    with pytest.raises(ValidationError) as caught:
        settings(**wrong)
    assert next(iter(wrong)) in str(caught.value)
    assert "4711" not in str(caught.value)


def test_the_secret_is_not_shown() -> None:
    """Neither by repr nor in JSON."""
    assert "app-s3cret" not in repr(settings()) + settings().model_dump_json()
