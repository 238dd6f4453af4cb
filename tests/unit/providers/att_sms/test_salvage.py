"""A damaged inbox page is read message by message, in JSON and in XML, and nothing of it is lost or read twice."""

import json
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.errors import Malformed
from relay.domain.messages import RawAnswer
from relay.providers.att_sms.salvage import salvage
from relay.providers.att_sms.wire import read_inbox

CODE = "12345"
TEXTS = ["one", 'two "quoted" \\ }]}', "3 \u00e9\U0001f600", '"inboundSMSMessage":[{"message":"no"}]', "</Message>", ""]


def fields(text: str) -> dict[str, str]:
    """A message as AT&T writes it."""
    return {"MessageId": "msg0", "Message": text, "SenderAddress": "tel:+12065550101", "DestinationAddress": CODE}


def as_json(*texts: str, served: bool = True) -> bytes:
    """A page, as served or as documented."""
    each = "InboundSmsMessage" if served else "inboundSMSMessage"
    root = f"{each}List"
    page = {root: {"NumberOfMessagesInThisBatch": len(texts), each: [fields(text) for text in texts], "Total": 0}}
    return json.dumps(page, ensure_ascii=False, indent=None if served else 2).encode()


def as_xml(*texts: str, prefix: str = "") -> bytes:
    """A page in XML."""
    messages = "".join(
        f"<{prefix}inboundSMSMessage>"
        + "".join(f"<{prefix}{name}>{escape(value)}</{prefix}{name}>" for name, value in fields(text).items())
        + f"</{prefix}inboundSMSMessage>\n"
        for text in texts
    )
    declared = f' xmlns:{prefix[:-1]}="urn:att"' if prefix else ""
    root = f"{prefix}inboundSMSMessageList"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}{declared}>{messages}</{root}>'.encode()


FORMS: dict[str, Any] = {
    "served": as_json,
    "documented": lambda *texts: as_json(*texts, served=False),
    "xml": as_xml,
    "prefixed": lambda *texts: as_xml(*texts, prefix="ns2:"),
}


def read(body: bytes) -> tuple[list[str | None], bytes]:
    """The texts that are saved, and the rest."""
    saved = salvage(CODE, RawAnswer(body, "application/json"))
    return [message.text for message in saved.messages], saved.rest.body


@pytest.mark.parametrize("form", FORMS)
def test_wherever_a_page_breaks_off_whole_messages_are_saved_and_the_rest_is_kept(form: str) -> None:
    """Byte by byte: what is saved is a beginning of what was sent, and grows with what came."""
    page = FORMS[form](*TEXTS)
    saved_before = 0
    for size in range(len(page)):
        texts, rest = read(page[:size])
        assert texts == TEXTS[: len(texts)]
        assert saved_before <= len(texts)
        if texts:
            with pytest.raises(Malformed):
                read_inbox(CODE, RawAnswer(rest))
            assert page[:size].endswith(rest[-20:]) or len(rest) < 120
            assert read(rest)[0] == []
        else:
            assert rest == page[:size]
        saved_before = len(texts)
    assert saved_before == len(TEXTS)


@pytest.mark.parametrize("form", ["served", "documented"])
def test_one_message_that_is_unreadable_holds_up_no_other(form: str) -> None:
    """The rest is a page with it alone, which is whole: a relay that can read it reads nothing twice."""
    page = FORMS[form]("one", "two", "three").replace(b'"two"', b"[2]")
    texts, rest = read(page)
    assert texts == ["one", "three"]
    mended = rest.replace(b"[2]", b'"two"')
    assert [message.text for message in read_inbox(CODE, RawAnswer(mended)).messages] == ["two"]


def test_one_unreadable_message_in_xml_holds_up_no_other() -> None:
    """An entity that nobody knows."""
    page = as_xml("one", "two", "three").replace(b">two<", b">&two;<")
    texts, rest = read(page)
    assert texts == ["one", "three"]
    mended = rest.replace(b"&two;", b"two")
    assert [message.text for message in read_inbox(CODE, RawAnswer(mended)).messages] == ["two"]


def test_a_message_that_stands_for_a_list_of_one_is_saved() -> None:
    """As converters from XML write it."""
    page = b'{"inboundSMSMessageList": {"inboundSMSMessage": ' + json.dumps(fields("alone")).encode() + b', "Tot'
    texts, rest = read(page)
    assert texts == ["alone"]
    assert rest.endswith(b'"Tot')


@pytest.mark.parametrize(
    "body", [b"", b"<html>no</html>", b"{}", b"[", b"\xff\xfe", b'{"inboundSMSMessage":[[[[', b"<a><b/></a>"]
)
def test_where_nothing_can_be_read_the_rest_is_all_of_it(body: bytes) -> None:
    """Nothing is invented."""
    assert read(body) == ([], body)


def test_a_depth_that_nobody_means_ends_quietly() -> None:
    """The first is saved, the monster stays in the rest."""
    monster = b'{"inboundSMSMessage":[' + json.dumps(fields("one")).encode() + b',{"Message":' + b"[" * 100_000
    texts, rest = read(monster)
    assert texts == ["one"]
    assert rest.endswith(b"[" * 100_000)


@given(body=st.binary(max_size=300), form=st.sampled_from(sorted(FORMS)), cut=st.integers(0, 400))
def test_whatever_the_bytes_are_it_ends(body: bytes, form: str, cut: int) -> None:
    """With messages or without."""
    page = FORMS[form]("one", "two")
    saved = salvage(CODE, RawAnswer(page[:cut] + body))
    assert len(saved.messages) <= 2 + body.count(b"{") + body.count(b"<")
