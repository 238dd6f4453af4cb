"""What In-App Messaging takes, and whether it goes out as SMS or as MMS."""

from typing import Any

import pytest

from relay.domain.addresses import outbound
from relay.domain.errors import ErrorCode, Refused, RefusedAsGroup
from relay.domain.messages import Content, Media, OutboundCall, Recipient
from relay.providers.att_inapp.sending import check_recipients, plan

PNG = Media("image/png", "map.png", b"1234")


@pytest.mark.parametrize(
    ("content", "sent_as"),
    [
        (Content("a" * 160), "sms"),
        (Content("Grüße"), "sms"),
        (Content("a" * 160, recipients=10), "sms"),
        (Content("hi", recipients=1, group=True), "sms"),
        (Content("a" * 161), "mms"),
        (Content("5 €"), "mms"),
        (Content("Привет"), "mms"),
        (Content("hi", recipients=2, group=True), "mms"),
        (Content("hi", subject="S"), "mms"),
        (Content("hi", media=(PNG,)), "mms"),
        (Content(None, media=(PNG,)), "mms"),
    ],
)
def test_at_t_s_rule_says_what_goes_as_sms(content: Content, sent_as: str) -> None:
    """A text alone, of Latin-1, of at most 160 characters, and to no group; a group of one is none."""
    made = plan(content)
    assert (made.sent_as, made.segments, made.recipients_per_call) == (sent_as, 1, 10)
    assert made.encoding == ("latin-1" if sent_as == "sms" else "utf-8")
    assert not made.provider_waits


def test_the_limits_themselves_are_taken() -> None:
    """Ten in a group, 21 attachments, a million bytes."""
    each = Media("image/png", None, b"x" * (1_000_000 // 21))
    rest = 1_000_000 - 21 * len(each.data)
    assert plan(Content("x" * rest, recipients=10, media=(each,) * 21, group=True)).sent_as == "mms"


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (Content(None), ErrorCode.INVALID_REQUEST, "text or media"),
        (Content("", subject="S"), ErrorCode.INVALID_REQUEST, "text or media"),
        (Content("\ud83d"), ErrorCode.INVALID_REQUEST, "whole characters"),
        (Content("hi", subject="\ud83d"), ErrorCode.INVALID_REQUEST, "whole characters"),
        (Content("hi", recipients=11, group=True), ErrorCode.UNSUPPORTED, "11 recipients: AT&T takes at most 10"),
        (Content("hi", media=(PNG,) * 22), ErrorCode.UNSUPPORTED_MEDIA, "22 attachments: AT&T takes at most 21"),
        (Content("hi", media=(PNG, Media("png", None, b""))), ErrorCode.UNSUPPORTED_MEDIA, r"media\[1\].content_type"),
        (Content("x" * 1_000_001), ErrorCode.TOO_LARGE, "1000001 bytes in all: AT&T takes at most 1000000"),
        (Content("é" * 500_001), ErrorCode.TOO_LARGE, "1000002 bytes"),
        (Content("hi", media=(Media("image/png", None, b"x" * 999_999),)), ErrorCode.TOO_LARGE, "1000001 bytes"),
    ],
)
def test_what_is_beyond_a_limit_is_refused_with_the_limit(content: Content, code: ErrorCode, said: str) -> None:
    """Before anything is sent."""
    with pytest.raises(Refused, match=said) as caught:
        plan(content)
    assert caught.value.problem.code is code


def test_more_than_ten_who_are_no_group_are_several_calls() -> None:
    """The plan says how many go into one."""
    assert plan(Content("hi", recipients=11)).recipients_per_call == 10


def a_call(*addresses: str, **more: Any) -> OutboundCall:
    """A call to these addresses."""
    recipients = tuple(Recipient(str(place), outbound(one)) for place, one in enumerate(addresses))
    return OutboundCall("c", "m", "desk", 1, recipients, "hi", **more)


@pytest.mark.parametrize(
    "address", ["+12065550123", "+17875551234", "+12995550123", "short:12345", "a@b.example", "user+de@b.example"]
)
def test_the_u_s_a_its_short_codes_and_mail_are_taken(address: str) -> None:
    """Territories too; and a number that nobody knows to be abroad."""
    check_recipients(a_call(address))


@pytest.mark.parametrize("address", ["+442079460123", "+14165551234", "+18765551234", "+525512345678"])
def test_a_number_abroad_is_refused_alone_and_divides_several(address: str) -> None:
    """Canada and the Caribbean begin with +1 as well. A group is not divided."""
    with pytest.raises(Refused) as alone:
        check_recipients(a_call(address))
    assert type(alone.value) is Refused
    assert alone.value.problem.code is ErrorCode.INVALID_RECIPIENT
    assert address not in repr(alone.value)
    with pytest.raises(RefusedAsGroup):
        check_recipients(a_call("+12065550123", address))
    with pytest.raises(Refused) as group:
        check_recipients(a_call("+12065550123", address, group=True))
    assert type(group.value) is Refused
