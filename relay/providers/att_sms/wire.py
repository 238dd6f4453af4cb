"""AT&T's answers -> domain values, whatever the dialect. Pure.

They are read as documented or as served: camelCase or PascalCase, numbers or texts, one object where a list is due,
JSON or XML. The requests' bodies are in `bodies.py`, what AT&T calls back with in `callbacks.py`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

from relay.domain.addresses import inbound
from relay.domain.messages import DeliveryReport, InboundMessage, InboxPage, RawAnswer
from relay.providerkit.folding import folded
from relay.providerkit.parse import Unreadable, as_count, as_id, as_list, as_object, as_text, as_time, understood
from relay.providers.att_sms.codes import delivery_fact

T = TypeVar("T")
Fields = Mapping[str, Any]

_PLACE = re.compile(r"msg(\d{1,4})")
_LONGEST_ID = 256
_LONGEST_URL = 2048
_LAST_SEGMENT = re.compile(r"\S*?/([^/?#\s]+)(?:/deliveryInfos)?/?(?:[?#]\S*)?", re.IGNORECASE)
_NO_IDS = frozenset({"requests", "deliveryinfos"})
_BARE = ("Id", "ResourceReference")  # fields by which an answer without a wrapper is known


def sent_v3(raw: RawAnswer) -> str | None:
    """The message id of a send that was taken (OpenAPI, SendSmsResponse).

    None where the answer has none, and no status can ever be asked for. The id in its resource URL is not taken: in
    the documentation's own example it is another message's.

    Raises:
        Malformed: the answer is none to a send.
    """
    return answer(raw, "a send answer", lambda value: _own_id(_one_of(value, "outboundSMSResponse")))


def sent_rest2(raw: RawAnswer) -> str | None:
    """As `sent_v3`, of REST v2, whose answer has no wrapper (SMS documentation, SMS Response Object) but in XML."""
    roots = ("outboundSMSResponse", "smsResponse", *_BARE)
    return answer(raw, "a send answer", lambda value: _own_id(_one_of(value, *roots)))


def sent_oneapi(raw: RawAnswer) -> str | None:
    """As `sent_v3`, of OneAPI, where the id may stand at the end of the resource URL alone.

    Any of GSMA's two answers (the request again, or a resource reference) and AT&T's own is read. The URL itself is
    never called: it names hosts that are not AT&T's public ones.
    """

    def read(value: Any) -> str | None:
        found = _one_of(value, "outboundSMSMessageRequest", "outboundSMSResponse", *_BARE)
        return _own_id(found) or _id_in_url(found)

    return answer(raw, "a send answer", read)


def read_status(ref: str, raw: RawAnswer) -> Sequence[DeliveryReport]:
    """One report for each recipient of the call `ref` (OpenAPI, DeliveryInfoResponse); none for an empty body (204).

    Raises:
        Malformed: it is no delivery status.
    """
    if not raw.body:
        return ()
    return answer(raw, "a delivery status", lambda value: _reports(ref, value))


def read_inbox(short_code: str, raw: RawAnswer) -> InboxPage:
    """The messages of a page, and how many more wait (OpenAPI, InboundSmsResponse); none for an empty body (204).

    Args:
        short_code: the recipient where a message names none, as served.
        raw: the page as it came.

    Raises:
        Malformed: it is no inbox page.
    """
    if not raw.body:
        return InboxPage(())
    return answer(raw, "an inbox page", lambda value: _page(short_code, value))


def answer(raw: RawAnswer, what: str, read: Callable[[Any], T]) -> T:
    """What `read` makes of a body in JSON or XML; raises Malformed, which names it as `what`."""
    return understood(raw.body, what, read, lambda body: folded(body, raw.content_type))


def report_of(ref: str, info: Any, place: int | None) -> DeliveryReport:
    """One delivery info of the call `ref`; `place` is its place in the call as far as that is known."""
    fields = as_object(info, "deliveryInfo")
    status = as_id(fields.get("deliverystatus"))
    if status is None:
        raise Unreadable("deliveryStatus must be a text")
    # Ids are msg0, msg1, … in the order of the addresses that were sent (SMS documentation, Delivery Info Object).
    own_place = _PLACE.fullmatch(as_id(fields.get("id")) or "")
    address = as_id(fields.get("address"))
    return DeliveryReport(
        ref=ref,
        fact=delivery_fact(status),
        address=inbound(address) if address else None,
        position=int(own_place[1]) if own_place else place,
        status=status,
    )


class Said(NamedTuple):
    """What a text that came in can be recognised by: the addresses as relay writes them, the rest as AT&T did."""

    message_id: str | None
    sender: str
    recipient: str
    time: str | None
    text: str


def _no_key(_: Said) -> None:
    """A message id is "unique for every message returned in the list", and in no other list: there is none."""


def message_of(short_code: str, found: Any, key_of: Callable[[Said], str | None] = _no_key) -> InboundMessage:
    """One text that came in; to `short_code` where it does not say to whom. `key_of` makes its `dedupe_key`."""
    fields = as_object(found, "inboundSMSMessage")
    if "message" not in fields and "senderaddress" not in fields:
        raise Unreadable("inboundSMSMessage must have a message or a senderAddress")
    spelled = as_text(fields.get("senderaddress"), "senderAddress")
    to = as_id(fields.get("destinationaddress"))
    recipient = inbound(to).value if to else short_code
    time, message_id = as_id(fields.get("datetime")), as_id(fields.get("messageid"))
    text, sender = as_text(fields.get("message"), "message"), inbound(spelled)
    kept = {"message_id": message_id, "raw_sender": spelled, "raw_time": time}
    return InboundMessage(
        sender=sender,
        recipient=recipient,
        text=text,
        provider_time=as_time(time),
        dedupe_key=key_of(Said(message_id, sender.value, recipient, time, text)),
        provider={name: value for name, value in kept.items() if value},
    )


def listed(value: Any) -> list[Any]:
    """`value` as a list, also where nothing but blanks stands between two tags of XML."""
    return [] if _is_blank(value) else as_list(value)


def _one_of(value: Any, *roots: str) -> Fields:
    """The object under the first of these keys that is there; the body itself where that is a field of a bare one."""
    body = as_object(value, "the body")
    found = next((root for root in roots if root.lower() in body), None)
    if found is None:
        raise Unreadable(f"the body must have {' or '.join(roots)} (in any case)")
    if found in _BARE:
        return body
    inner = body[found.lower()]
    # XML writes an object without fields as it does a text.
    return {} if _is_blank(inner) else as_object(inner, found)


def _own_id(found: Fields) -> str | None:
    return _checked(as_id(found.get("messageid")) or as_id(found.get("id")))


def _id_in_url(found: Fields) -> str | None:
    reference = found.get("resourcereference")
    url = as_id((reference if isinstance(reference, dict) else found).get("resourceurl")) or ""
    last = _LAST_SEGMENT.fullmatch(url) if len(url) <= _LONGEST_URL else None
    return _checked(unquote(last[1])) if last and last[1].lower() not in _NO_IDS else None


def _checked(ref: str | None) -> str | None:
    return ref if ref and len(ref) <= _LONGEST_ID else None


def _reports(ref: str, value: Any) -> tuple[DeliveryReport, ...]:
    infos = listed(_one_of(value, "deliveryInfoList").get("deliveryinfo"))
    return tuple(report_of(ref, info, place) for place, info in enumerate(infos))


def _page(short_code: str, value: Any) -> InboxPage:
    page = _one_of(value, "inboundSMSMessageList")
    messages = tuple(message_of(short_code, found) for found in listed(page.get("inboundsmsmessage")))
    return InboxPage(messages, as_count(page.get("totalnumberofpendingmessages")))


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
