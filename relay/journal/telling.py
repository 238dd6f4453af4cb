"""A message that the line's provider showed -> its row and its announcement."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from relay.domain.addresses import AddressKind
from relay.domain.errors import ErrorCode, Problem
from relay.domain.keywords import keyword, wants_out
from relay.domain.mailbox import Mail
from relay.domain.messages import InboundMessage, Part, Sighting
from relay.journal.announce import News, announce
from relay.journal.codec import timestamp
from relay.journal.keywords import Heard, heed, words_of
from relay.journal.shown import Shown
from relay.journal.transaction import Transaction


def message_body(message_id: str, one: Mail, *, suspect: bool = False) -> dict[str, Any]:
    """What users see of a message: one that came in, or one that went out from the line's number by another device.

    Args:
        message_id: the id it is shown under.
        one: the message.
        suspect: it may be a repetition.
    """
    return {
        "message_id": message_id,
        **(_received(one) if isinstance(one, InboundMessage) else _went_out(one)),
        "text": one.text,
        "subject": one.subject,
        "media": [_media(part) for part in one.parts],
        "provider_time": timestamp(one.provider_time),
        "duplicate_suspect": suspect,
        "provider": dict(one.provider),
    }


def tell_message(
    tx: Transaction, line: str, one: InboundMessage, received_at: datetime, *, refs: Iterable[str | None] = ()
) -> None:
    """As `tell_heard`, of one message by itself."""
    shown = Shown(tx, line)
    tell_heard(shown, one, received_at, refs=refs)
    shown.write()


def tell_heard(
    shown: Shown,
    one: InboundMessage,
    received_at: datetime,
    *,
    refs: Iterable[str | None] = (),
    suspect: bool = False,
) -> None:
    """Keep and announce a message that came in, and do what its keyword asks for.

    Args:
        shown: writes its row, together with those of others.
        one: the message.
        received_at: when relay heard of it.
        refs: the provider's ids of it, besides its own.
        suspect: it may be a repetition.
    """
    tx, line = shown.tx, shown.line
    message_id = shown.add("in", one.text, one.subject, (one.ref, *refs))
    body = message_body(message_id, one, suspect=suspect)
    announce(tx, News("message", line, message_id, body, occurred_at=one.provider_time or received_at))
    asked, suspected = body["keyword"], body["opt_out_suspected"]
    if asked is not None or suspected:
        heed(tx, Heard(line, one, message_id, received_at, suspect=suspect), asked=asked, suspected=suspected)


def tell_elsewhere(tx: Transaction, line: str, one: Sighting, seen_at: datetime) -> None:
    """Keep and announce a message that another device sent from the line's number."""
    shown = Shown(tx, line)
    message_id = shown.add("elsewhere", one.text, one.subject, [one.ref])
    shown.write()
    news = News("event.sent-elsewhere", line, message_id, message_body(message_id, one))
    announce(tx, replace(news, occurred_at=one.provider_time or seen_at))


def _received(one: InboundMessage) -> dict[str, Any]:
    sender = {"from": one.sender.value, "to": one.recipient, "address_kind": one.sender.kind.value}
    words = words_of(one)
    asked = keyword(words)
    return {**sender, "keyword": asked, "opt_out_suspected": asked is None and wants_out(words)}


def _went_out(one: Sighting) -> dict[str, Any]:
    kind = one.to[0].kind if one.to else AddressKind.OTHER
    recipients = [address.value for address in one.to]
    sent = {"from": None, "to": recipients, "address_kind": kind.value}
    return {**sent, "keyword": None, "opt_out_suspected": False}


def _media(part: Part) -> dict[str, Any]:
    """An attachment: its bytes, or where they are, or why they could not be had."""
    size = part.size if part.data is None else len(part.data)
    shown: dict[str, Any] = {"content_type": part.content_type, "filename": part.filename, "bytes": size}
    if part.data is not None:
        return {**shown, "data": b64encode(part.data).decode("ascii")}
    if part.href is not None:
        return {**shown, "href": part.href}
    return {**shown, "data": None, "error": (part.problem or _NOT_HAD).as_body()}


_NOT_HAD = Problem(ErrorCode.PROVIDER_ERROR, "the provider did not hand out this attachment")
