"""A callback of AT&T's -> the text that came in, or what became of one that went out. Pure.

AT&T repeats a callback until it is answered with a 2xx, "typically" for 72 hours (SMS documentation, Receive SMS), so
what is read here has a key to recognise it by where there is anything to make one of.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from relay.domain.errors import Malformed
from relay.domain.messages import DeliveryReport, HookReading, RawAnswer
from relay.providerkit.parse import Unreadable, as_id, as_object
from relay.providers.att_sms.wire import Fields, Said, answer, listed, message_of, report_of

MESSAGE, DELIVERY = "message", "delivery"

# The form of AT&T's is flat; GSMA's has its fields one or two objects deeper.
_WRAPPERS = ("inboundsmsmessagenotification", "inboundsmsmessage")


def read_hook(event: str, raw: RawAnswer, *, short_code: str) -> HookReading:
    """What a callback says.

    Args:
        event: `message` (SMS documentation, Receive SMS) or `delivery` (GSMA OneAPI, delivery notification).
        raw: its body.
        short_code: the recipient of a text that does not say whom it was sent to.

    Raises:
        Malformed: no such event, or a body without which it means nothing.
    """
    read = _READERS.get(event)
    if read is None:
        raise Malformed("a callback of an unknown event: expected " + " or ".join(_READERS), raw.body)
    return answer(raw, f"a {event} callback", lambda value: read(short_code, value))


def _message(short_code: str, value: Any) -> HookReading:
    fields = as_object(value, "the body")
    for wrapper in _WRAPPERS:
        fields = as_object(fields.get(wrapper, fields), wrapper)
    return HookReading(messages=(message_of(short_code, fields, _key_of_message),))


def _key_of_message(said: Said) -> str | None:
    """What is equal when AT&T repeats the callback: its message id is empty, so all of it, its time above all.

    Without a time two equal texts cannot be told from one that is repeated; then a text is rather doubled than lost.
    """
    if said.time is None:
        return None
    return _key(MESSAGE, said.message_id or "", said.sender, said.recipient, said.time, said.text)


def _delivery(_short_code: str, value: Any) -> HookReading:
    return HookReading(reports=_reports(value))


_READERS: Mapping[str, Callable[[str, Any], HookReading]] = {MESSAGE: _message, DELIVERY: _delivery}


def _reports(value: Any) -> tuple[DeliveryReport, ...]:
    body = as_object(value, "the body")
    fields = as_object(body.get("deliveryinfonotification", body), "deliveryInfoNotification")
    if "deliveryinfo" not in fields:
        raise Unreadable("deliveryInfoNotification must have a deliveryInfo")
    ref = _ref(fields)
    # One callback a recipient: a place in its list says nothing about a place in the call.
    return tuple(_report(ref, info) for info in listed(fields["deliveryinfo"]))


def _ref(fields: Fields) -> str:
    """GSMA repeats the callback data, in which relay has put the call's id; AT&T itself names the message."""
    ref = as_id(fields.get("callbackdata")) or as_id(fields.get("messageid"))
    if ref is None:
        raise Unreadable("deliveryInfoNotification must have a messageId or callbackData")
    return ref


def _report(ref: str, info: Any) -> DeliveryReport:
    found = report_of(ref, info, None)
    whose = found.address.value if found.address else f"place {found.position}"
    return replace(found, dedupe_key=_key(DELIVERY, ref, whose, (found.status or "").lower()))


def _key(event: str, *parts: str) -> str:
    """A key that shows neither a number nor a text."""
    told = "".join(f"{len(part)}:{part}" for part in parts)
    return f"{event}:{hashlib.sha256(told.encode()).hexdigest()}"
