"""A web hook of Landline Texting -> what came in, what went out, what became of it, what a person did with it. Pure.

All five events carry the same message object and nothing in it names the event, which is why the event is in the
path (Landline documentation, Events; wire facts, 4.6). AT&T sends a hook again until it is answered, for 72 hours, in
no certain order: everything read here has a key to recognise it by.
"""

from collections.abc import Callable, Mapping
from typing import Any

from relay.domain.addresses import Address, AddressKind, inbound
from relay.domain.errors import ErrorCode, Malformed, Problem
from relay.domain.messages import DeliveryReport, HookReading, InboundMessage, MailChange, Part, RawAnswer, Sighting
from relay.domain.states import Fact
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
        match event:
            case "receive" if _type(fields) not in _OUTBOUND:
                return HookReading(messages=(_message(fields, own_number),))
            case "read" | "delete":
                return HookReading(changes=(_change(event, fields),))
            # An inbound text's status code means nothing (wire facts, 4.6).
            case _ if _type(fields) == _INBOUND:
                return HookReading()
        return HookReading(reports=(_report(event, fields),), sightings=_sightings(fields))

    return read


def _message(fields: Fields, own_number: str) -> InboundMessage:
    ref = as_id(fields.get("id"))
    to = inbound(as_id(fields.get("finaldestination")) or "")
    return InboundMessage(
        sender=_other_party(fields),
        recipient=to.value if to.kind is AddressKind.E164 else own_number,
        text=_body(fields),
        dedupe_key=f"receive:{ref}" if ref else None,
        provider_time=as_time(fields.get("datecreated")),
        provider=_worth_keeping(fields),
        ref=ref,
        parts=(_NOT_TO_BE_HAD,) if _has_attachment(fields) and not ref else (),
        has_parts=_has_attachment(fields) and ref is not None,
    )


_NOT_TO_BE_HAD = Part(
    "application/octet-stream",
    problem=Problem(ErrorCode.PROVIDER_ERROR, "the web hook has no id that its attachments could be asked for by"),
)


def _sightings(fields: Fields) -> tuple[Sighting, ...]:
    """A text that went out, whoever wrote it: with relay, or in AT&T's own apps.

    Progress shows it as well as `send` does, which may be lost or not wanted.
    """
    to = _destination(fields)
    if to is None:
        return ()
    return (
        Sighting(
            ref=_ref(fields),
            to=(to,),
            text=_body(fields),
            has_parts=_has_attachment(fields),
            provider_time=as_time(fields.get("datecreated")),
            provider=_worth_keeping(fields),
            fact=Fact.SUBMITTED,
        ),
    )


def _report(event: str, fields: Fields) -> DeliveryReport:
    ref, code = _ref(fields), _status_code(fields)
    word = hook_word(code)
    return DeliveryReport(
        ref=ref,
        fact=word.fact,
        address=_destination(fields),
        status=word.status,
        code=str(code),
        problem=word.problem,
        dedupe_key=f"{event}:{ref}:{code}",
    )


def _change(event: str, fields: Fields) -> MailChange:
    ref = _ref(fields)
    if event == "delete":
        return MailChange("deleted", ref, dedupe_key=f"delete:{ref}")
    # Read, unread and read again are three changes; the same one sent again has the same time.
    is_unread, when = fields.get("read") is False, as_id(fields.get("dateread")) or ""
    return MailChange("read", ref, {"is_unread": is_unread}, dedupe_key=f"read:{ref}:{is_unread}:{when}")


def _ref(fields: Fields) -> str:
    ref = as_id(fields.get("id"))
    if ref is None:
        raise Unreadable("id must be there")
    return ref


def _body(fields: Fields) -> str | None:
    """None where there is none: an empty body beside attachments means that what is said is in them."""
    body = None if fields.get("body") is None else as_text(fields["body"], "body")
    return None if body == "" and _has_attachment(fields) else body


def _has_attachment(fields: Fields) -> bool:
    value = fields.get("hasattachment")
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _status_code(fields: Fields) -> int:
    # Elsewhere nothing counts as 0; here 0 says "delivered".
    if fields.get("statuscode") in (None, ""):
        raise Unreadable("statusCode must be there")
    return as_int(fields["statuscode"], "statusCode")


def _destination(fields: Fields) -> Address | None:
    to = as_id(fields.get("finaldestination")) or as_id(fields.get("address"))
    return inbound(to) if to else None


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
        "hasAttachment": _has_attachment(fields),
    }


def _type(fields: Fields) -> str:
    return (as_id(fields.get("messagetype")) or "").upper()
