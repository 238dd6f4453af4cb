"""A Landline line's settings: what is taken, and what is refused without repeating it."""

from typing import Any

import pytest
from pydantic import ValidationError

from relay.providers.att_landline.settings import AttLandlineSettings

SESSION = "3d0f1dde-aaff-4ce8-b61a-af212a860abc:123456789"
LEAST = {"provider": "att-landline", "number": "+12065550100", "session": SESSION}


def test_number_and_session_are_enough() -> None:
    """Everything else is AT&T's own, or the most that AT&T takes."""
    settings = AttLandlineSettings.model_validate(LEAST)
    assert settings.base_url == "https://api-landlinetexting.att.com"
    assert settings.events == ("receive", "send", "progress", "read", "delete")
    assert (settings.recipients_per_call, settings.contacts_as, settings.webhook_secret) == (15, "e164", None)


@pytest.mark.parametrize("spelling", ["2065550100", "(206) 555-0100", "tel:+12065550100", "+1 206 555 0100"])
def test_a_number_is_kept_in_one_spelling(spelling: str) -> None:
    """It is compared with recipients, so it must be what they become."""
    assert AttLandlineSettings.model_validate({**LEAST, "number": spelling}).number == "+12065550100"


def test_the_session_is_not_shown() -> None:
    """Settings are printed and logged."""
    settings = AttLandlineSettings.model_validate(LEAST)
    assert SESSION not in repr(settings)
    assert SESSION not in settings.model_dump_json()


def test_fewer_events_may_be_wanted() -> None:
    """An account may have other listeners."""
    settings = AttLandlineSettings.model_validate({**LEAST, "events": ["progress", "receive"]})
    assert settings.events == ("progress", "receive")


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": "555"},
        {"number": "short:12345"},
        {"number": "somebody@example.com"},
        {"session": ""},
        {"session": f"{SESSION}\n"},
        {"session": 123456789012},
        {"events": ["receive", "recieve"]},
        {"events": ["receive", "receive"]},
        {"recipients_per_call": 16},
        {"recipients_per_call": 0},
        {"contacts_as": "national"},
        {"mms": "perhaps"},
        {"scheduling": "later"},
        {"scheduled_date_shift": "eastern"},
        {"base_url": "http://api-landlinetexting.att.com"},
        {"webhook_secret": "short"},
        {"webhook_secret": "with/slashes/in/the/middle"},
        {"timeout": "0s"},
        {"window_size": 3},
    ],
    ids=lambda wrong: f"{next(iter(wrong))}",
)
def test_a_wrong_value_is_named_and_not_repeated(wrong: dict[str, Any]) -> None:
    """An error names the setting; numbers and sessions stay out of it."""
    with pytest.raises(ValidationError) as caught:
        AttLandlineSettings.model_validate({**LEAST, **wrong})
    name, value = next(iter(wrong.items()))
    assert name in str(caught.value)
    if name in {"number", "session", "webhook_secret"} and value:
        assert str(value).strip() not in str(caught.value)


def test_what_is_left_out_is_the_milder_way() -> None:
    """Nothing that AT&T may not have enabled, and no time that cannot be taken back."""
    settings = AttLandlineSettings.model_validate(LEAST)
    assert (settings.mms, settings.scheduling, settings.scheduled_date_shift) == (True, "relay", "none")
    assert AttLandlineSettings.model_validate({**LEAST, "scheduled_date_shift": "pacific"}).scheduled_date_shift


LOGIN = {"username": "2065550100", "password": "a secret of ours"}


def test_a_user_name_and_a_password_stand_in_for_a_session() -> None:
    """And are not shown either."""
    settings = AttLandlineSettings.model_validate({"number": "+12065550100", **LOGIN})
    assert (settings.session, settings.username) == (None, "2065550100")
    assert LOGIN["password"] not in f"{settings!r}{settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({}, "session"),
        ({"session": SESSION, **LOGIN}, "session"),
        ({"session": SESSION, "username": "2065550100"}, "session"),
        ({"session": SESSION, "password": "a secret of ours"}, "session"),
        ({"username": "2065550100"}, "password"),
        ({"password": "a secret of ours"}, "username"),
        ({"username": "2065550100", "password": ""}, "password"),
        ({"username": "", "password": "a secret of ours"}, "username"),
    ],
)
def test_there_is_exactly_one_way_in(given: dict[str, str], key: str) -> None:
    """What is wrong is named; neither secret is repeated."""
    with pytest.raises(ValidationError) as caught:
        AttLandlineSettings.model_validate({"number": "+12065550100", **given})
    (error,) = caught.value.errors()
    assert key in (error["ctx"]["key"] if error["type"] == "unfit" else str(error["loc"]))
    assert SESSION not in str(caught.value)
    assert LOGIN["password"] not in str(caught.value)
