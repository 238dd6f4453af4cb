"""What relay sends to AT&T, in each dialect: exactly as documented."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.addresses import outbound
from relay.domain.messages import OutboundCall, Recipient
from relay.providers.att_sms.bodies import Sending, gsma_body, rest2_body, v3_body

BODIES = (v3_body, rest2_body, gsma_body)


def call(*numbers: str, text: str = "Your verification code is 482910.") -> OutboundCall:
    """A call to these numbers."""
    recipients = tuple(Recipient(str(place), outbound(number)) for place, number in enumerate(numbers))
    return OutboundCall("call-1", "m", "alerts", 1, recipients, text)


def written(body: Any, *numbers: str, notify: bool = False, **parts: Any) -> Any:
    """The JSON of a body."""
    return json.loads(body(Sending(call(*numbers, **parts), "12345", notify, "https://relay.example/hooks")))


@pytest.mark.parametrize("notify", [False, True])
def test_version_3_is_written_as_its_openapi_has_it(notify: bool) -> None:
    """An array of tel: URIs also for one recipient."""
    assert written(v3_body, "2125551234", "+12065550123", notify=notify) == {
        "outboundSMSRequest": {
            "address": ["tel:+12125551234", "tel:+12065550123"],
            "message": "Your verification code is 482910.",
            "notifyDeliveryStatus": notify,
        }
    }


def test_rest_v2_is_written_as_the_quickstart_has_it() -> None:
    """Pascal case without a wrapper, and a wish for callbacks only where there is one."""
    plain = {"Message": "SMS Message Text", "Address": ["tel:+12125551234", "tel:+12065550123"]}
    numbers = ("2125551234", "2065550123")
    assert written(rest2_body, *numbers, text="SMS Message Text") == plain
    assert written(rest2_body, *numbers, text="SMS Message Text", notify=True) == {
        **plain,
        "NotifyDeliveryStatus": True,
    }


def test_oneapi_is_written_as_gsma_has_it() -> None:
    """From the short code, with the call's id as its correlator and, for callbacks, as what they repeat."""
    plain = {
        "address": ["tel:+12125551234"],
        "senderAddress": "12345",
        "outboundSMSTextMessage": {"message": "Your verification code is 482910."},
        "clientCorrelator": "call-1",
    }
    assert written(gsma_body, "2125551234") == {"outboundSMSMessageRequest": plain}
    wish = {"receiptRequest": {"notifyURL": "https://relay.example/hooks", "callbackData": "call-1"}}
    assert written(gsma_body, "2125551234", notify=True) == {"outboundSMSMessageRequest": {**plain, **wish}}


def test_an_address_with_a_secret_in_it_is_not_shown() -> None:
    """It is the proof that a callback is AT&T's."""
    assert "hooks" not in repr(Sending(call("2125551234"), "12345", notify=True, notify_url="https://x/hooks/s3cret"))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_arrives_as_it_was_written(text: str) -> None:
    """Every character, in UTF-8, in every dialect."""
    v3, rest2, gsma = (written(body, "2125551234", text=text) for body in BODIES)
    assert v3["outboundSMSRequest"]["message"] == rest2["Message"] == text
    assert gsma["outboundSMSMessageRequest"]["outboundSMSTextMessage"]["message"] == text
