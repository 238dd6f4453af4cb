"""A damaged inbox page -> the messages in it that can be read, one by one, and the rest. Pure.

AT&T deletes a page as it hands it out: what came of one that broke off is nowhere else.
"""

import json
import re
from collections.abc import Iterator

from relay.domain.errors import Malformed
from relay.domain.messages import InboundMessage, RawAnswer, Salvage
from relay.providers.att_sms import wire

_JSON_LIST = re.compile(r'(?<!\\)"inboundSMSMessage"\s*:\s*', re.IGNORECASE)
_XML_MESSAGE = re.compile(r"<((?:[\w.-]{1,50}:)?inboundSMSMessage)(?:\s[^<>]*)?>", re.IGNORECASE)
_PREFIX = re.compile(r"</?([\w.-]{1,50}):")
_BETWEEN = re.compile(r"[\s,\[]*")
_LENIENT = json.JSONDecoder(strict=False)

Pieces = tuple[list[str], str]  # whole messages as they are written, and what stands behind the last of them


def salvage(short_code: str, raw: RawAnswer) -> Salvage:
    """What can be read of a page of which `wire.read_inbox` says Malformed, in JSON or in XML.

    The rest is a page of the same form, with everything in it that could not be read: a message that is whole and
    unreadable, and what stands behind the last whole one.

    Args:
        short_code: the recipient where a message names none.
        raw: the page, as far as it came.
    """
    page = raw.body.decode("utf-8", "surrogateescape")
    is_xml = page.lstrip("\ufeff \t\r\n").startswith("<")
    whole, tail = _xml_pieces(page) if is_xml else _json_pieces(page)
    messages: list[InboundMessage] = []
    unreadable: list[str] = []
    for piece in whole:
        found = _message(short_code, piece, is_xml=is_xml)
        messages.extend(found)
        if not found:
            unreadable.append(piece)
    if not messages:
        return Salvage((), raw)
    rest = _xml_rest(unreadable, tail) if is_xml else _json_rest(unreadable, tail)
    return Salvage(tuple(messages), RawAnswer(rest.encode("utf-8", "surrogateescape"), raw.content_type))


def _message(short_code: str, piece: str, *, is_xml: bool) -> tuple[InboundMessage, ...]:
    """The message that is written so; none where it cannot be read."""
    page = _xml_page(piece) if is_xml else f'{{"inboundSMSMessageList":{{"inboundSMSMessage":[{piece}]}}}}'
    try:
        body = page.encode("utf-8", "surrogateescape")
        return wire.read_inbox(short_code, RawAnswer(body)).messages
    except Malformed:
        return ()


def _json_pieces(page: str) -> Pieces:
    begins = _JSON_LIST.search(page)
    at = begins.end() if begins else len(page)
    whole = []
    for start, end in _json_values(page, at):
        whole.append(page[start:end])
        at = end
    return whole, page[at:]


def _json_values(page: str, at: int) -> Iterator[tuple[int, int]]:
    """Where the whole objects of a list begin and end, from `at` on; or the one object that stands for a list."""
    while True:
        between = _BETWEEN.match(page, at)
        start = between.end() if between else at
        if page[start : start + 1] != "{":
            return
        try:
            _, at = _LENIENT.raw_decode(page, start)
        except (ValueError, RecursionError):
            return
        yield start, at


def _json_rest(unreadable: list[str], tail: str) -> str:
    behind = tail.lstrip(", \t\r\n")
    comma = "," if unreadable and behind.startswith("{") else ""
    return '{"inboundSMSMessageList":{"inboundSMSMessage":[' + ",".join(unreadable) + comma + behind


def _xml_pieces(page: str) -> Pieces:
    whole: list[str] = []
    if "<!" in page:
        # In a CDATA section or a comment may stand what only looks like messages: anybody could text it.
        return whole, page
    at = 0
    while (begins := _XML_MESSAGE.search(page, at)) is not None:
        ends = re.compile(rf"</{re.escape(begins[1])}\s*>").search(page, begins.end())
        if ends is None:
            break
        whole.append(page[begins.start() : ends.end()])
        at = ends.end()
    return whole, page[at:]


def _xml_page(piece: str) -> str:
    """The piece as a page; a prefix that is declared outside of it means nothing here."""
    declared = "".join(f' xmlns:{prefix}="urn:x"' for prefix in sorted(set(_PREFIX.findall(piece)) - {"xml", "xmlns"}))
    return f"<inboundSMSMessageList{declared}>{piece}</inboundSMSMessageList>"


def _xml_rest(unreadable: list[str], tail: str) -> str:
    return "<inboundSMSMessageList>" + "".join(unreadable) + tail
