"""A web hook of Landline Texting -> the text that came in, or what became of one that went out. Pure.

All five events carry the same message object and nothing in it names the event, which is why the event is in the
path (Landline documentation, Events; wire facts, 4.6). AT&T sends a hook again until it is answered, for 72 hours, in
no certain order: everything read here has a key to recognise it by.
"""

from collections.abc import Callable, Mapping
from typing import Any

from relay.domain.addresses import Address, AddressKind, inbound
from relay.domain.errors import Malformed
from relay.domain.messages import DeliveryReport, HookReading, InboundMessage, RawAnswer
from relay.providerkit.parse import Unreadable, as_id, as_int, as_object, as_text, as_time, understood
from relay.providers.att_landline.codes import hook_word

EVENTS = ("receive", "send", "progress", "read", "delete")

_OUTBOUND = ("MT", "ZO")  # mobile terminated; originated through the platform
_INBOUND = "MO"

Fields = Mapping[str, Any]


def read_hook(event: str, raw: RawAnswer, *, own_number: str) -> HookReading:
    """What a hook says.

    Args:
        event: the last part of the path that it came to.
        raw: its body.
        own_number: the line's number, in E.164, for a text that does not say whom it was sent to.

    Raises:
        Malformed: no such event, no JSON object, or a field without which it means nothing is missing.
    """
    if event not in EVENTS:
        raise Malformed("a hook of an unknown event: expected " + ", ".join(EVENTS), raw.body)
    return understood(raw.body, f"a {event} hook", _reader(event, own_number))


def _reader(event: str, own_number: str) -> Callable[[Any], HookReading]:
    def read(value: Any) -> HookReading:
        fields = as_object(value, "the body")
        if event == "receive" and _type(fields) not in _OUTBOUND:
            return HookReading(messages=(_message(fields, own_number),))
        # An inbound text's status code means nothing (wire facts, 4.6).
        if event in {"read", "delete"} or _type(fields) == _INBOUND:
            return HookReading()
        return HookReading(reports=(_report(event, fields),))

    return read


def _message(fields: Fields, own_number: str) -> InboundMessage:
    ref = as_id(fields.get("id"))
    to = inbound(as_id(fields.get("finaldestination")) or "")
    return InboundMessage(
        sender=_other_party(fields),
        recipient=to.value if to.kind is AddressKind.E164 else own_number,
        text=None if fields.get("body") is None else as_text(fields["body"], "body"),
        dedupe_key=f"receive:{ref}" if ref else None,
        provider_time=as_time(fields.get("datecreated")),
        provider=_worth_keeping(fields),
    )


def _report(event: str, fields: Fields) -> DeliveryReport:
    ref, code = as_id(fields.get("id")), _status_code(fields)
    if ref is None:
        raise Unreadable("id must be there")
    word = hook_word(code)
    to = as_id(fields.get("finaldestination")) or as_id(fields.get("address"))
    return DeliveryReport(
        ref=ref,
        fact=word.fact,
        address=inbound(to) if to else None,
        status=word.status,
        code=str(code),
        problem=word.problem,
        dedupe_key=f"{event}:{ref}:{code}",
    )


def _status_code(fields: Fields) -> int:
    # Elsewhere nothing counts as 0; here 0 says "delivered".
    if fields.get("statuscode") in (None, ""):
        raise Unreadable("statusCode must be there")
    return as_int(fields["statuscode"], "statusCode")


def _other_party(fields: Fields) -> Address:
    """Who wrote: `address` (`ptn:/` and the number) or, where that is no number, `finalSource`."""
    spelled = [text for name in ("address", "finalsource") if (text := as_id(fields.get(name)))]
    if not spelled:
        raise Unreadable("address or finalSource must be there")
    known = (address for address in map(inbound, spelled) if address.kind is not AddressKind.OTHER)
    return next(known, inbound(spelled[0]))


def _worth_keeping(fields: Fields) -> dict[str, Any]:
    return {
        "id": as_id(fields.get("id")),
        "fingerprint": as_id(fields.get("fingerprint")),
        "contactId": as_id(fields.get("contactid")),
        "deviceId": as_id(fields.get("deviceid")),
        "messageType": as_id(fields.get("messagetype")),
        "hasAttachment": fields.get("hasattachment") is True,
    }


def _type(fields: Fields) -> str:
    return (as_id(fields.get("messagetype")) or "").upper()
