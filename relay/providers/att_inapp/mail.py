"""A message of the store, as bytes -> what it is to relay: one that came in, or one that went out. Pure.

Read as the OpenAPI file has it (addresses and subject as plain texts) and as published clients were served (addresses
as objects, the subject in `typeMetaData`, attachments in `mmsContent`).
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from relay.domain.addresses import Address, AddressKind, inbound
from relay.domain.errors import ErrorCode, Problem
from relay.domain.mailbox import StoredMail
from relay.domain.messages import InboundMessage, Part, RawAnswer, Segment, Sighting
from relay.providerkit.parse import Unreadable, as_count, as_id, as_list, as_object, as_text, as_time, understood
from relay.providers.att_inapp.wire import as_flag, entry_of

_LAYOUT = "application/smil"  # says where on a page the other parts stand
_UNKNOWN_TYPE = "application/octet-stream"
_MOST_SEGMENTS = 255
_LONGEST = 255


def read_stored(own_number: str, ref: str, raw: RawAnswer) -> StoredMail:
    """The message `ref` of the subscriber `own_number`, with its flags (OpenAPI, MessageDetail).

    Its attachments are listed and not fetched; what it has no text for is None, as in an MMS, whose text is a part.

    Raises:
        Malformed: it is no message.
    """
    return understood(raw.body, "a message", lambda value: _stored(own_number, ref, value))


def whose_store(raw: bytes) -> frozenset[str]:
    """The numbers that the subscriber of this page of a store may have, as its messages tell; empty if none does.

    A message that went out tells by its sender, a text that came in by its only recipient; an MMS that came in need
    not name the subscriber among its recipients.

    Raises:
        Malformed: it is no message list.
    """
    return understood(raw, "a message list", _owners)


def _stored(own_number: str, ref: str, value: Any) -> StoredMail:
    body = as_object(value, "the body")
    found = as_object(body.get("message", body), "message")
    # The id is the one that was asked for: an answer need not repeat it.
    entry = entry_of({**found, "messageid": as_id(found.get("messageid")) or ref})
    if not found.keys() & {"from", "recipients", "text", "mmscontent", "type"}:
        raise Unreadable("message must have a sender, recipients or a text")
    sender = _addresses(found.get("from"))
    came_in = _came_in(found, sender, own_number)
    return StoredMail(entry, _inbound(own_number, ref, found, sender) if came_in else _sighting(ref, found))


def _came_in(found: Mapping[str, Any], sender: tuple[Address, ...], own_number: str) -> bool:
    said = as_flag(found.get("isincoming"))
    return said if said is not None else all(address.value != own_number for address in sender)


def _inbound(own_number: str, ref: str, found: Mapping[str, Any], sender: tuple[Address, ...]) -> InboundMessage:
    return InboundMessage(
        sender=sender[0] if sender else inbound(""),
        recipient=own_number,
        text=_text(found),
        dedupe_key=ref,
        provider_time=as_time(found.get("timestamp")),
        subject=_subject(found),
        provider=_worth_keeping(ref, found),
        ref=ref,
        parts=_parts(found),
        segment=_segment(found),
    )


def _sighting(ref: str, found: Mapping[str, Any]) -> Sighting:
    return Sighting(
        ref=ref,
        to=_addresses(found.get("recipients")),
        text=_text(found),
        subject=_subject(found),
        parts=_parts(found),
        provider_time=as_time(found.get("timestamp")),
        provider=_worth_keeping(ref, found),
        segment=_segment(found),
    )


def _text(found: Mapping[str, Any]) -> str | None:
    text = found.get("text")
    return None if text is None else as_text(text, "text")


def _subject(found: Mapping[str, Any]) -> str | None:
    subject = found.get("subject")
    if subject is None:
        subject = _about(found).get("subject")
    return None if subject is None or subject == "" else as_text(subject, "subject")


def _about(found: Mapping[str, Any]) -> Mapping[str, Any]:
    about = found.get("typemetadata")
    return about if isinstance(about, dict) else {}


def _segment(found: Mapping[str, Any]) -> Segment | None:
    about = _about(found)
    details = about.get("segmentationdetails")
    if as_flag(about.get("issegmented")) is False or not isinstance(details, dict):
        return None
    group = as_id(details.get("segmentationmsgrefnumber"))
    place, total = as_count(details.get("thispartnumber")), as_count(details.get("totalnumberofparts"))
    if group is None or not 1 <= place <= total <= _MOST_SEGMENTS or total == 1:
        return None
    return Segment(group, place, total)


def _worth_keeping(ref: str, found: Mapping[str, Any]) -> Mapping[str, Any]:
    sender = next(iter(_spellings(found.get("from"))), None)
    others = {
        "type": as_id(found.get("type")),
        "raw_sender": sender,
        "recipients": [address.value for address in _addresses(found.get("recipients"))] or None,
        "raw_time": as_id(found.get("timestamp")),
    }
    return {"message_id": ref, **{name: value for name, value in others.items() if value}}


def _addresses(value: Any) -> tuple[Address, ...]:
    return tuple(inbound(spelling) for spelling in _spellings(value))


def _spellings(value: Any) -> list[str]:
    entries = (one.get("value", one.get("address")) if isinstance(one, dict) else one for one in as_list(value))
    return [spelling for spelling in map(as_id, entries) if spelling]


def _parts(found: Mapping[str, Any]) -> tuple[Part, ...]:
    contents = [as_object(content, "mmsContent") for content in as_list(found.get("mmscontent"))]
    parts = (_part(content) for content in contents)
    return tuple(part for part in parts if part.content_type.partition(";")[0].strip().lower() != _LAYOUT)


def _part(content: Mapping[str, Any]) -> Part:
    content_type = (as_id(content.get("contenttype")) or _UNKNOWN_TYPE)[:_LONGEST]
    name = (as_id(content.get("contentname")) or "")[:_LONGEST] or None
    # The address is a path, or one on a host that is not to be called: all that counts is the id at its end.
    ref = unquote(_path_of(as_id(content.get("contenturl")) or "").rpartition("/")[2])
    if not ref:
        lost = Problem(ErrorCode.MALFORMED_RESPONSE, "the provider does not say where the attachment is")
        return Part(content_type, name, problem=lost)
    return Part(content_type, name, ref=ref)


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path.rstrip("/")
    except ValueError:
        return ""


def _owners(value: Any) -> frozenset[str]:
    body = as_object(value, "the body")
    found = as_object(body.get("messagelist", body.get("messageresultset")), "messageList (or messageResultSet)")
    messages = [as_object(one, "a message") for one in as_list(found.get("messages"))]
    owners = (_owner(message) for message in messages)
    return frozenset(owner.value for owner in owners if owner is not None and owner.kind is AddressKind.E164)


def _owner(message: Mapping[str, Any]) -> Address | None:
    came_in = as_flag(message.get("isincoming"))
    if came_in is None or (came_in and as_id(message.get("type")) != "TEXT"):
        return None
    told_by = _addresses(message.get("recipients" if came_in else "from"))
    return told_by[0] if len(told_by) == 1 else None
