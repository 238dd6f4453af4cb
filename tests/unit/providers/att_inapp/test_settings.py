"""What can be set for a subscriber's line, and what is refused with its reason."""

from typing import Any

import pytest
from pydantic import ValidationError

from relay.providers import discover
from relay.providers.att_inapp import PROVIDER
from relay.providers.att_inapp.settings import AttInAppSettings

LEAST = {"provider": "att-inapp", "number": "2065550150", "app_key": "app-key-4711", "app_secret": "app-s3cret-4711"}


def settings(**more: Any) -> AttInAppSettings:
    """The least that runs, and more."""
    return AttInAppSettings.model_validate({**LEAST, **more})


def test_the_provider_is_found_by_its_name() -> None:
    """By its folder alone."""
    assert discover()["att-inapp"] is PROVIDER


def test_a_number_and_the_app_are_enough() -> None:
    """Everything else is AT&T's own, or the milder choice."""
    made = settings()
    assert (made.number, made.base_url, made.scope) == ("+12065550150", "https://api.att.com", "IMMN,MIM")
    assert (made.sync, made.sync_interval, made.history, made.group_flag) == (True, 60, False, "both")
    assert (made.may_send, made.may_read, made.custom_param) == (True, True, ())


@pytest.mark.parametrize(
    ("scope", "may_send", "may_read"),
    [("IMMN", True, False), ("MIM", False, True), ("IMMN MIM", True, True), (" mim , immn ", True, True)],
)
def test_the_scope_says_what_the_line_may_do(scope: str, may_send: bool, may_read: bool) -> None:
    """With commas or blanks between its names: both are documented."""
    made = settings(scope=scope, sync=False)
    assert (made.may_send, made.may_read, made.scope) == (may_send, may_read, scope)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"number": "12345"}, "ten digits"),
        ({"number": "short:12345"}, "phone number"),
        ({"number": "a@b.example"}, "phone number"),
        ({"scope": "IMMN"}, "sync needs MIM in scope"),
        ({"scope": "SMS"}, "scope must have IMMN"),
        ({"scope": ""}, "scope must have IMMN"),
        ({"sync_interval": "4s"}, "greater than or equal to 5"),
        ({"sync_interval": "2d"}, "less than or equal to 86400"),
        ({"group_flag": "isgroup"}, "'group', 'isGroup' or 'both'"),
        ({"custom_param": ["skip"]}, "bypass_onnetwork_auth"),
        ({"base_url": "http://api.att.com"}, "must be https"),
        ({"app_key": ""}, "at least 1 character"),
        ({"app_secret": ""}, "at least 1"),
        ({"sync_intervall": "1m"}, "Extra inputs"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_would_be_right(wrong: dict[str, Any], said: str) -> None:
    """And the secret is not shown with it."""
    with pytest.raises(ValidationError, match=said) as caught:
        settings(**wrong)
    assert "4711" not in str(caught.value)
